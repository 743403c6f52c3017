"""Checkpoints amid faults: what is blocked is not stored, and what is wrong is found."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog.core.stage import Stage
from eventlog.postgres.states import StoredStates
from events.errors import Conflict, Halted, Outdated
from gridcall.verify.states import StateComparison
from tests.harness.kernel.events import CASES, ToyNoteSent
from tests.harness.kernel.schedule import SHARD
from tests.harness.kernel.shard import adopt_level, merge, note, report, retry
from tests.harness.kernel.town import Remembering, Toytown
from tests.harness.kernel.toy import Toy, look_up

pytestmark = pytest.mark.usefixtures("toys")


class Refusing(Toy):
    """A decider that fails about a strange note, and then meets a type that it does not know."""

    def __init__(self) -> None:
        self.faults: list[Exception] = [ValueError("strange"), Outdated("install a newer one")]

    def decide(self, input_: Any, view: Any) -> Any:
        if isinstance(input_.event, ToyNoteSent) and input_.event.text == "strange" and self.faults:
            raise self.faults.pop(0)
        return super().decide(input_, view)


async def test_no_state_is_taken_of_a_stage_that_is_blocked() -> None:
    town = Toytown(old=Refusing)
    await town.live(report(1), at=1)
    await town.live(adopt_level(1), at=2)
    with pytest.raises(Halted):
        await town.live(note(1, "strange"), retry("c1"), at=3)
    await town.take_over_from_states()
    assert town.runner.stage.parked == {"c1"}
    await town.runner.catch_up()
    assert "strange" in town.runner.stage.aggregates.state("c1").notes


async def test_a_settled_state_that_cannot_be_read_is_folded_again() -> None:
    town = Toytown()
    await town.live(report(1), report(2, "smell"), at=1)
    await town.live(merge(1, into=2), at=2)
    town.table.rows["c1"] = town.table.rows["c1"]._replace(data=b"rot")
    with pytest.raises(Conflict, match="cannot be read"):
        await town.live(report(1), at=3)
    await town.take_over_from_states()
    assert town.table.rows["c1"].data != b"rot"
    await town.live(report(1), at=4)


async def verify(town: Toytown) -> Any:
    """Compare the state rows of a town with a fold of its inputs."""
    table, stage = town.table, Stage(town.versions["old"], SHARD, look_up, town.versions)
    stored = StoredStates(table.position, table.version, list(table.rows.values()))
    comparison = StateComparison(CASES, stage, stored)
    for row in await town.source.read(SHARD, 0, 100):
        for own in stage.apply([row]):
            comparison.note(own)
    return comparison.finish(stage.position)


async def test_verify_sees_a_case_that_is_not_live_after_a_version() -> None:
    town = Toytown(new=Remembering)
    await town.live(report(1), report(2, "smell"), at=1)
    await town.live(merge(1, into=2), at=2)
    await town.live(adopt_level(1, version="new"), at=3)
    assert await verify(town) is None
    town.table.rows["c1"] = town.table.rows["c1"]._replace(live=False)
    assert "c1" in (await verify(town)).cause


async def test_a_checkpoint_before_the_first_adoption_is_equal() -> None:
    town = Toytown()
    await town.live(report(1), at=1)
    rows, position = dict(town.table.rows), town.table.position
    await town.live(adopt_level(1), at=3)
    town.table.rows, town.table.position = rows, position
    assert await verify(town) is None
