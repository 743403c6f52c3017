"""Assessment's decider: it counts the months of the district's zone, one row for each that ends.

One aggregate has the month that is counted. It begins with the first zone that policies bring, and
its timer is the end of the month. No event of a case or a call concerns it. Sheets follow.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias, assert_never

from assessment.core.months import month_after, month_of, start_of
from eventlog.core.decider import Input, Key, ReferenceChanged, Timer, TimerFired, View
from events.catalogue import (
    PARKING,
    Adopted,
    EvaluationEvent,
    MonthFinished,
    MonthScheduled,
    PoliciesAdopted,
    ReferenceAdopted,
    RosterAdopted,
    decider_version,
    reference_kind,
)
from events.errors import Halted
from events.instants import Instant
from events.registry import Parking, value

MONTHS = "months"  # The aggregate.
KIND = "month"  # Of its timer.


class NeverParking(Parking):
    """A district has one count of months. A fault in it stops the shard, because nobody could go
    on without it.
    """

    def park(self, subject: str, fault: str, stored: Any) -> NoReturn:
        raise Halted(f"{subject} cannot be counted: {fault}: install a gridcall that can")


@value
class Uncounted:
    """No month is counted. `run` is the number of those that were scheduled before."""

    run: int = 0


@value(kw_only=True)
class Counted:
    """A month is counted until its timer fires. `run` numbers what was scheduled."""

    period: str
    zone: str
    starts: Instant
    ends: Instant
    run: int
    timers: tuple[Timer]


State = Uncounted | Counted


@dataclass(frozen=True, slots=True)
class Reference:
    """The time zone in force; None before there were policies."""

    zone: str | None = None


AssessmentView: TypeAlias = View[State, Reference]


class Assessment:
    """The decider of one district."""

    log = "evaluations"
    parking: Parking = NeverParking(
        parked=PARKING.parked,
        deferred=PARKING.deferred,
        retried=PARKING.retried,
        subject_field=PARKING.subject_field,
    )
    states: tuple[type[Any], ...] = (Uncounted, Counted)
    initial_state: State = Uncounted()
    initial_reference = Reference()

    def subject(self, input_: Input, view: AssessmentView) -> str | None:
        return None

    def names(self, event: Any) -> Collection[str]:
        return (MONTHS,)

    def requests(self, event: Any, view: AssessmentView) -> Sequence[Any]:
        return ()

    def aggregate(self, event: EvaluationEvent) -> str:
        return MONTHS

    def keys(self, state: State) -> Sequence[Key]:
        return ()

    def retries(self, event: Any) -> bool:
        return False

    def timers(self, state: State) -> Sequence[Timer]:
        return state.timers if isinstance(state, Counted) else ()

    def decide_reference(self, event: Adopted, view: AssessmentView) -> Sequence[Adopted]:
        match event:
            case PoliciesAdopted():
                return [event]
            case ReferenceAdopted(kind="decider"):
                return [event]
            case ReferenceAdopted() | RosterAdopted():
                return []
            case unreachable:
                assert_never(unreachable)

    def evolve_reference(self, reference: Reference, event: Adopted) -> Reference:
        return Reference(event.zone) if isinstance(event, PoliciesAdopted) else reference

    def replaces(self, event: Adopted) -> str:
        return reference_kind(event)

    def find_affected(self, event: Adopted, view: AssessmentView) -> Collection[str]:
        return (MONTHS,) if isinstance(event, PoliciesAdopted) else ()

    def version(self, event: Adopted) -> str | None:
        return decider_version(event)

    def decide(self, input_: Input, view: AssessmentView) -> Sequence[EvaluationEvent]:
        event: TimerFired | ReferenceChanged = input_.event
        state = view.state(input_.subject)
        match event:
            case ReferenceChanged():
                zone = view.reference.zone
                assert zone is not None, "policies bring a zone"
                return decide_zone(zone, state, input_.time)
            case TimerFired():
                assert isinstance(state, Counted), "a timer runs only while a month is counted"
                return decide_end(state)
            case unreachable:
                assert_never(unreachable)

    def evolve(self, state: State, event: EvaluationEvent) -> State:
        match event:
            case MonthScheduled(period=period, zone=zone, starts=starts, ends=ends):
                run = state.run + 1
                timer = Timer(ends, MONTHS, KIND, run)
                return Counted(
                    period=period, zone=zone, starts=starts, ends=ends, run=run, timers=(timer,)
                )
            case MonthFinished():
                return Uncounted(state.run)
            case unreachable:
                assert_never(unreachable)


def decide_zone(zone: str, state: State, time: Instant) -> Sequence[EvaluationEvent]:
    """Begin to count with the first zone. Under another zone the month goes on to its end there."""
    match state:
        case Uncounted():
            period = month_of(zone, time)
            return [schedule(period, zone, start_of(zone, period))]
        case Counted() if state.zone == zone:
            return []
        case Counted():
            return [schedule(state.period, zone, state.starts)]
        case unreachable:
            assert_never(unreachable)


def decide_end(state: Counted) -> Sequence[EvaluationEvent]:
    """Finish the month that is counted, and go on with the next one."""
    period, zone, ends = state.period, state.zone, state.ends
    finished = MonthFinished(period=period, zone=zone, starts=state.starts, ends=ends)
    return [finished, schedule(month_after(period), zone, ends)]


def schedule(period: str, zone: str, starts: Instant) -> MonthScheduled:
    """Return that a month is counted, up to the beginning of the next one."""
    ends = start_of(zone, month_after(period))
    return MonthScheduled(period=period, zone=zone, starts=starts, ends=ends)
