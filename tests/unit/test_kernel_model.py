"""The kernel does what its executable model does, whatever dies, waits or is taken over."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from eventlog.codec import envelope
from eventlog.core.log import MemoryLog
from eventlog.core.row import Progress, Row
from eventlog.input_order import SingleOrder
from eventlog.runner import Runner
from events.errors import Conflict, Halted, Unavailable
from tests.harness.chaos.kernel import run_campaign
from tests.harness.kernel.events import CASES, INPUTS
from tests.harness.kernel.inputs import draw_input
from tests.harness.kernel.schedule import SHARD, Schedule, toy_model, toy_stage

chances = st.randoms(use_true_random=False)
delays = st.sampled_from((0, 0, 1, 2, 5))


pytestmark = pytest.mark.usefixtures("toys")


class Kernel(RuleBasedStateMachine):
    """Owners of a shard in any schedule. `Schedule` compares them with the model at each step."""

    @initialize()
    def begin(self) -> None:
        self.schedule = Schedule()

    @rule(chance=chances, delay=delays, count=st.integers(1, 4), rows=st.integers(1, 3))
    def feed(self, chance: Random, delay: int, count: int, rows: int) -> None:
        for _ in range(count):
            parked = sorted(self.schedule.model.world.behind)
            self.schedule.feed(delay, *(draw_input(chance, parked) for _ in range(rows)))

    @rule(chance=chances, limit=st.integers(1, 9))
    def work(self, chance: Random, limit: int) -> None:
        self.schedule.work(chance.choice(self.schedule.owners), limit)

    @rule(chance=chances, delay=delays)
    def announce_watermark(self, chance: Random, delay: int) -> None:
        self.schedule.announce(delay)
        self.schedule.advance(chance.choice(self.schedule.owners))

    @rule(chance=chances)
    def commit(self, chance: Random) -> None:
        self.schedule.commit(chance.choice(self.schedule.owners), chance)

    @rule(chance=chances)
    def crash(self, chance: Random) -> None:
        self.schedule.crash(chance.choice(self.schedule.owners), chance)

    @rule(chance=chances)
    def take_over(self, chance: Random) -> None:
        self.schedule.take_over(chance)

    def teardown(self) -> None:
        if hasattr(self, "schedule"):
            self.schedule.finish(Random(0))


def test_every_schedule_gives_the_rows_of_the_model() -> None:
    run_state_machine_as_test(Kernel)


class Unreliable(MemoryLog):
    """A log that refuses commits, or loses the answer to one that landed."""

    def __init__(self, name: str, chance: Random) -> None:
        super().__init__(name)
        self.chance = chance

    async def commit(
        self, shard: str, rows: Sequence[Row], progress: Progress | None = None
    ) -> None:
        happens = self.chance.randrange(6)
        if happens == 0:
            raise Conflict("another owner was first")
        await super().commit(shard, rows, progress)
        if happens == 1:
            raise Unavailable("the answer was lost")


@given(st.integers(0, 2**32), st.integers(1, 20))
async def test_a_runner_whose_commits_fail_writes_the_rows_of_the_model(
    seed: int, batch: int
) -> None:
    schedule, chance = Schedule(), Random(seed)
    for _ in range(40):
        parked = sorted(schedule.model.world.behind)
        schedule.feed(chance.choice((0, 1, 3)), draw_input(chance, parked))
    source, sink = MemoryLog(INPUTS), Unreliable(CASES, chance)
    runner: Runner[Any, Any] | None = None
    for row in schedule.inputs:
        await source.commit(SHARD, [row])
        runner = await go_on(runner, source, sink, batch)
    await source.announce(SHARD, schedule.watermark + 20)
    schedule.model.advance_time(schedule.watermark + 20)
    while (await sink.watermark(SHARD)).watermark < schedule.watermark + 20:
        runner = await go_on(runner, source, sink, batch)
    written = await sink.read(SHARD, 0, 10_000)
    assert [envelope(row) for row in written] == [envelope(row) for row in schedule.model.rows]


async def go_on(
    runner: Runner[Any, Any] | None, source: MemoryLog, sink: MemoryLog, batch: int
) -> Runner[Any, Any] | None:
    """Catch up. A commit that fails ends the runner; the next one replays the log."""
    try:
        if runner is None:
            runner = Runner(toy_stage(), SingleOrder(source), sink, batch)
            await runner.replay()
        await runner.catch_up()
    except (Conflict, Unavailable):
        with pytest.raises(Halted):
            runner.stage.apply([])  # type: ignore[union-attr]
        return None
    return runner


def test_the_model_has_no_state_of_its_own_beside_the_rows() -> None:
    """Guard the comparison: a model that does nothing would agree with a kernel that does."""
    schedule = Schedule()
    chance = Random(1)
    for _ in range(300):
        schedule.feed(1, draw_input(chance, sorted(schedule.model.world.behind)))
    kinds = {type(row.event).__name__ for row in schedule.model.rows}
    assert {"CaseParked", "CaseRetried", "InputHeld", "ToyReassigned", "ToyTimerEnded"} <= kinds
    assert len(schedule.model.rows) > 300
    assert not toy_model().rows


def test_a_campaign_repeats_its_schedules(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_campaign(seed=7, seconds=0, schedules=2) == 0
    first = capsys.readouterr().out
    assert run_campaign(seed=7, seconds=0, schedules=2) == 0
    assert capsys.readouterr().out == first
    assert "2 schedules, seeds 7 to 8" in first


def test_a_campaign_reaches_timers_that_run_out_behind_parked_cases(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_campaign(seed=1, seconds=0, schedules=12) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "within a retry" in line)
    assert int(line.split()[0]) > 0
