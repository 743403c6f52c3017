"""Commands of gridcall, run in processes as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.harness.paths import PATHS, ROOT


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": PATHS, "COLUMNS": "120"}


def gridcall(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gridcall", *map(str, words)]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, timeout=120
    )


def on(database: str) -> dict[str, str]:
    return {**environment(), "GRIDCALL_DATABASE_URL": database}


def gridcall_on(database: str, *words: object) -> subprocess.CompletedProcess[str]:
    """A command on a database."""
    command = [sys.executable, "-m", "gridcall", *map(str, words)]
    return subprocess.run(
        command,
        env=on(database),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def asked(database: str, *words: object) -> str:
    """What a command says on stdout."""
    done = gridcall_on(database, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout
