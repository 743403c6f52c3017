"""Statements and faults of the Postgres server that tests use."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from embedded.cluster import is_ready, processes_in
from embedded.server import PostgresServer
from tests.harness.waiting import wait_until

# Errors that a connection raises while databases are made, dropped, cut or crashed.
CONNECTION_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)


async def execute(url: str, sql: str) -> None:
    """Execute a statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


def fetch_rows(url: str, sql: str, *arguments: object) -> list[Any]:
    """Return the rows of a query on a connection of its own."""

    async def fetch() -> list[Any]:
        connection = await asyncpg.connect(url)
        return list(await connection.fetch(sql, *arguments))

    return asyncio.run(fetch())


@contextmanager
def cut_off(postgres: str, name: str) -> Iterator[None]:
    """Take a database away from its clients for the length of the block."""
    allow = f"ALTER DATABASE {name} ALLOW_CONNECTIONS"
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    asyncio.run(execute(postgres, f"{allow} false; {end}"))
    try:
        yield
    finally:
        asyncio.run(execute(postgres, f"{allow} true"))


@contextmanager
def crash_database(server: PostgresServer) -> Iterator[None]:
    """Stop a server as a power cut does. After the block it recovers from its write-ahead log.

    Its supervisor would start it at once, and is paused for the length of the block.
    """
    supervisor = supervisor_of(server)
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(postmaster_of(server), signal.SIGQUIT)
        wait_until(lambda: not processes_in(server.pgdata))
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)
        wait_until(lambda: is_ready(server.pgdata) and server.get_pid() is not None)


def postmaster_of(server: PostgresServer) -> int:
    """Return the first process of a server that runs."""
    pid = server.get_pid()
    assert pid is not None
    return pid


def supervisor_of(server: PostgresServer) -> int:
    """Return the process that started a server."""
    stat = Path(f"/proc/{postmaster_of(server)}/stat").read_text()
    return int(stat.rpartition(") ")[2].split()[1])
