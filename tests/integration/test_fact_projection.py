"""Sentences about the fact projection: the stored facts are those of a fresh fold."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import pytest

from assessment.core.facts import Fact, Key, merge_into
from assessment.fact_projection import FactProjection
from assessment.processor import AssessmentProcessor
from assessment.stage import assessment_stages
from assessment.store import FactStore, encode_fact, encoded_facts
from eventlog.core.row import Row, Watermark
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, open_database
from events import catalogue as e
from events.errors import Conflict, Outdated
from events.instants import BEGINNING
from events.topology import WRITER
from tests.harness.calls import BOB, DISTRICT_CALLED, FIRST, MISSED, STARTED, STREET_CALLED
from tests.harness.city import ANN, DAY, POLICIES_ADOPTED, case_routed

CITY = "city"
CASES = 40


@dataclass
class World:
    """Both logs, and assessment's own, in one database."""

    database: Database
    cases: PostgresLog
    calls: PostgresLog
    rows: dict[str, list[Row]]

    def sink(self, owner: str) -> PostgresLog:
        return PostgresLog("evaluations", "assessment", self.database, Notifier(), owner)

    async def projection(self, batch: int = 1000, owner: str = "a") -> FactProjection:
        """Return a projection that owns the district."""
        sink = self.sink(owner)
        assert await sink.lease(CITY)
        store = FactStore(self.database)
        made = FactProjection(CITY, [self.cases, self.calls], sink, store, batch)
        await made.replay()
        return made

    async def processor(self, owner: str = "a") -> AssessmentProcessor:
        """Return the work of the owner of the district: facts, then the stage."""
        sink = self.sink(owner)
        assert await sink.lease(CITY)
        logs = {"cases": self.cases, "calls": self.calls, "evaluations": sink}
        made = AssessmentProcessor(CITY, logs, assessment_stages(), FactStore(self.database))
        await made.replay()
        return made

    def fresh_fold(self, **upto: int) -> dict[Key, bytes]:
        """Return the facts of a fresh fold."""
        facts: dict[Key, Fact] = {}
        for name, rows in self.rows.items():
            merge_into(facts, rows[: upto.get(name)])
        return {key: encode_fact(fact) for key, fact in facts.items()}

    async def stored_facts(self) -> dict[Key, bytes]:

        async def read(connection: asyncpg.Connection[Any]) -> dict[Key, bytes]:
            return await encoded_facts(connection, CITY)

        return await self.database.on_connection(read)


def city() -> dict[str, list[Row]]:
    """Return the history of many cases of two workers, each log in an order of its own."""
    chance = random.Random(6)
    history: dict[str, list[tuple[int, str, e.Event]]] = {
        "cases": [(0, "", POLICIES_ADOPTED)],
        "calls": [],
    }
    for number in range(CASES):
        case, at, holder = f"case-{number}", DAY * number, chance.choice((ANN, BOB))
        history["cases"] += [
            (at, case, replace(case_routed(holder), case=case)),
            (at + 50 * DAY, case, e.CaseClosed(case=case, holder=holder, by="eve")),
        ]
        calls: list[e.Event] = [
            replace(STARTED, case=case, holder=holder),
            replace(MISSED, case=case, holder=holder),
            replace(STREET_CALLED, case=case, holder=holder),
            replace(DISTRICT_CALLED, case=case, holder=holder),
            e.CallAnswered(case=case, holder=holder, call=FIRST, by="officer"),
        ]
        history["calls"] += [(at + DAY * days, case, event) for days, event in enumerate(calls)]
    rows: dict[str, list[Row]] = {}
    for log, events in history.items():
        sequences: dict[str, int] = {}
        rows[log] = []
        for position, (time, case, event) in enumerate(
            sorted(events, key=lambda each: each[0]), start=1
        ):
            sequences[case] = sequences.get(case, 0) + 1
            rows[log].append(
                Row(log, CITY, position, time, position, 1, case, sequences[case], "", event)
            )
    return rows


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with open_database(database, size=3) as pool:
        logs = {
            name: PostgresLog(name, WRITER[name], pool, Notifier(), "stage")
            for name in ("cases", "calls")
        }
        made = World(pool, logs["cases"], logs["calls"], city())
        for name, log in logs.items():
            assert await log.lease(CITY)
            await log.commit(CITY, made.rows[name])
        yield made


