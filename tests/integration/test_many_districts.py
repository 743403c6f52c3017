"""The districts of one process share the statements of their stages, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import asyncpg
import pytest

from eventlog.core.row import Row, Watermark
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.log_statements import COMMIT_ROWS_MAX, READ_ROWS_MAX
from eventlog.postgres.pool import Database, open_database
from events.errors import Conflict, Unavailable
from tests.harness.districts import DISTRICTS, FIRST, OTHERS, Counting, in_all, rows_of
from tests.harness.postgres import execute
from tests.harness.waiting import wait_for_condition
from tests.mutation.postgres import Connection

LOCK = "SELECT FROM routing.shard WHERE shard = $1 FOR UPDATE"
EXPIRE = "UPDATE routing.shard SET leased_until = '-infinity' WHERE shard = $1"


def log_of(database: Database, owner: str = "a") -> PostgresLog:
    return PostgresLog("cases", "routing", database, Notifier(), owner)


async def lease_all(database: Database, owner: str = "a") -> PostgresLog:
    """Return a log whose process owns all districts."""
    log = log_of(database, owner)
    for district in DISTRICTS:
        assert await log.lease(district)
    return log


async def commit_in_all(log: PostgresLog, after: int) -> list[Any]:
    return await in_all(*(log.commit(each, rows_of(each, after)) for each in DISTRICTS))


async def is_waiting(connection: asyncpg.Connection[Any]) -> bool:
    """Return True if a statement waits for a lock."""
    return bool(await connection.fetch("SELECT FROM pg_locks WHERE NOT granted"))


async def test_districts_that_commit_announce_and_read_at_a_time_share_each_statement(
    database: str,
) -> None:
    async with open_database(database) as whole:
        db = Counting(whole)
        log, reader = await lease_all(db), log_of(db)
        assert await commit_in_all(log, 0) == [None] * len(DISTRICTS)
        assert db.count("fence AS") == 1
        marks = await in_all(*(log.announce(each, 30) for each in DISTRICTS))
        assert marks == [Watermark(1, 30)] * len(DISTRICTS)
        assert db.count("moved AS") == 1
        heads = await in_all(*(reader.head(each) for each in (*DISTRICTS, "nowhere")))
        assert [each.mark for each in heads] == [*marks, Watermark(0, heads[-1].mark.watermark)]
        assert db.count("SELECT") == 1
        read = await in_all(*(reader.read(each, 0, 400) for each in DISTRICTS))
        assert read == [rows_of(each, 0) for each in DISTRICTS]
        assert db.count("SELECT") == 1


async def test_a_zombie_loses_its_own_district_alone(database: str) -> None:
    async with open_database(database) as db:
        zombie = await lease_all(db)
        await commit_in_all(zombie, 0)
        await db.fetch(EXPIRE, FIRST)
        assert await log_of(db, "b").lease(FIRST)
        lost, *others = await commit_in_all(zombie, 1)
        assert isinstance(lost, Conflict)
        assert others == [None] * len(OTHERS)
        lost, *others = await in_all(*(zombie.announce(each, 9) for each in DISTRICTS))
        assert isinstance(lost, Conflict)
        assert others == [Watermark(2, 9)] * len(OTHERS)


async def test_one_statement_renews_the_leases_that_are_still_held(database: str) -> None:
    async with open_database(database) as whole:
        db = Counting(whole)
        log = await lease_all(db)
        await db.fetch(EXPIRE, FIRST)
        assert await log_of(db, "b").lease(FIRST)
        holder = await asyncpg.connect(database)
        async with holder.transaction():
            await holder.fetch(LOCK, OTHERS[0])
            db.statements.clear()
            assert await log.renew_all([*DISTRICTS, "nowhere"]) == set(OTHERS[1:])
            assert len(db.statements) == 1
        await holder.close()
        assert await log.renew_all(OTHERS) == set(OTHERS)


async def test_a_district_that_somebody_holds_delays_no_other(database: str) -> None:
    async with open_database(database) as db:
        log = await lease_all(db)
        holder = await asyncpg.connect(database)
        async with holder.transaction():
            await holder.fetch(LOCK, FIRST)
            waiting = asyncio.create_task(log.commit(FIRST, rows_of(FIRST, 0)))
            async with asyncio.timeout(20):
                await asyncio.gather(*(log.commit(each, rows_of(each, 0)) for each in OTHERS))
            assert not waiting.done()
        await waiting
        await holder.close()
        assert await log_of(db).read(FIRST, 0, 9) == rows_of(FIRST, 0)


@pytest.mark.parametrize("lands", ["now", "never"])
async def test_each_commit_whose_answer_was_lost_is_looked_up_by_itself(
    lands: Any, database: str
) -> None:
    async with open_database(database) as whole:
        db = Connection(whole)
        log = await lease_all(db)
        await db.fetch(EXPIRE, FIRST)
        assert await log_of(db, "b").lease(FIRST)
        db.lose_answer("fence AS", lands)
        lost, *others = await commit_in_all(log, 0)
        assert isinstance(lost, Conflict)
        reader = log_of(db)
        if lands == "now":
            assert others == [None] * len(OTHERS)
        else:
            assert {type(each) for each in others} == {Unavailable}
        for district in OTHERS:
            assert len(await reader.read(district, 0, 9)) == (lands == "now")
        assert not await reader.read(FIRST, 0, 9)


async def test_a_waiter_that_leaves_takes_no_commit_of_another_district_with_it(
    database: str,
) -> None:
    async with open_database(database) as db:
        log = await lease_all(db)
        holder = await asyncpg.connect(database)
        async with holder.transaction():
            await holder.fetch("LOCK TABLE routing.log")
            commits = [
                asyncio.create_task(log.commit(each, rows_of(each, 0))) for each in DISTRICTS
            ]
            await wait_for_condition(lambda: is_waiting(holder))
            commits[0].cancel()
            await asyncio.wait(commits[:1])
        await asyncio.gather(*commits[1:])
        await holder.close()
        reader = log_of(db)
        for district in OTHERS:
            assert await reader.read(district, 0, 9) == rows_of(district, 0)
        assert len(await reader.read(FIRST, 0, 9)) in (0, 1)


async def test_a_commit_of_many_rows_goes_alone(database: str) -> None:
    async with open_database(database) as whole:
        db = Counting(whole)
        log = await lease_all(db)
        calls = [log.commit(each, rows_of(each, 0)) for each in OTHERS]
        await in_all(log.commit(FIRST, rows_of(FIRST, 0, COMMIT_ROWS_MAX + 1)), *calls)
        assert db.count("fence AS") == 2
        assert len(await log_of(db).read(FIRST, 0, 5000)) == COMMIT_ROWS_MAX + 1


async def test_a_row_that_cannot_be_stored_is_refused_alone(database: str) -> None:
    async with open_database(database) as db:
        log = await lease_all(db)
        await execute(
            database, f"INSERT INTO routing.log SELECT '{FIRST}', 1, 0, 0, 0, '', 0, '', '', ''"
        )
        lost, *others = await commit_in_all(log, 0)
        assert isinstance(lost, asyncpg.UniqueViolationError)
        assert others == [None] * len(OTHERS)


async def test_reads_that_share_a_statement_return_what_each_returns_alone(database: str) -> None:
    sizes = [0, 1, READ_ROWS_MAX - 1, READ_ROWS_MAX, READ_ROWS_MAX + 1, 3 * READ_ROWS_MAX]
    async with open_database(database) as db:
        log = await lease_all(db)
        for district, size in zip(DISTRICTS, sizes, strict=False):
            await log.commit(district, rows_of(district, 0, size))
        wanted = [
            (district, after, limit)
            for district in DISTRICTS[: len(sizes) + 1]
            for after in (0, 1, READ_ROWS_MAX)
            for limit in (1, READ_ROWS_MAX, 1000)
        ]
        reader = log_of(db)
        together = await asyncio.gather(*(reader.read(*each) for each in wanted))
        assert together == [await reader.read(*each) for each in wanted]


class Try(NamedTuple):
    """A commit of a process in one of its epochs. `stored` is None if nobody can know."""

    by: str
    stored: bool | None


class Schedule:
    """Two processes that take districts from each other, at random, over a bad connection."""

    def __init__(self, seed: int, connection: Connection) -> None:
        self.chance = random.Random(seed)
        self.connection = connection
        self.logs = [log_of(connection, owner) for owner in "ab"]
        self.owner: dict[str, int] = {}
        self.tries: dict[str, list[Try]] = {each: [] for each in DISTRICTS}

    async def go(self, rounds: int) -> None:
        for _ in range(rounds):
            if self.chance.random() < 0.3:
                self.connection.lose_answer("fence AS", self.chance.choice(("now", "never")))
            tasks = [asyncio.create_task(self.act(each)) for each in DISTRICTS]
            for _ in range(self.chance.randrange(4)):
                await asyncio.sleep(0)
            for task in tasks:
                if self.chance.random() < 0.05:
                    task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.result()

    async def act(self, district: str) -> None:
        """Let a process commit, perhaps one that lost the district and does not know it."""
        process = self.chance.randrange(2)
        log = self.logs[process]
        if self.chance.random() < 0.2 or not log.epoch(district):
            await self.connection.fetch(EXPIRE, district)
            await log.lease(district)
        by = f"{log.epoch(district)}/{len(self.tries[district])}"
        rows = rows_of(district, log.last(district), self.chance.randrange(1, 4), by)
        try:
            await log.commit(district, rows)
        except (Conflict, Unavailable):
            log.forget(district)
            self.tries[district].append(Try(by, stored=False))
        except asyncio.CancelledError:
            log.forget(district)
            self.tries[district].append(Try(by, stored=None))
            raise
        else:
            self.tries[district].append(Try(by, stored=True))
            with suppress(Conflict, Unavailable):
                await log.announce(district, rows[-1].time)


@pytest.mark.parametrize("seed", range(4))
async def test_every_answer_is_true_whatever_happens_to_other_districts(
    seed: int, database: str
) -> None:
    async with open_database(database) as whole:
        schedule = Schedule(seed, Connection(whole))
        await schedule.go(30)
        answers = [each.stored for tries in schedule.tries.values() for each in tries]
        assert answers.count(True) > 100
        assert answers.count(False) > 100
        reader = log_of(whole)
        for district, tries in schedule.tries.items():
            check_tries(tries, await reader.read(district, 0, 10_000))


def check_tries(tries: Sequence[Try], rows: Sequence[Row]) -> None:
    """Check what is stored of a district against the answers of its processes."""
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    stored = [row.event.by for row in rows]
    epochs = [int(each.partition("/")[0]) for each in stored]
    assert epochs == sorted(epochs)
    for each in tries:
        if each.stored is not None:
            assert (each.by in stored) == each.stored, each
