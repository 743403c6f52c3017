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
from eventlog.core.aggregates import Aggregates, NotLoaded
from eventlog.core.decider import REFERENCE, Key
from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft, Row
from eventlog.input_order import SingleOrder
from eventlog.runner import Runner
from eventlog.stages import Stages
from eventlog.state_codec import StateCodec, take
from events.errors import Conflict, Halted, Unavailable
from events.topology import LOGS
from tests.harness.histories import END, PIPELINE, drafts_of, histories, run
from tests.harness.kernel.events import CASES, INPUTS, ToyNoted, ToyNoteSent
from tests.harness.kernel.inputs import draw_input
from tests.harness.kernel.schedule import SHARD, Schedule, toy_stage
from tests.harness.kernel.shard import adopt_level, close, merge, note, report
from tests.harness.kernel.town import Remembering, Toytown
from tests.harness.kernel.toy import Toy, toy_versions
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
    for _ in range(inputs):
        await district.feed()
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
        counts += (await live_through(seed, 5, inputs=60)).counts
    assert counts["recovered"] > 100
    assert counts["out of memory"] > 100


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


async def test_a_settled_case_leaves_memory_and_returns_for_its_next_input() -> None:
    town = Toytown()
    assert await town.live(report(1), report(2, "smell"), at=1) == ["c1", "c2"]
    assert await town.live(merge(1, into=2), at=2) == ["c2"]
    await town.live(note(1, "to the case that has it now"), at=3)
    state = town.runner.stage.aggregates.state("c2")
    assert state.notes == ("to the case that has it now",)
    assert "c1" in town.table.rows


async def test_nothing_is_loaded_while_nothing_has_left_memory() -> None:
    town = Toytown()
    await town.live(report(1), report(2, "smell"), at=1)
    await town.live(note(1), merge(1, into=2), at=2)
    assert town.table.loads == 0
    await town.live(report(3, "smoke"), at=3)
    assert town.table.loads > 0


class Deaf(Toy):
    """A decider that reads a case for each note, and decides nothing."""

    def decide(self, input_: Any, view: Any) -> Any:
        if isinstance(input_.event, ToyNoteSent):
            view.state("c" + input_.event.issue)
            return []
        return super().decide(input_, view)


async def test_settled_cases_leave_memory_while_a_backlog_leads_to_no_row() -> None:
    town = Toytown(old=Deaf)
    await town.live(report(1), report(2, "smell"), at=1)
    await town.live(merge(1, into=2), at=2)
    town.runner.batch = 1
    await town.source.commit(SHARD, [town.new_input(note(1), 3) for _ in range(3)])
    position = town.runner.position
    assert await town.runner.step() == 1
    assert town.runner.position == position
    assert "c1" not in town.runner.stage.aggregates.by_name


async def test_inputs_are_decided_while_a_checkpoint_is_written() -> None:
    """A quiet moment begins it, and does not wait until all of it is written."""
    town = Toytown()
    runner = town.runner
    await runner.replay()
    await town.source.commit(SHARD, [town.new_input(report(n, f"m{n}"), 1) for n in range(1, 9)])
    await runner.step()
    await runner.advance_time()
    await town.source.commit(SHARD, [town.new_input(note(1), 2)])
    assert await runner.step() == 1
    assert runner.is_storing
    while runner.is_storing:
        await runner.step()
    assert town.table.position == runner.position


async def test_a_new_owner_folds_only_what_follows_the_last_checkpoint() -> None:
    town = Toytown()
    await town.live(report(1, "noise", 50), report(2, "smell"), at=1)
    await town.live(close(2), at=2)
    town.sink.acknowledge("archive", SHARD, town.runner.position - 1)  # They are gone.
    before = town.runner.stage
    await town.take_over_from_states()
    after = town.runner.stage
    assert after.aggregates.state("c1") == before.aggregates.state("c1")
    assert (after.position, after.time, after.input) == (before.position, before.time, before.input)
    await town.live(note(1), at=90)
    fired = [type(row.event).__name__ for row in await town.sink.read(SHARD, after.position - 3, 3)]
    assert "ToyTimerEnded" in fired


async def test_the_reference_data_in_force_are_taken_up_first() -> None:
    town = Toytown()
    await town.live(adopt_level(1, version="new"), report(1), at=1)
    await town.take_over_from_states()
    assert town.runner.stage.reference.level == 1
    assert town.runner.stage.decider.name == "new"  # type: ignore[attr-defined]


async def test_a_zombie_writes_no_state_row() -> None:
    town = Toytown()
    await town.live(report(1), at=1)
    zombie = town.runner
    await town.take_over_from_states()
    await town.live(note(1, "later"), at=2)
    stored = dict(town.table.rows)
    assert zombie._checkpoints
    zombie.stage.observe(["c1"])  # type: ignore[misc]
    zombie._checkpoints.begin()
    with pytest.raises(Conflict):
        await zombie._checkpoints.write_part()
    assert town.table.rows == stored


