"""A service's database: connections with pinned plans, its schema brought up to date, and what is
done while it is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from eventlog.notifier import Notifier
from events.errors import Halted, Unavailable

# On a fresh table Postgres would rather scan all of it than use its index, nine times as slow:
# these connections may not.
# A session that hangs inside a transaction, or waits for a lock, must not hold a district for
# longer than two seconds.
PINNED = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "2s",
    "application_name": "gridcall",
}
CHANNEL = "gridcall"
ENCODING = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = $1"
UTF8 = "ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"  # Whatever the server makes by itself.
GONE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # Of a session that the server has just ended, while its connection is not closed yet.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
BUSY = (
    asyncpg.LockNotAvailableError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DeadlockDetectedError,
)

T = TypeVar("T")


class Connected(Protocol):
    """A database, or one connection to it: whatever runs a statement."""

    async def fetch(self, sql: str, /, *args: object) -> list[asyncpg.Record]:
        """Return the rows of a statement."""


class Database:
    """A pool of connections to one database. What it raises when the database cannot be reached is
    Unavailable.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool
        self.sessions: set[int] = set()  # Those of this pool, by their number on the server.

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        """The rows of a statement, in a transaction of its own."""
        with reached():
            return await self._pool.fetch(sql, *args)

    async def on_connection(self, work: Callable[[asyncpg.Connection[Any]], Awaitable[T]]) -> T:
        """Some work that needs several statements on one connection."""
        with reached():
            async with self._pool.acquire() as connection:
                return await work(connection)  # type: ignore[arg-type]  # A proxy of one.


@contextmanager
def reached() -> Iterator[None]:
    """A block that asks the database. Raises Unavailable where it is away, goes away, or is too
    busy to answer in time.
    """
    try:
        yield
    except GONE as fault:
        raise Unavailable(
            f"the database cannot be reached: {type(fault).__name__}: {fault}"
        ) from fault
    except BUSY as fault:
        raise Unavailable(f"the database is busy: {fault}") from fault
    except DBAPIError as fault:  # The same, as SQLAlchemy tells it.
        if fault.orig is not None and isinstance(fault.orig.__cause__, (*GONE, *BUSY)):
            raise Unavailable(f"the database cannot be reached: {fault.orig}") from fault
        raise


@asynccontextmanager
async def connected(
    url: str,
    size: int = 8,
    check: Callable[[asyncpg.Connection[Any]], Awaitable[None]] | None = None,
) -> AsyncIterator[Database]:
    """A pool of at most `size` connections, each checked when it is new. Raises Unavailable if
    there is nobody.
    """

    async def begun(connection: asyncpg.Connection[Any]) -> None:
        session = connection.get_server_pid()
        database.sessions.add(session)
        connection.add_termination_listener(lambda _: database.sessions.discard(session))
        if check:
            await check(connection)

    options: dict[str, Any] = {"server_settings": PINNED, "command_timeout": 60, "timeout": 10}
    pool = asyncpg.create_pool(
        url, min_size=1, max_size=size, init=begun, reset=nothing_to_reset, **options
    )
    database = Database(pool)
    try:
        with reached():
            await pool
        yield database
    finally:
        pool.terminate()


async def nothing_to_reset(connection: object) -> None:
    """No statement here leaves anything behind in its session: to clear it would be a second round
    trip for each.
    """


async def listen(url: str, notifier: Notifier, own: Collection[int] = ()) -> None:
    """Ring the bell for what other processes commit, until cancelled. While the database is away
    nobody rings: readers look.

    `own` are the sessions of this process. What they commit was rung already: a second time, every
    reader would look in vain.
    """

    def notify(connection: object, session: int, channel: str, payload: object) -> None:
        if session not in own:
            notifier.notify(*str(payload).split("/", 1))

    while True:
        with suppress(Unavailable), reached():
            connection = await asyncpg.connect(url, timeout=10)
            try:
                gone = asyncio.Event()
                connection.add_termination_listener(lambda *_, gone=gone: gone.set())
                await connection.add_listener(CHANNEL, notify)
                await gone.wait()
            finally:
                connection.terminate()
        await asyncio.sleep(0.5)  # Nothing announces that a database is back.


# ── Schemas ───────────────────────────────────────────────────────────────────────────────────────


async def make_database(url: str, *, anew: bool = False) -> None:
    """Make the database of a URL if it is not there; `anew`: forget what is in it.

    Raises Halted for one that cannot keep every character.
    """
    async with server_of(url) as (connection, name):
        if anew:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        encoding = await connection.fetchval(ENCODING, name)
        if encoding is None:
            with suppress(
                asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError
            ):  # Another process made it just now.
                await connection.execute(f'CREATE DATABASE "{name}" {UTF8}')
        elif encoding != "UTF8":
            raise Halted(
                f"{name} keeps {encoding}, not every character; name a database made with {UTF8}"
            )


async def remark_on(url: str) -> str | None:
    """The remark on a database; None where there is none, or no such database."""
    async with server_of(url) as (connection, name):
        sql = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1"
        said: str | None = await connection.fetchval(sql, name)
        return said


async def remark(url: str, text: str) -> None:
    """Leave a remark on a database."""
    async with server_of(url) as (connection, name):
        quoted = await connection.fetchval("SELECT quote_literal($1::text)", text)
        await connection.execute(f'COMMENT ON DATABASE "{name}" IS {quoted}')


@asynccontextmanager
async def server_of(url: str) -> AsyncIterator[tuple[asyncpg.Connection[asyncpg.Record], str]]:
    """A connection to the server of a URL, beside the database that the URL names, and that
    database's name.
    """
    parts = urlsplit(url)
    with reached():
        connection = await asyncpg.connect(urlunsplit(parts._replace(path="/postgres")))
        try:
            yield connection, parts.path.lstrip("/")
        finally:
            await connection.close()


async def migrate(url: str, service: str, versions: Path) -> None:
    """Bring a service's schema up to date. `versions` is the folder of its steps."""
    await on_sqlalchemy(url, lambda connection: upgrade(connection, service, versions))


async def on_sqlalchemy(url: str, work: Callable[[Connection], T]) -> T:
    """Do some work on a connection of SQLAlchemy, in one transaction."""

    async def connect() -> Any:
        return await asyncpg.connect(url)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        with reached():
            async with engine.begin() as connection:
                return await connection.run_sync(work)
    finally:
        await engine.dispose()


def upgrade(connection: Connection, service: str, versions: Path) -> None:
    """Alembic's upgrade to the newest step."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, service=service)
    command.upgrade(config, "head")
