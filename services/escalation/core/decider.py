"""Escalation's decider: a deadline for each case, and calls that climb when it is missed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias, assert_never

from escalation.core import calls, clocks
from escalation.core import reference as reference_data
from escalation.core.case import (
    Ended,
    Outcome,
    Relevant,
    State,
    Unwatched,
    Watched,
    is_relevant,
    require_watched,
)
from escalation.core.reference import Reference
from eventlog.core.decider import Input, Key, ReferenceChanged, Timer, TimerFired, View
from events.catalogue import (
    NOT_PARKED,
    PARKING,
    AcknowledgementPassedOn,
    Adopted,
    AnswerPassedOn,
    CallAcknowledged,
    CallActionDeclined,
    CallAnswered,
    CallRaised,
    CallWithdrawn,
    CaseClosed,
    CaseEndedAtSource,
    CaseEvent,
    CaseQueued,
    CaseReassigned,
    CaseReopened,
    CaseRouted,
    CaseWithdrawn,
    CaseWithheld,
    ClockHandedOver,
    ClockStarted,
    ClockStopped,
    DeadlineMissed,
    InputDeclined,
    OutcomeEvent,
    ReopenedWithoutDeadline,
    RetryPassedOn,
    decider_version,
    reference_kind,
)
from events.instants import Instant

EscalationView: TypeAlias = View[State, Reference]


class Escalation:
    """The decider of one district."""

    log = "calls"
    parking = PARKING
    states: tuple[type[Any], ...] = (Unwatched, Watched, Ended)
    initial_state: State = Unwatched()
    initial_reference = Reference()

    def subject(self, input_: Input, view: EscalationView) -> str | None:
        event: CaseEvent | OutcomeEvent = input_.event
        return event.case if is_relevant(event) else None

    def names(self, event: CaseEvent | OutcomeEvent | Adopted) -> Collection[str]:
        return (event.case,) if not isinstance(event, Adopted) and is_relevant(event) else ()

    def requests(self, event: Any, view: EscalationView) -> Sequence[Any]:
        return ()

    def aggregate(self, event: Outcome) -> str:
        return event.case

    def keys(self, state: State) -> Sequence[Key]:
        return ()

    def retries(self, event: CaseEvent | OutcomeEvent) -> bool:
        return isinstance(event, RetryPassedOn)

    def timers(self, state: State) -> Sequence[Timer]:
        return state.timers if isinstance(state, Watched) else ()

    def decide_reference(self, event: Adopted, view: EscalationView) -> Sequence[Adopted]:
        return reference_data.decide_reference(event)

    def evolve_reference(self, reference: Reference, event: Adopted) -> Reference:
        return reference_data.evolve_reference(reference, event)

    def replaces(self, event: Adopted) -> str:
        return reference_kind(event)

    def find_affected(self, event: Adopted, view: EscalationView) -> Collection[str]:
        return ()

    def version(self, event: Adopted) -> str | None:
        return decider_version(event)

    def decide(self, input_: Input, view: EscalationView) -> Sequence[Outcome]:
        event: Relevant | TimerFired | ReferenceChanged = input_.event
        state, reference = view.state(input_.subject), view.reference
        match event:
            case CaseRouted() | CaseQueued() | CaseWithheld():
                return clocks.decide_placement(event, state, input_.time, reference)
            case CaseReassigned():
                return clocks.decide_reassignment(event, state)
            case CaseEndedAtSource() | CaseClosed() | CaseWithdrawn():
                return clocks.decide_end(event, state)
            case TimerFired(timer):
                return decide_timer(timer, require_watched(state), input_.time, reference)
            case CaseReopened():
                return clocks.decide_reopening(event, state, input_.time, reference)
            case AcknowledgementPassedOn() | AnswerPassedOn():
                return calls.decide_action(event, state)
            case ReferenceChanged():
                return ()
            case RetryPassedOn(case=case, action=retry):
                return [InputDeclined(case=case, input_id=retry, because=NOT_PARKED)]
            case unreachable:
                assert_never(unreachable)

    def evolve(self, state: State, event: Outcome) -> State:
        match event:
            case ClockStarted():
                return clocks.evolve_start(state, event)
            case ReopenedWithoutDeadline():
                return clocks.evolve_reopening(state)
            case ClockStopped():
                return clocks.evolve_stop(require_watched(state))
            case DeadlineMissed():
                return clocks.evolve_miss(require_watched(state))
            case CallRaised():
                return calls.evolve_raise(require_watched(state), event)
            case CallAcknowledged():
                return calls.evolve_acknowledgement(require_watched(state), event)
            case CallAnswered():
                return calls.evolve_answer(require_watched(state), event)
            case ClockHandedOver():
                return clocks.evolve_handover(require_watched(state), event)
            case CallWithdrawn() | CallActionDeclined() | InputDeclined():
                return state
            case unreachable:
                assert_never(unreachable)


def decide_timer(
    timer: Timer, state: Watched, time: Instant, reference: Reference
) -> Sequence[Outcome]:
    """Decide about a deadline that was missed, or a call that was not answered in time."""
    if timer.kind == clocks.KIND:
        return clocks.decide_miss(timer, state, time, reference)
    assert timer.kind == calls.KIND, f"{timer.id} is no timer of escalation"
    return calls.decide_silence(timer, state, time, reference)