async def catch_up(projection: FactProjection) -> None:
    while await projection.step():
        pass


@pytest.mark.parametrize("batch", [1, 7, 1000])
async def test_facts_are_those_of_a_fresh_fold_for_any_batch_size(batch: int, world: World) -> None:
    await catch_up(await world.projection(batch))
    assert await world.stored_facts() == world.fresh_fold()
    assert len(world.fresh_fold()) == CASES


async def test_the_next_owner_continues_where_the_last_one_stopped(world: World) -> None:
    first = await world.projection(9)
    await first.step()
    await first.step()
    assert await world.stored_facts() == world.fresh_fold(cases=18, calls=18)
    await first.sink.release(CITY)
    second = await world.projection(9, "b")
    assert second.read == {"cases": 18, "calls": 18}
    await catch_up(second)
    assert await world.stored_facts() == world.fresh_fold()


@pytest.mark.parametrize("batch", [1, 7, 1000])
async def test_facts_stop_before_a_row_that_a_newer_build_wrote(batch: int, world: World) -> None:
    await write_by_newer_build(world, position=40)
    projection = await world.projection(batch)
    with pytest.raises(Outdated, match=r"cases/city/40 is a gridcall\.lamp-lit\.v1"):
        await catch_up(projection)
    assert projection.read["cases"] == 39
    assert await world.stored_facts() == world.fresh_fold(**projection.read)


async def test_the_stage_applies_what_is_merged_before_it_stops(world: World) -> None:
    await write_by_newer_build(world, position=40)
    for owner in ("a", "b"):
        processor = await world.processor(owner)
        with pytest.raises(Outdated, match="cases/city/40"):
            await step_for_ever(processor)
        assert processor.read["cases"] == 38  # Row 39 is not released before the time of row 40.
        await processor.facts.sink.release(CITY)


async def step_for_ever(processor: AssessmentProcessor) -> None:
    while True:
        await processor.step()


async def write_by_newer_build(world: World, position: int) -> None:
    """Let a row of `cases` be of a type that this build does not know."""
    change = "UPDATE routing.log SET type = 'gridcall.lamp-lit.v1' WHERE pos = $1"
    await world.database.fetch(change, position)
    world.cases.forget(CITY)


async def test_a_zombie_merges_nothing(world: World) -> None:
    zombie = await world.projection(9)
    await zombie.sink.release(CITY)
    await world.projection(9, "b")
    with pytest.raises(Conflict, match="has another owner"):
        await zombie.step()
    assert await world.stored_facts() == {}


async def test_no_row_is_left_out(world: World) -> None:
    projection = await world.projection(9)
    projection.read["calls"] = 3
    with pytest.raises(Conflict, match="calls/city is not merged up to 3"):
        await projection.step()
    assert await world.stored_facts() == {}


async def test_a_log_of_another_generation_is_merged_from_its_beginning(world: World) -> None:
    await catch_up(await world.projection())
    await world.database.fetch("DELETE FROM escalation.log WHERE pos > 20")
    await world.database.fetch("UPDATE escalation.shard SET pos = 20, generation = 7")
    world.rows["calls"] = world.rows["calls"][:20]
    world.calls.forget(CITY)
    await catch_up(await world.projection())
    assert await world.stored_facts() == world.fresh_fold()


async def test_time_passes_as_far_as_both_logs_are_merged(world: World) -> None:
    processor = await world.processor()
    sink = processor.runner.sink
    await processor.runner.catch_up()
    assert await sink.watermark(CITY) == Watermark(0, BEGINNING)
    await processor.facts.step()
    await processor.runner.catch_up()
    await world.cases.announce(CITY, 300 * DAY)
    await world.calls.announce(CITY, 200 * DAY)
    await processor.step()
    await processor.advance_time()
    assert (await sink.watermark(CITY)).watermark == 200 * DAY
    ann = await FactStore(world.database).worker_facts(CITY, "ann")
    assert (ann.until, ann.zone) == (200 * DAY, "Asia/Shanghai")
    assert {key.worker for key in ann.facts} == {"ann"}
