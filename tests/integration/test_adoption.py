"""A roster and a map reach hundreds of open cases, in memory and on Postgres."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from eventlog.core.decider import Input, ReferenceChanged
from events import catalogue as e
from routing.core.decider import Routing
from tests.harness.city import MAP_ADOPTED, NEXT_MAP_ADOPTED, NEXT_ROSTER_SENT, ROSTER_SENT
from tests.mutation.inputs import CITY, S, action_of, case_of, report, retry, visit
from tests.mutation.memory import in_memory
from tests.mutation.postgres import on_postgres
from tests.mutation.world import ALL

CASES = 300
PARKED = range(0, CASES, 10)
RAISES = "case 7"
IN_0101 = e.PlaceClaim(by="point", lat=0.1, lon=0.1)
IN_0201 = e.PlaceClaim(by="point", lat=1.5, lon=0.5)


def fail_for_some_cases(patch: pytest.MonkeyPatch) -> None:
    """Let every visit fail, and the first adoption that reaches one of the cases."""
    decide = Routing.decide

    def decide_or_fail(self: Routing, input_: Input, view: Any) -> Any:
        event, used = input_.event, view.reference.used
        raises = input_.subject == case_of(RAISES) and used.map == "map-1"
        if isinstance(event, e.VisitMade) and used.map == "map-1":
            raise ValueError("a fault of the first map")
        if isinstance(event, ReferenceChanged) and raises:
            raise ValueError("a fault of this case")
        return decide(self, input_, view)

    patch.setattr(Routing, "decide", decide_or_fail)


@pytest.fixture(params=["memory", "postgres"])
def open_world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a district with its owners, which is opened by `async with`."""
    if request.param == "memory":
        return in_memory(monkeypatch, "")
    return on_postgres(monkeypatch, str(request.getfixturevalue("database")))


async def test_an_adoption_moves_hundreds_of_open_cases_and_leaves_parked_ones_to_their_retry(
    open_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for_some_cases(monkeypatch)
    names = [f"case {number}" for number in range(CASES)]
    async with open_world as world:
        await world.come(10 * S, MAP_ADOPTED, ROSTER_SENT)
        await world.come(
            11 * S,
            *(report(name, 99 * S, IN_0101 if n % 2 else IN_0201) for n, name in enumerate(names)),
        )
        await world.come(12 * S, *(visit(names[number]) for number in PARKED))
        await world.follow()
        await world.come(13 * S, NEXT_ROSTER_SENT)
        await world.follow()
        world.owner("cases").die()
        await world.come(14 * S, NEXT_MAP_ADOPTED)
        await world.follow()
        world.owner("cases").die()
        retried = [*(names[number] for number in PARKED), RAISES]
        await world.come(15 * S, *(retry(name, "cases") for name in retried))
        await world.follow()
        rows = await world.log("cases", "a").read(CITY, 0, ALL)
        assert await world.judge() == set()
    moved = [row.event for row in rows if isinstance(row.event, e.CaseReassigned)]
    parked = [row for row in rows if isinstance(row.event, e.CaseParked)]
    assert len(parked) == len(PARKED) + 1
    # Of the 150 cases in 0101 all go to Dan but the one that raises. Then the map has them in 0201.
    # Those that were parked in 0201, which is no grid's any more, met both at their retry.
    assert Counter((event.because, event.holder.grid) for event in moved) == {
        ("roster", "0101"): 149,
        ("map", "0201"): 150,
        ("map", None): 150,
    }


async def test_visited_cases_that_lost_their_grid_get_a_place_and_keep_their_visit(
    open_world: Any,
) -> None:
    names = [f"case {number}" for number in range(20)]
    async with open_world as world:
        await world.come(10 * S, MAP_ADOPTED, ROSTER_SENT)
        await world.come(11 * S, *(report(name, 99 * S, IN_0201) for name in names))
        await world.come(12 * S, *(visit(name) for name in names))
        await world.come(13 * S, NEXT_MAP_ADOPTED)
        await world.follow()
        world.owner("cases").die()
        named = [
            e.PlaceNamed(
                action=action_of(f"{name} named"), issue=case_of(name), by="e", grid="0101"
            )
            for name in names
        ]
        await world.come(14 * S, *named)
        await world.come(15 * S, NEXT_ROSTER_SENT)
        await world.follow()
        rows = await world.log("cases", "a").read(CITY, 0, ALL)
        assert await world.judge() == set()
    moved = [row.event for row in rows if isinstance(row.event, e.CaseReassigned)]
    assert Counter((each.because, each.holder.worker, each.queued) for each in moved) == {
        ("map", None, True): 20,
        ("dispatcher", "ann", False): 20,
        ("roster", "dan", False): 20,
    }
    assert not [row for row in rows if isinstance(row.event, e.InputDeclined)]
