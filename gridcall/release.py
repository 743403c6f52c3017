"""The release that runs: its version, and the commit from which it was built.

Standard library only, because tools/build_hook.py loads this file without its package.
"""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).parent
COMMIT = PACKAGE / "commit.txt"  # A build writes it into the wheel. A checkout has none.
DESCRIBE = ("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def describe_release() -> str:
    """Return a line with the version and the commit."""
    return f"gridcall {version('gridcall')}, commit {read_commit()}"


def read_commit() -> str:
    """Return the commit of the build, or that of this checkout, or `unknown`.

    `-dirty` follows it if files of the checkout were changed.
    """
    if COMMIT.exists():
        return COMMIT.read_text(encoding="ascii").strip()
    checkout = PACKAGE.parent
    if not (checkout / ".git").exists():  # Another checkout around an installation is not asked.
        return "unknown"
    try:
        done = subprocess.run(  # noqa: S603
            DESCRIBE, cwd=checkout, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
