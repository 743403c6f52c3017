"""A Postgres of gridcall's own, in its data folder. It runs where GRIDCALL_DATABASE_URL names no
other one.

A process that uses it holds a connection to its supervisor (supervisor.py), which starts the server
and stops it with its last user.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from embedded.cluster import PORT, SUPERVISING, hold_lock, is_free, postmaster
from events.errors import Unusable

SOCKET, STARTING = "supervisor.sock", "starting"
TRIES = 5
STOP_SECONDS = 60
POLL_SECONDS = 0.05
FAULT_STATUS = 70  # Of a process whose server cannot be started again.
LIBRARIES = Path(__file__).parents[1]

log = logging.getLogger("gridcall")
servers: dict[Path, PostgresServer] = {}  # That this process uses, by data folder.


def data_folder() -> Path:
    """Return the data folder of gridcall: GRIDCALL_HOME, else a folder of the user's."""
    home = os.environ.get("GRIDCALL_HOME")
    return Path(home) if home else Path.home() / ".local" / "share" / "gridcall"


class PostgresServer:
    """The server of a data folder, for as long as this process uses it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._has_left = False
        self._connection, self._socket_folder = become_user(home)
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()
        atexit.register(self.cleanup)

    @property
    def pgdata(self) -> Path:
        """Return the folder of the database files."""
        return self._home / "postgres"

    def get_uri(self, database: str = "postgres") -> str:
        """Return the URL of a database of this server."""
        host = quote(self._socket_folder)
        return f"postgresql://postgres:@/{database}?host={host}&port={PORT}"

    def get_pid(self) -> int | None:
        """Return the number of the server's first process; None if it does not run."""
        return postmaster(self.pgdata)

    def cleanup(self) -> None:
        """Leave the server. Its last user waits until it has stopped."""
        if self._has_left:
            return
        self._has_left = True
        servers.pop(self._home, None)
        atexit.unregister(self.cleanup)
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        self._watching.join(STOP_SECONDS)

    def _watch(self) -> None:
        """Wait for the supervisor's end. If it was killed, start another one, or end the process.

        The supervisor sends nothing more: what is read is the end of the connection.
        """
        while not self._has_left:
            with suppress(OSError):
                self._connection.recv(1)
            self._connection.close()
            if not self._has_left:
                self._become_user_again()
        self._connection.close()

    def _become_user_again(self) -> None:
        try:
            self._connection, self._socket_folder = become_user(self._home)
        except (Unusable, OSError) as fault:
            log.critical("the embedded Postgres is gone, and this process ends: %s", fault)
            os._exit(FAULT_STATUS)


def start_server(folder: Path) -> PostgresServer:
    """Return the server of a data folder, started if it does not run.

    It stops when the last process that uses it ends. Raises Unusable if it does not start.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    home = folder.resolve()
    if home not in servers:
        servers[home] = PostgresServer(home)
    return servers[home]


def wait_for_end(folder: Path, seconds: float) -> None:
    """Wait until no server runs in a data folder, at most for so long.

    It stops by itself after its last user, even if its start was interrupted.
    """
    until = time.monotonic() + seconds
    while not is_free(folder / SUPERVISING) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)


def become_user(home: Path) -> tuple[socket.socket, str]:
    """Return a connection to a supervisor whose server runs, and the folder of its socket.

    A supervisor that stops at this moment, with its last user, does not answer. Raises Unusable.
    """
    for _ in range(TRIES):
        connection = connect_to_supervisor(home)
        answer = read_answer(connection)
        if "socket" in answer:
            return connection, answer["socket"]
        connection.close()
        if "fault" in answer:
            raise Unusable(answer["fault"])
    raise Unusable(f"the supervisor of the embedded Postgres ends at once: see {home}/postgres.log")


def read_answer(connection: socket.socket) -> dict[str, str]:
    """Return the answer of a supervisor, empty if it has ended."""
    try:
        with connection.makefile() as file:
            answer: dict[str, str] = json.loads(file.readline() or "{}")
            return answer
    except ConnectionError:
        return {}
    except BaseException:
        connection.close()
        raise


def connect_to_supervisor(home: Path) -> socket.socket:
    """Return a connection to the supervisor of a data folder, which is started if there is none.

    One process at a time does so, because a second one would find half of it.
    """
    connection = socket.socket(socket.AF_UNIX)
    with hold_lock(home / STARTING), short_path(home) as short:
        try:
            connection.connect(f"{short}/{SOCKET}")
        except (FileNotFoundError, ConnectionRefusedError):
            start_supervisor(home, short, connection)
    return connection


def start_supervisor(home: Path, short: str, connection: socket.socket) -> None:
    """Start a supervisor, and connect to it.

    It inherits a socket that listens already. So nobody waits for its start, and it has a user from
    the beginning. It has a session of its own, which the signals of a terminal do not reach.
    """
    (home / SOCKET).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{short}/{SOCKET}")
        (home / SOCKET).chmod(0o600)
        listening.listen(128)
        connection.connect(f"{short}/{SOCKET}")
        number = listening.fileno()
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "embedded.supervisor", str(home), str(number)],
            pass_fds=[number],
            env={**os.environ, "PYTHONPATH": str(LIBRARIES)},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


@contextmanager
def short_path(folder: Path) -> Iterator[str]:
    """Yield a short name of a folder, because the path of a socket has at most 107 bytes."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


# ── The databases of gridcall ────────────────────────────────────────────────────────────────────


def server_url(*, create: bool = True) -> str:
    """Return GRIDCALL_DATABASE_URL, or the URL of the embedded server, which is started then.

    Without `create`, an embedded server that stores nothing yet is not made. Raises Unusable.
    """
    return named_url() or database_url("gridcall", create=create)


def database_url(database: str, *, create: bool = True) -> str:
    """Return the URL of another database of the same server."""
    if not is_embedded():
        return urlunsplit(urlsplit(named_url())._replace(path=f"/{database}"))
    folder = data_folder()
    if not create and not (folder / "postgres").exists():
        raise Unusable(f"nothing is stored in {folder} yet: gridcall up begins")
    return start_server(folder).get_uri(database)


def is_embedded() -> bool:
    """Tell whether gridcall's databases are on the embedded server."""
    return not named_url()


def named_url() -> str:
    """Return the value of GRIDCALL_DATABASE_URL, empty if it is not set."""
    return os.environ.get("GRIDCALL_DATABASE_URL", "")
