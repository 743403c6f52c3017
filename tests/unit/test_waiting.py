"""For any history of early actions, faults, retries and new owners: verify and the checker agree.

Actions come before their reports, behind parked cases, and too late. Owners die anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalation.core.decider import Escalation
from routing.core.decider import Routing
from tests.harness.city import DAY, HOUR, MAP_ADOPTED, POLICIES_SENT
from tests.mutation.inputs import closing, reopening_of, report, retry, visit
from tests.mutation.memory import InMemory
from tests.mutation.poison import poison_until
from tests.mutation.world import STAGES

NAMES = ("a", "parked in cases", "parked in calls")
DEADLINE = 50 * DAY
Step = Callable[[InMemory], Awaitable[object]]


class Calendar:
    """The time of a history: each step is some time after the one before."""

    def __init__(self) -> None:
        self.now = DAY

    def pass_by(self, time: int) -> int:
        self.now += time
        return self.now


def events_of(kind: str, name: str, number: int) -> list[Any]:
    """Return the inputs of a step. Each has an id of its own."""
    match kind:
        case "report":
            return [report(name, DEADLINE)]
        case "visit":
            return [visit(name, number)]
        case "ending":
            return [closing(name)]
        case "reopening":
            return [reopening_of(name)]
        case "retry in cases":
            return [retry(name, "cases")]
        case "retry in calls":
            return [retry(name, "calls")]
        case _:
            return [MAP_ADOPTED, POLICIES_SENT]


ONCE = ("report", "ending", "reopening")  # Intake accepts each of them once.
KINDS = ("visit", "visit", "retry in cases", "retry in calls", "mend", *ONCE, "report")
steps = st.tuples(
    st.sampled_from(KINDS),
    st.sampled_from(NAMES),
    st.sampled_from((0, 1, HOUR, 15 * DAY, 30 * DAY, 30 * DAY + 1)),
    st.sampled_from(("", "follow", "die", "announce")),
)


async def run(world: InMemory, history: list[tuple[str, str, int, str]]) -> set[str]:
    """Let a history happen, and return what was noticed of it."""
    poison_until(world.patch, Routing, NAMES[1], "map_digest")
    poison_until(world.patch, Escalation, NAMES[2], "policies")
    calendar, seen = Calendar(), set[tuple[str, str]]()
    for number, (kind, name, later, then) in enumerate(history):
        now = calendar.pass_by(later)
        if kind not in ONCE or (kind, name) not in seen:
            seen.add((kind, name))
            await world.come(now, *events_of(kind, name, number))
        if then == "announce":
            await world.announce(now)
        if then:
            await world.follow()
        if then == "die":
            for log in STAGES:
                world.owner(log).die()
    await world.announce(calendar.pass_by(31 * DAY))
    return await world.judge()


@given(st.lists(steps, max_size=20))
def test_an_input_that_waits_is_decided_once_or_expires_or_still_waits(
    history: list[tuple[str, str, int, str]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        assert asyncio.run(run(InMemory(patch), history)) == set()
