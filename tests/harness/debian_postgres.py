"""A server of Debian's Postgres, for what the embedded one lacks: backups, standbys and TLS."""

from __future__ import annotations

import subprocess
from pathlib import Path

from embedded.account import server_account
from tests.harness.requirements import require

BINARIES = Path("/usr/lib/postgresql/15/bin")


def require_debian_postgres() -> None:
    """Skip the test where Postgres 15 of Debian is missing."""
    require(
        (BINARIES / "pg_basebackup").exists(),
        f"no Postgres 15 in {BINARIES}: apt-get install postgresql-15",
    )


class Server:
    """A server of Debian's Postgres, on a socket in a folder. Its URL is the same for any data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.account = server_account()
        self.data = folder / "data"
        self.account.own(folder)
        self.do("initdb", "-U", "postgres", "--auth=trust", "-D", str(self.data))
        self.url = f"postgresql://postgres:@/gridcall?host={folder}"
        self.options = f"-c listen_addresses='' -k {folder}"

    def do(self, command: str, *words: str) -> None:
        # Into a file: a server that goes on would hold a pipe open.
        with (self.folder / "commands.log").open("ab") as log:
            command_line = self.account.command(BINARIES / command, *words, folder=self.data)
            subprocess.run(command_line, stdout=log, stderr=log, check=True)

    def start(self, data: Path | None = None) -> None:
        self.do(
            "pg_ctl",
            "-w",
            "-D",
            str(data or self.data),
            "-o",
            self.options,
            "-l",
            str(self.folder / "log"),
            "start",
        )

    def stop(self, data: Path | None = None) -> None:
        self.do("pg_ctl", "-w", "-D", str(data or self.data), "-m", "fast", "stop")

    def copy_data(self) -> Path:
        """Return a backup of a stopped server."""
        backup = self.folder / "backup"
        subprocess.run(["cp", "-a", self.data, backup], check=True)
        return backup
