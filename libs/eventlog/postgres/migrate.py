"""Databases and their schemas: creates a database, and brings the schema of a service
up to date.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from eventlog.postgres.address import check_address
from eventlog.postgres.faults import NEW_DATABASE, map_errors
from eventlog.postgres.pool import SupportsFetch
from events.errors import Halted, Unusable

ENCODING = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = $1"
COMMENT = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1"
OWN_ENCODING = "SELECT current_database(), current_setting('server_encoding')"
VERSION_TABLE = "SELECT to_regclass($1) IS NOT NULL"
REVISION = "SELECT version_num FROM {schema}.alembic_version"

T = TypeVar("T")


# ── Databases ────────────────────────────────────────────────────────────────────────────────────


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
                await connection.execute(f'CREATE DATABASE "{name}" {NEW_DATABASE}')
        else:
            check_encoding(name, encoding)


async def check_database(url: str) -> None:
    """Check that the database of a URL exists. Raises Unusable, or Halted for its encoding."""
    async with open_connection(url) as connection:
        name, encoding = (await connection.fetch(OWN_ENCODING))[0]
        check_encoding(name, encoding)


def check_encoding(name: str, encoding: str) -> None:
    """Raise Halted for a database that cannot store every character."""
    if encoding != "UTF8":
        raise Halted(
            f"{name} has the encoding {encoding}, which lacks characters; "
            f"name a database made with {NEW_DATABASE}"
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
    check_address(url)
    parts = urlsplit(url)
    async with open_connection(urlunsplit(parts._replace(path="/postgres"))) as connection:
        yield connection, parts.path.lstrip("/")


@asynccontextmanager
async def open_connection(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Connect to a database, for the length of the block."""
    check_address(url)
    with map_errors():
        connection = await asyncpg.connect(url)
        try:
            yield connection
        finally:
            await connection.close()


# ── Schemas ──────────────────────────────────────────────────────────────────────────────────────


async def migrate(url: str, schema: str, versions: Path) -> None:
    """Bring a schema up to date. `versions` is the folder of its migrations.

    A schema that is up to date is left alone, so that a role needs no right to change it. Raises
    Unusable for one that a newer gridcall has migrated.
    """
    async with open_connection(url) as connection:
        revision = await stored_revision(connection, schema)
    if revision != newest_revision(versions):
        check_revision_is_known(versions, revision)
        await run_on_sqlalchemy(url, lambda connection: upgrade(connection, schema, versions))


async def check_schemas(database: SupportsFetch, migrations: Mapping[str, Path]) -> None:
    """Check that schemas are as this gridcall needs them. Changes nothing. Raises Unusable."""
    for schema, versions in migrations.items():
        revision = await stored_revision(database, schema)
        check_revision_is_known(versions, revision)
        if revision is None:
            raise Unusable(f"this database has no {schema} yet: gridcall up makes it")
        if revision != (newest := newest_revision(versions)):
            raise Unusable(f"{revision} is older than {newest}: gridcall up brings it up to date")


async def existing_schemas(database: SupportsFetch, schemas: Collection[str]) -> list[str]:
    """Return those of these schemas that a database has."""
    return [schema for schema in schemas if await stored_revision(database, schema)]


async def stored_revision(database: SupportsFetch, schema: str) -> str | None:
    """Return the newest migration that a schema has had; None if it does not exist."""
    ((exists,),) = await database.fetch(VERSION_TABLE, f"{schema}.alembic_version")
    if not exists:
        return None
    records = await database.fetch(REVISION.format(schema=schema))
    return records[0][0] if records else None


def check_revision_is_known(versions: Path, revision: str | None) -> None:
    """Raise Unusable for a revision that is none of these migrations."""
    known = {each.revision for each in scripts(versions).walk_revisions()}
    if revision is not None and revision not in known:
        raise Unusable(
            f"{revision} was made by a newer gridcall than this one, whose last is "
            f"{newest_revision(versions)}: run the newer one, or restore a backup"
        )


def newest_revision(versions: Path) -> str | None:
    """Return the newest migration of a folder."""
    return scripts(versions).get_current_head()


def scripts(versions: Path) -> ScriptDirectory:
    """Return the migrations of a folder."""
    return ScriptDirectory.from_config(alembic_config(versions))


async def run_on_sqlalchemy(url: str, work: Callable[[Connection], T]) -> T:
    """Do some work on a connection of SQLAlchemy, in one transaction."""

    async def connect() -> Any:
        return await asyncpg.connect(url)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        with map_errors(), unwrap_errors():
            async with engine.begin() as connection:
                return await connection.run_sync(work)
    finally:
        await engine.dispose()


@contextmanager
def unwrap_errors() -> Iterator[None]:
    """Raise the errors of the driver, which SQLAlchemy wraps."""
    try:
        yield
    except DBAPIError as fault:
        if fault.orig and fault.orig.__cause__:
            raise fault.orig.__cause__ from fault
        raise


def upgrade(connection: Connection, schema: str, versions: Path) -> None:
    """Run Alembic's upgrade to the newest migration."""
    config = alembic_config(versions)
    config.attributes.update(connection=connection, service=schema)
    command.upgrade(config, "head")


def alembic_config(versions: Path) -> Config:
    """Return the configuration of Alembic for a folder of migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    return config
