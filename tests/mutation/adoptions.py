"""An adoption reaches every open case that it concerns, in one decision."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest

from eventlog.core import stage as stage_module
from eventlog.core.decider import REFERENCE, Input, ReferenceChanged
from eventlog.core.row import Progress, Row
from eventlog.core.stage import Stage
from eventlog.runner import Runner
from events.catalogue import PlaceClaim, VisitMade
from routing.core.decider import Routing
from tests.harness.city import MAP_ADOPTED, NEXT_MAP_ADOPTED, NEXT_ROSTER_SENT, ROSTER_SENT
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import S, case_of, closing, report, retry, visit
from tests.mutation.memory import InMemory, in_memory
from tests.mutation.weakening import Weakening, method

IN_0101 = PlaceClaim(by="point", lat=0.1, lon=0.1)
HOLDER = "checker: holder"


@history(in_memory)
async def a_roster_reaches_open_cases(world: InMemory) -> None:
    """Give six cases to a successor. The owner dies, and a report comes from the same grid."""
    await open_six_cases(world)
    await world.come(12 * S, NEXT_ROSTER_SENT)
    await world.follow()
    world.owner("cases").die()
    await world.come(13 * S, report("later", 99 * S, IN_0101), closing("case 0"))
    await world.follow()


@history(in_memory)
async def a_map_reaches_open_cases(world: InMemory) -> None:
    """Move six cases to the grid that has their point now. Then the owner dies."""
    await open_six_cases(world)
    await world.come(12 * S, NEXT_MAP_ADOPTED)
    await world.follow()
    world.owner("cases").die()
    await world.come(13 * S, closing("case 0"))
    await world.follow()


async def open_six_cases(world: InMemory) -> None:
    await world.come(10 * S, MAP_ADOPTED, ROSTER_SENT)
    await world.follow()
    reports = (report(f"case {number}", 99 * S, IN_0101) for number in range(6))
    await world.come(11 * S, *reports)
    await world.follow()


@history(in_memory)
async def a_roster_comes_while_a_case_is_parked(world: InMemory) -> None:
    """Park one of two cases of a grid by its visit. A roster comes, and then the retry."""
    fail_at_visits(world.patch, "parked")
    await world.come(10 * S, MAP_ADOPTED, ROSTER_SENT)
    await world.come(11 * S, report("parked", 99 * S, IN_0101), report("other", 99 * S, IN_0101))
    await world.come(12 * S, visit("parked"), NEXT_ROSTER_SENT)
    await world.follow()
    world.owner("cases").die()
    await world.come(13 * S, retry("parked", "cases"))
    await world.follow()


def fail_at_visits(patch: pytest.MonkeyPatch, name: str) -> None:
    """Let the visits of a case fail while Ann is in 0101, for every owner alike."""
    decide = Routing.decide

    def decide_or_fail(self: Routing, input_: Input, view: Any) -> Any:
        workers = view.reference.workers
        is_visit = isinstance(input_.event, VisitMade) and input_.subject == case_of(name)
        if is_visit and workers.get("0101") == "ann":
            raise KeyError("surprise")
        return decide(self, input_, view)

    patch.setattr(Routing, "decide", decide_or_fail)


@method(Runner, "_commit")
async def commit_half_of_an_adoption(
    real: Callable[..., Awaitable[None]],
    self: Runner[Any, Any],
    rows: Sequence[Row],
    passed: Progress,
    *span: Any,
) -> None:
    is_adoption = len(rows) > 2 and rows[0].subject == REFERENCE != rows[-1].subject
    await real(rows[: len(rows) // 2] if is_adoption else rows, passed, *span)


@method(Routing, "find_affected")
def find_nobody(real: object, self: Routing, event: Any, view: Any) -> Sequence[str]:
    return ()


@method(Stage, "_list_missed")
def leave_reference_data_out(
    real: Callable[..., Iterator[Input]], self: Stage[Any, Any], *args: Any
) -> Iterator[Input]:
    return (each for each in real(*args) if not isinstance(each.event, ReferenceChanged))


def reach_the_last_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stage_module, "sorted", lambda names: sorted(names, reverse=True), raising=False)


FAULTS = (
    PlantedFault(
        "an adoption whole",
        "An adoption and all that follows from it are one commit.",
        (Weakening("`Runner._commit` commits half of an adoption", commit_half_of_an_adoption),),
        a_roster_reaches_open_cases,
        ("verify", HOLDER),
    ),
    PlantedFault(
        "an adoption reaches its cases",
        "An adoption reaches every open case that it concerns.",
        (Weakening("`Routing.find_affected` finds nobody", find_nobody),),
        a_roster_reaches_open_cases,
        (HOLDER,),
    ),
    PlantedFault(
        "an adoption in order",
        "An adoption reaches its cases in the order of their ids.",
        (Weakening("`Stage._apply_reference` begins with the last one", reach_the_last_first),),
        a_map_reaches_open_cases,
        (HOLDER,),
    ),
    PlantedFault(
        "a parked case meets what is in force",
        "A parked case meets the reference data in force when it is retried.",
        (Weakening("`Stage._list_missed` leaves them out", leave_reference_data_out),),
        a_roster_comes_while_a_case_is_parked,
        (HOLDER,),
    ),
)