async def test_states_of_another_build_are_folded_again() -> None:
    town = Toytown()
    await town.live(report(1), at=1)
    town.table.version = "of another build"
    town.table.rows["c1"] = town.table.rows["c1"]._replace(data=b"what this build cannot read")
    await town.take_over_from_states()
    assert town.runner.stage.aggregates.state("c1").issues == ("1",)
    assert town.table.rows["c1"].data != b"what this build cannot read"


async def test_states_of_a_log_that_was_cut_since_are_folded_again() -> None:
    """Another build cut it, which left the states, and the log is as long as before."""
    town = Toytown()
    await town.live(report(1), at=1)
    await town.live(note(1, "before"), at=2)
    town.cut(1)
    await town.source.commit(SHARD, [town.new_input(note(1, "after"), 2)])
    without_states = Runner(toy_stage(), SingleOrder(town.source), town.sink, 100)
    await without_states.replay()
    await without_states.catch_up()
    await town.take_over_from_states()
    assert town.runner.stage.aggregates.state("c1").notes == ("after",)


async def test_no_state_is_written_that_is_ahead_of_a_restored_log() -> None:
    town = Toytown()
    await town.live(report(1), report(2, "smell"), at=1)
    stored = dict(town.table.rows)
    zombie = town.runner
    town.table.log = MemoryLog(CASES)  # Its owner has not committed anything since.
    await town.table.log.commit(SHARD, await town.sink.read(SHARD, 0, 1))
    assert zombie._checkpoints
    zombie.stage.observe(["c1", "c2"])  # type: ignore[misc]
    zombie._checkpoints.begin()
    with pytest.raises(Conflict, match="or log"):
        await zombie._checkpoints.write_part()
    assert town.table.rows == stored


async def test_a_recovery_position_that_contradicts_the_states_is_noticed() -> None:
    town = Toytown()
    await town.live(report(1), at=1)
    old = dict(town.table.rows)
    await town.live(note(1), at=2)
    await town.live(note(1), at=3)
    town.table.rows, town.table.position = old, 2
    for _ in range(2):
        try:
            await town.take_over_from_states()
        except Conflict:
            continue
    assert len(town.runner.stage.aggregates.state("c1").notes) == 2


async def test_a_decider_version_finds_what_was_settled_before_it() -> None:
    town = Toytown(new=Remembering)
    await town.live(report(1), report(2, "smell"), at=1)
    assert await town.live(merge(1, into=2), at=2) == ["c2"]
    assert await town.live(adopt_level(1, version="new"), at=3) == ["c1", "c2"]
    for _ in range(2):
        assert town.runner.stage.aggregates.find(Key("last note", "merged")) == ["c1"]
        await town.take_over_from_states()


async def test_a_version_that_is_replayed_finds_what_was_settled_before_it() -> None:
    town = Toytown(new=Remembering)
    await town.live(report(1), report(2, "smell"), at=1)
    await town.live(merge(1, into=2), at=2)
    rows, position = dict(town.table.rows), town.table.position
    await town.live(adopt_level(1, version="new"), at=3)
    town.table.rows, town.table.position = rows, position  # The checkpoint after it never came.
    await town.take_over_from_states()
    assert town.runner.stage.aggregates.find(Key("last note", "merged")) == ["c1"]


class Curious(Toy):
    """A decider whose timers and adoptions look at the first case."""

    def fire(self, timer: Any, state: Any, time: Any, view: Any) -> Any:
        text = " ".join(view.state("c1").notes)
        return [*super().fire(timer, state, time, view), ToyNoted(case=timer.subject, text=text)]

    def meet(self, name: str, state: Any, answers: Any, view: Any) -> Any:
        view.state("c1")
        return super().meet(name, state, answers, view)


async def test_a_timer_loads_what_its_decision_reads() -> None:
    town = Toytown(old=Curious)
    await town.live(report(1), report(2, "smell", 50), at=1)
    assert await town.live(merge(1, into=2), at=2) == ["c2"]
    await town.source.announce(SHARD, 90)
    await town.runner.catch_up()
    assert "merged" in town.runner.stage.aggregates.state("c2").notes


async def test_a_timer_that_an_input_fires_loads_what_its_decision_reads() -> None:
    town = Toytown(old=Curious)
    await town.live(report(1), report(2, "smell", 50), at=1)
    assert await town.live(merge(1, into=2), at=2) == ["c2"]
    await town.live(note(2, "after it"), at=90)
    assert town.runner.stage.aggregates.state("c2").notes[-2:] == ("merged", "after it")


async def test_an_adoption_that_reads_a_settled_case_halts_the_district() -> None:
    town = Toytown(old=Curious)
    await town.live(report(1), report(2, "smell"), at=1)
    await town.live(merge(1, into=2), at=2)
    with pytest.raises(Halted, match="does not name: c1"):
        await town.live(adopt_level(1), at=3)


def test_what_was_absent_and_came_and_left_memory_is_absent_no_more() -> None:
    aggregates = Aggregates[Any, Any](Toy())
    aggregates.absent = {"c1"}
    assert aggregates.state("c1") == Toy.initial_state
    aggregates.get("c1")
    aggregates.forget(["c1"])
    with pytest.raises(NotLoaded):
        aggregates.state("c1")
