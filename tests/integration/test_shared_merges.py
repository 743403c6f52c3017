"""The districts of one process merge their facts in the same statements, each by its own fence."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from assessment.core.facts import Fact, Key, Stamp, merge_fact
from assessment.store import FACTS_MAX, Advance, FactStore, encode_fact, encoded_facts
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, open_database
from events.errors import Conflict, Unavailable
from tests.harness.districts import DISTRICTS, FIRST, OTHERS, Counting, in_all
from tests.mutation.postgres import Connection

MERGES = "cases_end"  # A word of the statement that merges.
LOCK = "SELECT FROM assessment.shard WHERE shard = $1 FOR UPDATE"
EXPIRE = "UPDATE assessment.shard SET leased_until = '-infinity' WHERE shard = $1"
ODD_NAMES = ("", "a\nb", "名前", "{}", "\\x")


class Process:
    """A process that merges the facts of districts of which it has the lease."""

    def __init__(self, database: Database, owner: str = "a") -> None:
        self.log = PostgresLog("evaluations", "assessment", database, Notifier(), owner)
        self.facts = FactStore(database)
        self.merged: dict[str, int] = {}  # The position in both logs, by district.

    async def take(self, district: str) -> None:
        """Lease a district, and begin with its facts or go on with them."""
        await self.log.database.fetch(EXPIRE, district)
        assert await self.log.lease(district)
        stored = await self.facts.merged_logs(district)
        if not stored:
            generations = {"cases": 1, "calls": 1}
            await self.facts.restart(district, self.log.epoch(district), generations)
        self.merged[district] = stored["cases"].position if stored else 0

    async def merge(self, district: str, rows: int = 1) -> None:
        """Merge the next rows of both logs."""
        after = self.merged[district]
        advances = [Advance(log, after, after + rows, None) for log in ("cases", "calls")]
        facts = fold(range(after + 1, after + rows + 1))
        await self.facts.merge(district, self.log.epoch(district), advances, facts)
        self.merged[district] = after + rows


async def owner_of_all(database: Database) -> Process:
    process = Process(database)
    for district in DISTRICTS:
        await process.take(district)
    return process


def fold(positions: Sequence[int]) -> dict[Key, Fact]:
    """Return the facts of rows: one of three keys, with a stamp of each row."""
    facts: dict[Key, Fact] = {}
    for position in positions:
        key = Key(f"case-{position % 3}", 1, "ann")
        merge_fact(facts, key, Fact("0101", "01", raised=(Stamp(0, "calls", position),)))
    return facts


async def merge_in_all(process: Process) -> list[Any]:
    return await in_all(*(process.merge(each) for each in DISTRICTS))


async def stored_facts(database: Database, district: str) -> dict[Key, bytes]:

    async def read(connection: asyncpg.Connection[Any]) -> dict[Key, bytes]:
        return await encoded_facts(connection, district)

    return await database.on_connection(read)


async def check_facts(database: Database, positions: dict[str, int]) -> None:
    """Check that the facts of districts are those of all rows up to these positions."""
    for district, position in positions.items():
        logs = await FactStore(database).merged_logs(district)
        assert {log: each.position for log, each in logs.items()} == {
            "cases": position,
            "calls": position,
        }
        folded = fold(range(1, position + 1))
        assert await stored_facts(database, district) == {
            key: encode_fact(fact) for key, fact in folded.items()
        }


async def test_districts_that_merge_at_a_time_share_a_read_and_a_write(database: str) -> None:
    async with open_database(database) as whole:
        db = Counting(whole)
        process = await owner_of_all(db)
        for position in range(1, 6):
            db.statements.clear()
            assert await merge_in_all(process) == [None] * len(DISTRICTS)
            assert len(db.statements) == 2
            await check_facts(whole, dict.fromkeys(DISTRICTS, position))


async def test_a_zombie_merges_nothing_of_its_own_district_alone(database: str) -> None:
    async with open_database(database) as db:
        zombie = await owner_of_all(db)
        await merge_in_all(zombie)
        await Process(db, "b").take(FIRST)
        lost, *others = await merge_in_all(zombie)
        assert isinstance(lost, Conflict)
        assert "another owner" in str(lost)
        assert others == [None] * len(OTHERS)
        await check_facts(db, {FIRST: 1, **dict.fromkeys(OTHERS, 2)})


@pytest.mark.parametrize("log", ["cases", "calls"])
async def test_a_district_that_would_leave_a_row_out_merges_nothing_of_either_log(
    log: str, database: str
) -> None:
    async with open_database(database) as db:
        process = await owner_of_all(db)
        await merge_in_all(process)
        advances = [Advance(each, 1 + (each == log), 5, None) for each in ("cases", "calls")]
        wrong = process.facts.merge(FIRST, process.log.epoch(FIRST), advances, fold(range(2, 6)))
        refused, *others = await in_all(wrong, *(process.merge(each) for each in OTHERS))
        assert isinstance(refused, Conflict)
        assert f"{log}/{FIRST} is not merged up to 2" in str(refused)
        assert others == [None] * len(OTHERS)
        await check_facts(db, {FIRST: 1, **dict.fromkeys(OTHERS, 2)})


async def test_a_district_that_somebody_holds_delays_no_other_merge(database: str) -> None:
    async with open_database(database) as db:
        process = await owner_of_all(db)
        holder = await asyncpg.connect(database)
        async with holder.transaction():
            await holder.fetch(LOCK, FIRST)
            waiting = asyncio.create_task(process.merge(FIRST))
            async with asyncio.timeout(20):
                await asyncio.gather(*(process.merge(each) for each in OTHERS))
            assert not waiting.done()
        await waiting
        await holder.close()
        await check_facts(db, dict.fromkeys(DISTRICTS, 1))


@pytest.mark.parametrize("lands", ["now", "never"])
async def test_after_a_lost_answer_each_district_goes_on_where_it_is_merged(
    lands: Any, database: str
) -> None:
    async with open_database(database) as whole:
        db = Connection(whole)
        process = await owner_of_all(db)
        await merge_in_all(process)
        db.lose_answer(MERGES, lands)
        assert {type(each) for each in await merge_in_all(process)} == {Unavailable}
        again = await owner_of_all(db)
        assert again.merged == dict.fromkeys(DISTRICTS, 2 if lands == "now" else 1)
        assert await merge_in_all(again) == [None] * len(DISTRICTS)
        await check_facts(whole, again.merged)


async def test_a_merge_of_many_facts_goes_alone(database: str) -> None:
    async with open_database(database) as whole:
        db = Counting(whole)
        process = await owner_of_all(db)
        facts = {Key(f"{each}", 1, "ann"): Fact("", "") for each in range(FACTS_MAX + 1)}
        advances = [Advance(each, 0, 1, None) for each in ("cases", "calls")]
        many = process.facts.merge(FIRST, process.log.epoch(FIRST), advances, facts)
        calls = [process.merge(each) for each in OTHERS]
        assert await in_all(many, *calls) == [None] * len(DISTRICTS)
        assert db.count(MERGES) == 2
        assert len(await stored_facts(whole, FIRST)) == FACTS_MAX + 1


async def test_names_of_any_text_are_merged_as_they_are(database: str) -> None:
    async with open_database(database) as db:
        process = await owner_of_all(db)
        facts = {Key(name, 1, name): Fact(name, name) for name in ODD_NAMES}
        for position in (0, 1):
            advances = [Advance(each, position, position + 1, None) for each in ("cases", "calls")]
            await process.facts.merge(FIRST, process.log.epoch(FIRST), advances, facts)
        assert await stored_facts(db, FIRST) == {
            key: encode_fact(fact) for key, fact in facts.items()
        }


@pytest.mark.parametrize("seed", range(4))
async def test_facts_are_those_of_the_merged_rows_whatever_happens_to_other_districts(
    seed: int, database: str
) -> None:
    """Two processes take districts from each other, over a bad connection."""
    chance = random.Random(seed)
    async with open_database(database) as whole:
        db = Connection(whole)
        processes = [await owner_of_all(db)]
        processes.append(Process(db, "b"))
        answers: list[type[BaseException] | None] = []

        async def act(district: str) -> None:
            process = chance.choice(processes)
            if district not in process.merged or chance.random() < 0.2:
                await process.take(district)
            try:
                await process.merge(district, chance.randrange(1, 4))
            except (Conflict, Unavailable) as fault:
                answers.append(type(fault))
                process.merged.pop(district, None)
            except asyncio.CancelledError:
                process.merged.pop(district, None)
                raise
            else:
                answers.append(None)

        for _ in range(20):
            if chance.random() < 0.3:
                db.lose_answer(MERGES, chance.choice(("now", "never")))
            tasks = [asyncio.create_task(act(each)) for each in DISTRICTS]
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            for task in tasks:
                if chance.random() < 0.05:
                    task.cancel()
            for each in await asyncio.gather(*tasks, return_exceptions=True):
                assert each is None or isinstance(each, asyncio.CancelledError)
        assert {None, Conflict, Unavailable} == set(answers)
        at_end = Process(db, "c")
        for district in DISTRICTS:
            await at_end.take(district)
        await check_facts(whole, at_end.merged)
        assert sum(at_end.merged.values()) > len(DISTRICTS)
