"""The connections to a database: how many, which one is used again, and which one is closed."""

from __future__ import annotations

import asyncio

import pytest

from eventlog.postgres import pool
from eventlog.postgres.pool import Connection, Database, open_database
from events.errors import Unavailable

SESSION = "SELECT pg_backend_pid()"
ENDLESS = "SELECT pg_sleep(3600)"
RUNNING = "SELECT FROM pg_stat_activity WHERE query = $1 AND state = 'active'"


async def session_of(db: Database) -> int:
    """Return the session in which the next statement is executed."""
    return int((await db.fetch(SESSION))[0][0])


async def test_statements_after_each_other_share_a_connection(database: str) -> None:
    async with open_database(database) as db:
        assert [await session_of(db) for _ in range(3)] == [*db.sessions] * 3


async def test_no_more_connections_are_open_than_it_may_have(database: str) -> None:
    async with open_database(database, size=2) as db:
        sessions = await asyncio.gather(*(session_of(db) for _ in range(9)))
        assert set(sessions) == set(db.sessions)
        assert len(db.sessions) == 2
        assert db.count_connections() == (0, 2)


async def test_who_leaves_a_statement_gives_its_place_to_the_next(database: str) -> None:
    async with open_database(database, size=1) as db:
        before = await session_of(db)
        left = asyncio.create_task(db.fetch(ENDLESS))
        waiting = asyncio.create_task(session_of(db))
        async with open_database(database) as other:
            while not await other.fetch(RUNNING, ENDLESS):
                await asyncio.sleep(0)
        left.cancel()
        assert await waiting != before, "an answer may still come there"
        while await db.fetch(RUNNING, ENDLESS):
            await asyncio.sleep(0)
        while len(db.sessions) > 1:
            await asyncio.sleep(0)


async def test_a_transaction_that_was_left_is_nobody_elses(database: str) -> None:
    async def leave(connection: Connection) -> None:
        await connection.execute("BEGIN")
        raise Unavailable("left")

    async with open_database(database, size=1) as db:
        with pytest.raises(Unavailable):
            await db.on_connection(leave)
        assert not await db.on_connection(is_in_transaction)


async def is_in_transaction(connection: Connection) -> bool:
    return connection.is_in_transaction()


async def test_a_connection_that_was_idle_for_long_is_not_used_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS_MAX", -1.0)
    async with open_database(database) as db:
        assert await session_of(db) != await session_of(db)


async def test_a_statement_after_the_end_finds_no_database(database: str) -> None:
    async with open_database(database) as db:
        running = asyncio.create_task(db.fetch(ENDLESS))
        while not await db.fetch(RUNNING, ENDLESS):
            await asyncio.sleep(0)
    for ended in (running, db.fetch(SESSION)):
        with pytest.raises(Unavailable):
            await ended
    assert not db.sessions
