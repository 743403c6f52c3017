"""Time is part of the order: clocks fire by the time of the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappush
from typing import Any

import pytest

from escalation.core import clocks
from escalation.core.case import Outcome, State
from escalation.core.reference import Reference
from eventlog.core.decider import Input, Timer
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from eventlog.notifier import Notifier
from events.catalogue import CaseReopened
from events.instants import Instant
from intake.acceptor import Acceptor
from routing.core.steps.defer import WAITING_MAX
from tests.harness.city import IN_0101, MAP_ADOPTED, ROSTER_SENT
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import S, closing, reopening_of, report, visit
from tests.mutation.intake import NOT_MONOTONE
from tests.mutation.memory import InMemory, in_memory
from tests.mutation.postgres import OnPostgres, on_postgres
from tests.mutation.weakening import Plant, Weakening, method, value

LATER = 1000 * S


@method(Stage, "_fire_before")
def fire_by_wall_clock(real: Callable[..., None], self: Stage[Any, Any], t: Instant) -> None:
    real(max(t, LATER))


@method(Stage, "_fire_before")
def fire_at_input_time(real: Callable[..., None], self: Stage[Any, Any], t: Instant) -> None:
    watermark = max(self.watermark, t)
    real(t + 1)
    self.watermark = watermark


@method(Stage, "advance_time")
def fire_at_watermark(
    real: Callable[..., list[Row]], self: Stage[Any, Any], watermark: Instant
) -> list[Row]:
    rows = real(watermark + 1)
    self.watermark = watermark
    return rows


@method(Stage, "_apply")
def apply_each_as_first(
    real: Callable[..., None], self: Stage[Any, Any], row: Row, *rest: Any
) -> None:
    real(row._replace(step=1), *rest)


def remember_time(self: Stage[Any, Any], t: Instant) -> None:
    """Remember the time that lets clocks fire."""
    self.__dict__["lets_pass"] = t


def fire_with(changed: Callable[[Input, Instant], Input]) -> Plant:
    """Return a change of the input with which a clock fires."""

    @method(Stage, "_fire_before")
    def fire(real: Callable[..., None], self: Stage[Any, Any], t: Instant) -> None:
        remember_time(self, t)
        real(t)

    @method(Stage, "_fire")
    def replace_input(real: Callable[..., None], self: Stage[Any, Any], input_: Input) -> None:
        real(changed(input_, self.__dict__["lets_pass"]))

    def plant(patch: pytest.MonkeyPatch) -> None:
        fire(patch)
        replace_input(patch)

    return plant


class UntiedTimer(Timer):
    """A timer that is ordered by its due time alone."""

    def __lt__(self, other: object) -> bool:
        return isinstance(other, Timer) and self.due < other.due


def order_by_due_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "eventlog.core.decisions.heappush",
        lambda timers, timer: heappush(timers, UntiedTimer(*timer)),
    )


@history(in_memory)
async def escalation_was_away_for_a_while(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.come(20 * S, closing("a"))
    await world.announce(30 * S)
    await world.follow()


@history(on_postgres)
async def the_clock_steps_back(world: OnPostgres) -> None:
    await world.come(20 * S, report("a", 99 * S))
    await world.follow()
    await world.set_clock(21 * S, wall=10 * S)
    await world.post(Acceptor(world.connection, Notifier()), closing("a"))
    await world.follow()


@history(in_memory)
async def a_deadline_between_two_watermarks(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    for watermark in (25, 40):
        await world.announce(watermark * S)
        await world.follow()


@history(in_memory)
async def a_case_is_closed_when_it_is_due(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.announce(20 * S)
    await world.follow()
    await world.come(20 * S, closing("a"))
    await world.announce(30 * S)
    await world.follow()


@history(in_memory)
async def three_cases_are_due_together(world: InMemory) -> None:
    await world.come(10 * S, report("soon", 15 * S))
    await world.come(10 * S, report("c", 30 * S))
    await world.announce(20 * S)
    await world.follow()
    await world.come(21 * S, report("b", 30 * S), report("a", 30 * S))
    await world.follow()
    world.owner("calls").die()
    await world.announce(40 * S)
    await world.follow()


@history(in_memory)
async def an_early_ending_meets_a_deadline_that_is_past(world: InMemory) -> None:
    await world.come(10 * S, closing("a"))
    await world.come(12 * S, report("a", 5 * S))
    await world.announce(30 * S)
    await world.follow()


@history(in_memory)
async def cases_reopen_before_and_after_their_promise(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S), report("b", 12 * S))
    await world.come(11 * S, closing("a"), closing("b"))
    await world.come(15 * S, reopening_of("a"), reopening_of("b"))
    await world.announce(30 * S)
    await world.follow()


@history(in_memory)
async def more_actions_come_early_than_may_wait(world: InMemory) -> None:
    await world.come(10 * S, *(visit("a", number) for number in range(WAITING_MAX + 1)))
    await world.come(11 * S, report("a", 99 * S))
    await world.follow()


def start_or_nothing(
    case: CaseReopened, state: State, time: Instant, reference: Reference
) -> Sequence[Outcome]:
    """Start the next deadline of a case, and say nothing if there is none."""
    return clocks.start(case, time, state.run + 1, reference)


@history(in_memory)
async def a_map_is_adopted_between_two_reports(world: InMemory) -> None:
    for event in (
        report("a", 99 * S, IN_0101),
        MAP_ADOPTED,
        ROSTER_SENT,
        report("b", 99 * S, IN_0101),
    ):
        await world.come(10 * S, event)
        await world.follow()


FAULTS = (
    PlantedFault(
        "the time of the log",
        "A stage's clock is the time of what it reads.",
        (Weakening("`Stage._fire_before` goes by a wall clock that is later", fire_by_wall_clock),),
        escalation_was_away_for_a_while,
        ("checker: deadline",),
    ),
    PlantedFault(
        "time never goes back",
        "Intake's time never goes back.",
        (NOT_MONOTONE,),
        the_clock_steps_back,
        ("AssertionError", "stands still: AssertionError", "verify", "checker: time"),
    ),
    PlantedFault(
        "the time of a fired event",
        "A fired event takes its time from its clock.",
        (
            Weakening(
                "a fired event's `ts` is the time that let it fire",
                fire_with(lambda input_, t: input_._replace(time=t)),
            ),
        ),
        a_deadline_between_two_watermarks,
        ("verify", "checker: deadline"),
    ),
    PlantedFault(
        "the cause of a fired event",
        "A fired event's cause is its clock.",
        (
            Weakening(
                "a fired event's cause is the time that let it fire",
                fire_with(lambda input_, t: input_._replace(id=f"watermark/{t}")),
            ),
        ),
        a_deadline_between_two_watermarks,
        ("verify", "checker: cause"),
    ),
    PlantedFault(
        "before a watermark",
        "A watermark w fires what was due before w.",
        (Weakening("`Stage.advance_time` fires what was due at w, too", fire_at_watermark),),
        a_case_is_closed_when_it_is_due,
        ("verify", "checker: deadline"),
    ),
    PlantedFault(
        "before an input",
        "An input of time t fires what was due before t.",
        (Weakening("`Stage._fire_before` fires what was due at t, too", fire_at_input_time),),
        a_case_is_closed_when_it_is_due,
        ("checker: deadline",),
    ),
    PlantedFault(
        "an order below the due time",
        "Clocks fire in the order (due, case, kind, run).",
        (Weakening("`Timer` is ordered by its due time alone", order_by_due_time),),
        three_cases_are_due_together,
        ("verify",),
    ),
    PlantedFault(
        "decisions whole",
        "Only a decision's first event lets time pass.",
        (Weakening("`Stage._apply` takes every row for a first one", apply_each_as_first),),
        an_early_ending_meets_a_deadline_that_is_past,
        ("checker: deadline",),
    ),
    PlantedFault(
        "a promise stays",
        "A case that reopens before the due time of its line keeps it.",
        (
            Weakening(
                "`reopen.decide` drops the promise",
                value("routing.core.steps.reopen.standing_promise", lambda due, time: None),
            ),
        ),
        cases_reopen_before_and_after_their_promise,
        ("checker: clock",),
    ),
    PlantedFault(
        "a missing deadline is said",
        "A case that reopens without a deadline says so.",
        (
            Weakening(
                "`clocks.decide_reopening` says nothing",
                value("escalation.core.clocks.decide_reopening", start_or_nothing),
            ),
        ),
        cases_reopen_before_and_after_their_promise,
        ("checker: clock",),
    ),
    PlantedFault(
        "so many wait",
        "Of one source, so many actions wait for a report, and no more.",
        (
            Weakening(
                "`defer.decide` has a higher limit",
                value("routing.core.steps.defer.WAITING_MAX", WAITING_MAX + 1),
            ),
        ),
        more_actions_come_early_than_may_wait,
        ("checker: outcome",),
    ),
    PlantedFault(
        "asked under the map in force",
        "A batch is cut where a map is adopted.",
        (
            Weakening(
                "`cut_at_reference` does not cut",
                value("eventlog.core.stage.cut_at_reference", lambda rows: [rows] if rows else []),
            ),
        ),
        a_map_is_adopted_between_two_reports,
        ("verify",),
    ),
)
