"""Checkpoints: a stage whose states are stored writes the rows of one that has all in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.checkpoints import Cadence
from eventlog.codec import envelope, read_envelope
from eventlog.core.decider import REFERENCE
from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft, Row
from eventlog.input_order import SingleOrder
from eventlog.runner import Runner
from eventlog.stages import Stages
from eventlog.state_codec import StateCodec, take
from events.errors import Conflict, Unavailable
from events.topology import LOGS
from tests.harness.histories import END, PIPELINE, drafts_of, histories, run
from tests.harness.kernel.events import CASES, INPUTS
from tests.harness.kernel.inputs import draw_input
from tests.harness.kernel.schedule import SHARD, Schedule, toy_stage
from tests.harness.kernel.toy import toy_versions
from tests.harness.memory_states import MemoryStates, StateTable, UnreliableStates

pytestmark = pytest.mark.usefixtures("toys")


class District:
    """A toy district whose owners die: of commits, of state rows, or by chance."""

    def __init__(self, chance: Random, batch: int) -> None:
        self.chance = chance
        self.batch = batch
        self.schedule = Schedule()
        self.source, self.sink = MemoryLog(INPUTS), UnreliableLog(CASES, chance)
        self.table = StateTable(self.sink)
        self.runner: Runner[Any, Any] | None = None
        self.counts: Counter[str] = Counter()

    async def feed(self) -> None:
        """Accept one input."""
        schedule = self.schedule
        parked = sorted(schedule.model.world.behind)
        schedule.feed(self.chance.choice((0, 1, 3)), draw_input(self.chance, parked))
        await self.source.commit(SHARD, [schedule.inputs[-1]])

    async def work(self) -> None:
        """Let the owner go on. If it dies, the next one takes over."""
        try:
            if self.runner is None:
                self.runner = self.new_owner()
                self.counts["take-overs"] += 1
                self.counts["recovered"] += self.table.position > 0
                await self.runner.replay()
            await self.runner.catch_up()
        except (Conflict, Unavailable):
            self.die()
        else:
            stored = self.table.rows.keys() - self.runner.stage.aggregates.by_name.keys()
            self.counts["out of memory"] += len(stored)

    def new_owner(self) -> Runner[Any, Any]:
        cadence = Cadence(rows=self.chance.randint(1, 9), part=self.chance.randint(1, 4))
        states = UnreliableStates(self.table, cadence, self.chance)
        return Runner(toy_stage(), SingleOrder(self.source), self.sink, self.batch, states=states)

    def die(self) -> None:
        self.runner = None

    async def finish(self) -> None:
        """Let time pass until all timers have fired."""
        schedule = self.schedule
        end = schedule.watermark + 20
        await self.source.announce(SHARD, end)
        schedule.model.advance_time(end)
        for _ in range(200):
            if (await self.sink.watermark(SHARD)).watermark >= end:
                return
            await self.work()
        pytest.fail("no owner comes to the end")

    async def rows(self) -> list[bytes]:
        return [envelope(row) for row in await self.sink.read(SHARD, 0, 100_000)]


class UnreliableLog(MemoryLog):
    """A log that refuses commits, or loses the answer to one that landed."""

    def __init__(self, name: str, chance: Random) -> None:
        super().__init__(name)
        self.chance = chance

    async def commit(self, shard: str, rows: Any, progress: Any = None) -> None:
        happens = self.chance.randrange(12)
        if happens == 0:
            raise Conflict("another owner was first")
        await super().commit(shard, rows, progress)
        if happens == 1:
            raise Unavailable("the answer was lost")


async def live_through(seed: int, batch: int, inputs: int) -> District:
    chance = Random(seed)
    district = District(chance, batch)
    left = inputs
    while left > 0:
        burst = chance.choice((1, 1, 20))  # A checkpoint is written while many are decided.
        for _ in range(burst):
            await district.feed()
        left -= burst
        await district.work()
        if chance.randrange(10) == 0:
            district.die()
        if chance.randrange(40) == 0:
            district.table.rows.clear()  # It is a cache.
            district.die()
    await district.finish()
    return district


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 20))
async def test_whatever_is_stored_loaded_or_lost_the_rows_are_those_of_the_model(
    seed: int, batch: int
) -> None:
    district = await live_through(seed, batch, inputs=60)
    assert await district.rows() == [envelope(row) for row in district.schedule.model.rows]


async def test_the_histories_store_forget_and_load_cases() -> None:
    """Guard the comparison: without these it would compare memory with memory."""
    counts: Counter[str] = Counter()
    for seed in range(20):
        district = await live_through(seed, 5, inputs=60)
        counts += district.counts
        counts["taken while it went on"] += district.table.further
    assert counts["recovered"] > 50
    assert counts["out of memory"] > 50
    assert counts["taken while it went on"] > 20


@settings(max_examples=40)
@given(st.integers(0, 2**32))
async def test_each_state_row_is_the_fold_of_the_log_up_to_its_number(seed: int) -> None:
    district = await live_through(seed, 5, inputs=40)
    table, codec = district.table, StateCodec(toy_versions()["old"].states)
    folded, unseen = toy_stage(), dict(table.rows)
    for row in await district.sink.read(SHARD, 0, 100_000):
        folded.replay([read_envelope(envelope(row))])
        stored = unseen.get(row.subject)
        if stored and stored.sequence == row.sequence and row.subject != REFERENCE:
            assert codec.encode(take(folded, row.subject)).data == stored.data
            del unseen[row.subject]
        assert row.position > table.position or table.rows[row.subject].sequence >= row.sequence
    reference = unseen.pop(REFERENCE, None)
    assert not unseen, "these are no rows of the log"
    if reference and reference.sequence == folded.aggregates.get(REFERENCE).sequence:
        assert reference == codec.encode(take(folded, REFERENCE))


async def run_with_states(drafts: list[Draft], chance: Random) -> list[bytes]:
    """Return all rows of the services' stages. Each batch may have a new owner."""
    logs = {name: MemoryLog(name) for name in LOGS}
    tables = {name: StateTable(log) for name, log in logs.items()}
    runners: list[Runner[Any, Any]] = []

    async def work() -> None:
        if not runners or chance.random() < 0.5:
            runners[:] = [new_owner(stages, logs, tables, chance) for stages in PIPELINE]
            for runner in runners:
                await runner.replay()
        for runner in runners:
            await runner.catch_up()

    left = list(drafts)
    while left:
        size = chance.randint(1, 4)
        part, left = left[:size], left[size:]
        await logs["intake"].append("city", part)
        await work()
    await logs["intake"].announce("city", END)
    await work()
    return [envelope(row) for name in LOGS[1:] for row in await logs[name].read("city", 0, 10_000)]


def new_owner(
    stages: Stages, logs: dict[str, MemoryLog], tables: dict[str, StateTable], chance: Random
) -> Runner[Any, Any]:
    cadence = Cadence(rows=chance.randint(1, 5), part=chance.randint(1, 3))
    logs[stages.sink].states = MemoryStates(tables[stages.sink], cadence)
    return stages.processor("city", logs, chance.randint(1, 5))


@settings(max_examples=50)
@given(histories, st.integers(0, 2**32))
async def test_the_services_write_the_same_rows_with_states_and_without(
    history: list[tuple[int, Any]], seed: int
) -> None:
    drafts = drafts_of(history, strict=True)
    rows = [envelope(row) for row in await run_in_memory(drafts)]
    assert await run_with_states(drafts, Random(seed)) == rows


async def run_in_memory(drafts: list[Draft]) -> list[Row]:
    return await asyncio.to_thread(run, drafts)
