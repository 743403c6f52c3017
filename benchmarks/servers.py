"""A Postgres of a benchmark's own, and the processor time and memory of processes."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil

from embedded.server import PostgresServer, start_server
from eventlog.postgres.pool import Database, open_database
from gridcall.simulation.pipelines.postgres import COMMIT_SETTINGS

SAMPLE_SECONDS = 0.5


@contextmanager
def own_server() -> Iterator[PostgresServer]:
    """Run a Postgres of its own, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # The server may run as another user.
        server = start_server(Path(folder))
        try:
            yield server
        finally:
            server.cleanup()


async def settings(database: Database) -> str:
    """Return the version, the commit settings and the load of a server."""
    values = [
        f"{name} {(await database.fetch(f'SHOW {name}'))[0][0]}"
        for name in ("server_version", *COMMIT_SETTINGS)
    ]
    return f"{', '.join(values)}; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the start"


async def server_settings(server: PostgresServer) -> str:
    """Return the settings of the database server."""
    async with open_database(server.get_uri("postgres"), size=1) as database:
        return await settings(database)


async def fetch_row(url: str, sql: str, *args: object) -> asyncpg.Record:
    """Return one row."""
    connection = await asyncpg.connect(url)
    row = await connection.fetchrow(sql, *args)
    await connection.close()
    assert row is not None
    return row


def processes(root: psutil.Process) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    with suppress(psutil.NoSuchProcess):
        return [root, *root.children(recursive=True)]
    return []


def busy_seconds(process: psutil.Process) -> float:
    """Return the CPU seconds that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def cpu_seconds(server: PostgresServer) -> float:
    """Return the CPU seconds of the server and of all its processes, ended ones included."""
    spent = 0.0
    for process in processes(psutil.Process(server.get_pid())):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent += times.user + times.system + times.children_user + times.children_system
    return spent


class Peak:
    """The peak memory of gridcall and Postgres, together and each, in MiB of sampled PSS."""

    def __init__(self, gridcall: int, postgres: int) -> None:
        self.roots = [psutil.Process(gridcall), psutil.Process(postgres)]
        self.gridcall = self.postgres = self.together = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            gridcall, postgres = (sum(map(pss_mib, processes(root))) for root in self.roots)
            self.gridcall, self.postgres = (
                max(self.gridcall, gridcall),
                max(self.postgres, postgres),
            )
            self.together = max(self.together, gridcall + postgres)


def pss_mib(process: psutil.Process) -> float:
    """Return the memory of a process, with its part of shared pages."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
