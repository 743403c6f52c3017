"""The database of a service: a pool of connections, and notifications."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar

import asyncpg

from eventlog.notifier import Notifier
from eventlog.postgres.address import check_address
from eventlog.postgres.faults import map_errors
from eventlog.retry import Backoff
from events.errors import Unavailable, Unusable

# On a fresh table Postgres would scan all of it instead of using its index, nine times as slow: the
# first four settings prevent that. A session that hangs inside a transaction, or waits for a lock,
# must not hold a district for longer than two seconds.
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
WRITABLE = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'"

QUERIES_MAX = 1_000_000_000  # Of a connection. A new one would have to plan each statement again.

# The pool of the driver logs its own tries with a traceback; who uses a connection logs why.
logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)

T = TypeVar("T")


class SupportsFetch(Protocol):
    """A database, or one connection to it: anything that runs a statement."""

    async def fetch(self, sql: str, /, *args: object) -> list[asyncpg.Record]:
        """Return the rows of a statement."""


class Database:
    """A pool of connections to one database. Raises Unavailable if the database cannot
    be reached.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool
        self.sessions: set[int] = set()  # The sessions of this pool, by their number on the server.

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        """Return the rows of a statement, in a transaction of its own."""
        with map_errors():
            return await self._pool.fetch(sql, *args)

    async def on_connection(self, work: Callable[[asyncpg.Connection[Any]], Awaitable[T]]) -> T:
        """Do work that needs several statements on one connection."""
        with map_errors():
            async with self._pool.acquire() as connection:
                return await work(connection)  # type: ignore[arg-type]  # It is a proxy of one.

    def count_connections(self) -> tuple[int, int]:
        """Return how many connections are busy, and how many are idle."""
        idle = self._pool.get_idle_size()
        return self._pool.get_size() - idle, idle

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Open a connection that sees the database at one instant, for several statements."""
        with map_errors():
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection  # type: ignore[misc]  # It is a proxy of one.


@asynccontextmanager
async def open_database(
    url: str,
    size: int = 8,
    check: Callable[[asyncpg.Connection[Any]], Awaitable[None]] | None = None,
) -> AsyncIterator[Database]:
    """Open a pool of at most `size` connections; `check` each one when it is new.

    Raises Unavailable if there is no database.
    """
    check_address(url)

    async def prepare(connection: asyncpg.Connection[Any]) -> None:
        session = connection.get_server_pid()
        database.sessions.add(session)
        connection.add_termination_listener(lambda _: database.sessions.discard(session))
        if check:
            await check(connection)

    options: dict[str, Any] = {"server_settings": PINNED, "command_timeout": 60, "timeout": 10}
    options["max_queries"] = QUERIES_MAX
    pool = asyncpg.create_pool(
        url, min_size=1, max_size=size, init=prepare, reset=nothing_to_reset, **options
    )
    database = Database(pool)
    try:
        with map_errors():
            await pool
        yield database
    finally:
        pool.terminate()


async def check_writable(connection: asyncpg.Connection[Any]) -> None:
    """Raise Unusable for a database in which nothing can be stored."""
    is_standby, is_read_only = await connection.fetchrow(WRITABLE)  # type: ignore[misc]  # One row.
    if is_standby:
        raise Unusable("the database is a standby; name its primary")
    if is_read_only:
        raise Unusable("the database is read-only (default_transaction_read_only); end that")


async def nothing_to_reset(connection: object) -> None:
    """Reset nothing: no statement leaves anything in its session, and a reset costs a
    round trip.
    """


async def listen(url: str, notifier: Notifier, own: Collection[int] = ()) -> None:
    """Notify readers of the commits of other processes, until cancelled.

    `own` are the sessions of this process: it has notified of their commits already. While the
    database is unavailable no notification comes. After that all readers look.
    """

    def notify(connection: object, session: int, channel: str, payload: object) -> None:
        if session not in own:
            notifier.notify(*str(payload).split("/", 1))

    backoff = Backoff()
    while True:
        with suppress(Unavailable), map_errors():
            connection = await asyncpg.connect(url, timeout=10)
            try:
                lost = asyncio.Event()
                connection.add_termination_listener(lambda *_, lost=lost: lost.set())
                await connection.add_listener(CHANNEL, notify)
                notifier.notify_all()
                backoff.reset()
                await lost.wait()
            finally:
                connection.terminate()
        await backoff.sleep()
