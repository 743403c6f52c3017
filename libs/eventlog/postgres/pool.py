"""The database of a service: a pool of connections, and notifications."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Protocol, TypeAlias, TypeVar

import asyncpg

from eventlog.notifier import Notifier
from eventlog.postgres.address import check_address
from eventlog.postgres.faults import LOST, map_errors
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

# A connection that is idle for longer is not used again: what is between may have forgotten it.
IDLE_SECONDS_MAX = 300.0
END_SECONDS = 5.0  # For a statement that is cancelled.

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class SupportsFetch(Protocol):
    """A database, or one connection to it: anything that runs a statement."""

    async def fetch(self, sql: str, /, *args: object) -> list[asyncpg.Record]:
        """Return the rows of a statement."""


class ConnectionPool:
    """At most `size` connections to one database; `connect` opens one.

    The pool of asyncpg makes a task, a proxy and two timers for each use, which cost about as much
    as a short statement.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self.sessions: dict[int, Connection] = {}  # What is open, by its number on the server.
        self._connect = connect
        self._room = asyncio.Semaphore(size)
        self._idle: list[tuple[Connection, float]] = []  # Since when; the last one is used next.
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Have a connection for the length of the block. If that raises, it is closed."""
        async with self._room:
            connection = await self._take()
            try:
                yield connection
            except BaseException:  # It may be amid a statement, or a transaction.
                self._leave(connection)
                raise
            self._idle.append((connection, monotonic()))

    async def _take(self) -> Connection:
        """Return an idle connection, or a new one."""
        while self._idle:
            connection, since = self._idle.pop()
            if monotonic() - since > IDLE_SECONDS_MAX:
                connection.terminate()
            elif not connection.is_closed():
                return connection
        return await self._open()

    async def _open(self) -> Connection:
        if self._is_closed:
            raise asyncpg.InterfaceError("the pool is closed")
        connection = await self._connect()
        self._note(connection.get_server_pid(), connection)
        if self._is_closed:
            connection.terminate()
        return connection

    def _note(self, session: int, connection: Connection) -> None:
        def forget(_: object) -> None:
            self.sessions.pop(session, None)

        self.sessions[session] = connection
        connection.add_termination_listener(forget)

    def count(self) -> tuple[int, int]:
        """Return how many connections are busy, and how many are idle."""
        idle = sum(not connection.is_closed() for connection, _ in self._idle)
        return len(self.sessions) - idle, idle

    def _leave(self, connection: Connection) -> None:
        """Close a connection, without waiting until its statement is cancelled."""
        task = asyncio.create_task(end(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Close all connections, also those in use."""
        self._is_closed = True
        for connection in [*self.sessions.values()]:
            connection.terminate()


class Database:
    """The connections to one database. Raises Unavailable if the database cannot be reached."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self.sessions: Collection[int] = pool.sessions.keys()

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        """Return the rows of a statement, in a transaction of its own."""
        with map_errors():
            async with self._pool.acquire() as connection:
                return await connection.fetch(sql, *args)

    async def on_connection(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do work that needs several statements on one connection."""
        with map_errors():
            async with self._pool.acquire() as connection:
                return await work(connection)

    def count_connections(self) -> tuple[int, int]:
        """Return how many connections are busy, and how many are idle."""
        return self._pool.count()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Open a connection that sees the database at one instant, for several statements."""
        with map_errors():
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection


@asynccontextmanager
async def open_database(
    url: str,
    size: int = 8,
    check: Callable[[Connection], Awaitable[None]] | None = None,
) -> AsyncIterator[Database]:
    """Open at most `size` connections, the first one now; `check` each one when it is new.

    Raises Unavailable if there is no database.
    """
    check_address(url)

    async def connect() -> Connection:
        connection = await asyncpg.connect(
            url, server_settings=PINNED, command_timeout=60, timeout=10
        )
        try:
            if check:
                await check(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    pool = ConnectionPool(connect, size)
    try:
        with map_errors():
            async with pool.acquire():
                pass
        yield Database(pool)
    finally:
        pool.close()


async def end(connection: Connection) -> None:
    """Cancel the statement of a connection, and close it."""
    with suppress(*LOST, asyncpg.PostgresError):
        await connection.close(timeout=END_SECONDS)


async def check_writable(connection: Connection) -> None:
    """Raise Unusable for a database in which nothing can be stored."""
    is_standby, is_read_only = await connection.fetchrow(WRITABLE)  # type: ignore[misc]  # One row.
    if is_standby:
        raise Unusable("the database is a standby; name its primary")
    if is_read_only:
        raise Unusable("the database is read-only (default_transaction_read_only); end that")


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
