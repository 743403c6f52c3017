"""Databases and their schemas: creates a database, and brings the schema of a service
up to date.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from eventlog.postgres.pool import map_errors
from events.errors import Halted

ENCODING = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = $1"
COMMENT = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1"
UTF8 = "ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"  # Whatever the server's own default is.

T = TypeVar("T")


async def create_database(url: str, *, replace: bool = False) -> None:
    """Create the database of a URL if it does not exist; `replace` drops it first.

    Raises Halted for a database that cannot store every character.
    """
    async with open_server(url) as (connection, name):
        if replace:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        encoding = await connection.fetchval(ENCODING, name)
        if encoding is None:
            # Another process may create it at the same moment.
            with suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                await connection.execute(f'CREATE DATABASE "{name}" {UTF8}')
        elif encoding != "UTF8":
            raise Halted(
                f"{name} has the encoding {encoding}, which lacks characters; "
                f"name a database made with {UTF8}"
            )


async def database_comment(url: str) -> str | None:
    """Return the comment on a database; None if there is none, or no such database."""
    async with open_server(url) as (connection, name):
        comment: str | None = await connection.fetchval(COMMENT, name)
        return comment


async def set_database_comment(url: str, text: str) -> None:
    """Set the comment on a database."""
    async with open_server(url) as (connection, name):
        quoted = await connection.fetchval("SELECT quote_literal($1::text)", text)
        await connection.execute(f'COMMENT ON DATABASE "{name}" IS {quoted}')


@asynccontextmanager
async def open_server(url: str) -> AsyncIterator[tuple[asyncpg.Connection[asyncpg.Record], str]]:
    """Connect to the server of a URL, not to its database. Yields connection and database name."""
    parts = urlsplit(url)
    with map_errors():
        connection = await asyncpg.connect(urlunsplit(parts._replace(path="/postgres")))
        try:
            yield connection, parts.path.lstrip("/")
        finally:
            await connection.close()


async def migrate(url: str, schema: str, versions: Path) -> None:
    """Bring a schema up to date. `versions` is the folder of its migrations."""
    await run_on_sqlalchemy(url, lambda connection: upgrade(connection, schema, versions))


async def run_on_sqlalchemy(url: str, work: Callable[[Connection], T]) -> T:
    """Do some work on a connection of SQLAlchemy, in one transaction."""

    async def connect() -> Any:
        return await asyncpg.connect(url)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        with map_errors():
            async with engine.begin() as connection:
                return await connection.run_sync(work)
    finally:
        await engine.dispose()


def upgrade(connection: Connection, schema: str, versions: Path) -> None:
    """Run Alembic's upgrade to the newest migration."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, service=schema)
    command.upgrade(config, "head")
