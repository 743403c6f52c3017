"""Poison parks one case, and early inputs wait for their report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from escalation.core.decider import Escalation
from eventlog.core.decider import Input, TimerFired
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from events.catalogue import (
    CaseParked,
    Event,
    InputHeld,
    IssueReported,
)
from events.stored_inputs import StoredInput
from routing.core.decider import Routing
from tests.harness.city import MAP_ADOPTED, POLICIES_SENT
from tests.mutation.clocks import an_early_ending_meets_a_deadline_that_is_past
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import S, case_of, closing, report, retry, visit
from tests.mutation.memory import InMemory, in_memory
from tests.mutation.weakening import Weakening, method, value
from tests.mutation.world import STAGES


@method(Stage, "_defer")
def drop_deferred_inputs(
    real: object, self: Stage[Any, Any], name: str, input_: Input
) -> Sequence[Event]:
    return ()


@method(Stage, "_park")
def park_in_memory(
    real: Callable[..., object],
    self: Stage[Any, Any],
    fault: Exception,
    input_: Input,
    stored: StoredInput | None,
) -> Sequence[Event]:
    real(fault, input_, stored)
    return ()


@method(Stage, "replay")
def forget_deferred_inputs(
    real: Callable[..., None], self: Stage[Any, Any], rows: Iterable[Row]
) -> None:
    real([without_input(row) for row in rows])


def without_input(row: Row) -> Row:
    if isinstance(row.event, CaseParked | InputHeld):
        return row._replace(event=CaseParked(case=row.subject, fault="", input=None))
    return row


@method(Routing, "_report")
def forget_early_inputs(
    real: Callable[..., Sequence[Event]],
    self: Routing,
    issue: Any,
    input_: Input,
    state: Any,
    reference: Any,
) -> Any:
    return real(issue, input_, self.initial_state, reference)


@history(in_memory)
async def a_case_is_poison(world: InMemory) -> None:
    poison(world.patch, "bad", KeyError("surprise"), times=99)
    await world.come(10 * S, report("bad", 99 * S), report("good", 99 * S))
    await world.follow()
    world.owner("cases").die()
    await world.come(11 * S, closing("bad"))
    await world.follow()


@history(in_memory, "MemoryError")
async def memory_is_short_for_a_moment(world: InMemory) -> None:
    poison(world.patch, "a", MemoryError(), times=1)
    await world.come(10 * S, report("a", 99 * S))
    await world.follow()


def poison(patch: pytest.MonkeyPatch, name: str, fault: Exception, times: int) -> None:
    """Let the decision about a report raise a fault, so many times."""
    decide, left = Routing.decide, [fault] * times

    def decide_or_fail(self: Routing, input_: Input, view: Any) -> Any:
        if left and isinstance(input_.event, IssueReported) and input_.event.reference == name:
            raise left.pop()
        return decide(self, input_, view)

    patch.setattr(Routing, "decide", decide_or_fail)


@history(in_memory)
async def parked_cases_are_retried(world: InMemory) -> None:
    """Retry a case that routing parked without a map, and one that escalation parked."""
    poison_until(world.patch, Routing, "bad", "map_digest")
    poison_until(world.patch, Escalation, "worse", "policies")
    await world.come(10 * S, report("bad", 99 * S), report("worse", 13 * S))
    await world.come(11 * S, visit("bad"), retry("bad", "cases"))
    await world.follow()
    await world.come(12 * S, closing("bad"), MAP_ADOPTED, POLICIES_SENT)
    await world.follow()
    for log in STAGES:
        world.owner(log).die()
    await world.come(14 * S, retry("bad", "cases"), retry("worse", "calls"), retry("good", "cases"))
    await world.come(15 * S, report("good", 99 * S))
    await world.follow()
    await world.announce(16 * S)
    await world.follow()


def poison_until(
    patch: pytest.MonkeyPatch,
    service: type[Any],
    name: str,
    reference_name: str,
    kind: type[Any] = object,
) -> None:
    """Let the decision about a case fail before reference data is adopted."""
    decide = service.decide

    def decide_or_fail(self: Any, input_: Input, view: Any) -> Sequence[Event]:
        event = input_.event
        ready = (
            getattr(view.reference, reference_name)
            or isinstance(event, TimerFired)
            or not isinstance(event, kind)
        )
        if not ready and input_.subject == case_of(name):
            raise KeyError(reference_name)
        events: Sequence[Event] = decide(self, input_, view)
        return events

    patch.setattr(service, "decide", decide_or_fail)


FAULTS = (
    PlantedFault(
        "poison parks its case alone",
        "A fault of one case does not stop the shard.",
        (
            Weakening(
                "every fault stops the shard",
                value("eventlog.core.decisions.SHARD_FAULTS", (Exception,)),
            ),
        ),
        a_case_is_poison,
        ("stands still: KeyError", "checker: lag"),
    ),
    PlantedFault(
        "what is no fault of a case",
        "Out of memory and the like stop the shard, and park nothing.",
        (
            Weakening(
                "every fault parks its case", value("eventlog.core.decisions.SHARD_FAULTS", ())
            ),
        ),
        memory_is_short_for_a_moment,
        ("verify",),
    ),
    PlantedFault(
        "later inputs are deferred",
        "Later inputs of a parked case are deferred.",
        (
            Weakening(
                "`Stage._defer` drops the inputs of a parked case",
                drop_deferred_inputs,
            ),
        ),
        a_case_is_poison,
        ("checker: outcome",),
    ),
    PlantedFault(
        "parked is an event",
        "That a case is parked is an event.",
        (Weakening("`Stage._park` parks in memory only", park_in_memory),),
        a_case_is_poison,
        ("verify", "checker: outcome"),
    ),
    PlantedFault(
        "a new owner finds deferred inputs",
        "A new owner finds the deferred inputs of a parked case.",
        (Weakening("`Stage.replay` forgets them", forget_deferred_inputs),),
        parked_cases_are_retried,
        ("verify", "checker: case", "checker: clock"),
    ),
    PlantedFault(
        "what came early applies at the report",
        "Waiting actions apply at the report, in that decision.",
        (Weakening("`Routing._report` forgets what waits", forget_early_inputs),),
        an_early_ending_meets_a_deadline_that_is_past,
        ("checker: outcome",),
    ),
)
