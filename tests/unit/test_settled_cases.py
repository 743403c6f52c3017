"""Settled cases leave memory and come back, and state rows are believed only beside their log."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog.core.aggregates import Aggregates, NotLoaded
from eventlog.core.decider import Key
from eventlog.core.log import MemoryLog
from eventlog.input_order import SingleOrder
from eventlog.runner import Runner
from events.errors import Conflict, Halted
from tests.harness.kernel.events import CASES, ToyNoted, ToyNoteSent
from tests.harness.kernel.schedule import SHARD, toy_stage
from tests.harness.kernel.shard import adopt_level, close, merge, note, report
from tests.harness.kernel.town import Remembering, Toytown
from tests.harness.kernel.toy import Toy

pytestmark = pytest.mark.usefixtures("toys")


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
    zombie._checkpoints.take_part()
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
    zombie._checkpoints.take_part()
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
