"""Processes that use an embedded server, each of which can be killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from embedded.cluster import find_binaries, is_free
from tests.harness.commands import environment
from tests.harness.paths import ROOT
from tests.harness.postgres import CONNECTION_ERRORS, fetch_rows

USING = """
import sys
from pathlib import Path
from embedded.server import start_server
print(start_server(Path(sys.argv[1])).get_uri(), flush=True)
input()
"""


class User:
    """A process that uses the server of a data folder. `account` is another user of the machine."""

    def __init__(self, home: Path, account: int | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USING, str(home)],
            env=environment(),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=account,
            group=account,
            extra_groups=None if account is None else [],
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """End it as a command ends, and return its exit status."""
        self.process.communicate("\n", timeout=60)
        return self.process.returncode


@contextmanager
def user(home: Path, account: int | None = None) -> Iterator[User]:
    """Use the server of a data folder for the length of the block."""
    using = User(home, account)
    try:
        yield using
    finally:
        using.kill()


def answers(url: str) -> bool:
    """Tell whether a server takes connections."""
    with suppress(*CONNECTION_ERRORS):
        return bool(fetch_rows(url, "SELECT 1"))
    return False


def has_stopped(home: Path) -> bool:
    """Tell whether no server runs in a data folder, and nothing supervises one."""
    return is_free(home / "supervisor.lock") and not (home / "postgres/postmaster.pid").exists()


def connect_as(url: str, account: int) -> subprocess.CompletedProcess[str]:
    """Connect to a server as another user of the machine, with Postgres's own client."""
    return subprocess.run(
        [str(find_binaries() / "psql"), url, "-Atc", "SELECT current_user"],
        capture_output=True,
        text=True,
        check=False,
        user=account,
        group=account,
        extra_groups=[],
        cwd="/",
    )
