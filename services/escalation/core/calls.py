"""Calls: the grid calls, the street answers; the street calls, the district answers.

A call that its street does not answer in time raises one to the district, and stays open itself. It
ends by an answer, or because its case ended; never by silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from escalation.core.case import (
    Call,
    Ended,
    Outcome,
    State,
    Unwatched,
    Watched,
    watch,
)
from escalation.core.reference import Reference
from eventlog.core.decider import Timer
from events.catalogue import (
    AcknowledgementPassedOn,
    AnswerPassedOn,
    Because,
    CallAcknowledged,
    CallAction,
    CallActionDeclined,
    CallAnswered,
    CallRaised,
    CallWithdrawn,
    Level,
)
from events.instants import Instant

KIND = "answer"
NOT_OPEN = "This call is not open."
ABOVE: Mapping[Level, Level] = {"grid": "street", "street": "district", "district": "district"}


def decide_silence(
    timer: Timer, state: Watched, time: Instant, reference: Reference
) -> Sequence[Outcome]:
    """Call the district, because a street did not answer."""
    return [raise_call(timer.subject, state, "street", "silence", time, reference)]


def raise_call(
    case: str, state: Watched, level: Level, because: Because, time: Instant, reference: Reference
) -> CallRaised:
    """Return a call from a level to the one above it. Its limit counts from `time`."""
    above, holder = ABOVE[level], state.holder
    unit = holder.street if above == "street" else holder.district
    return CallRaised(
        case=case,
        holder=holder,
        call=f"{case}/{state.raised + 1}",
        from_level=level,
        to_level=above,
        receiver=reference.receiver_of(unit or ""),
        because=because,
        answer_due=reference.answer_due(time),
    )


def decide_action(action: CallAction, state: State) -> Sequence[Outcome]:
    """Decide an acknowledgement or an answer."""
    match state:
        case Watched():
            call = next((call for call in state.calls if call.id == action.call), None)
            return decline(action, NOT_OPEN) if call is None else act(action, state, call)
        case Unwatched() | Ended():
            return decline(action, NOT_OPEN)
        case unreachable:
            assert_never(unreachable)


def act(action: CallAction, state: Watched, call: Call) -> Sequence[Outcome]:
    """Acknowledge or answer an open call."""
    match action:
        case AnswerPassedOn(case=case, by=by):
            return [CallAnswered(case=case, holder=state.holder, call=call.id, by=by)]
        case AcknowledgementPassedOn(case=case, by=by):
            if call.acknowledged:
                return decline(action, "This call was acknowledged already.")
            return [CallAcknowledged(case=case, holder=state.holder, call=call.id, by=by)]
        case unreachable:
            assert_never(unreachable)


def decline(action: CallAction, because: str) -> Sequence[Outcome]:
    """Decline an action on a call. `because` is a sentence for its sender."""
    case, holder, call = action.case, action.holder, action.call
    return [CallActionDeclined(case=case, holder=holder, call=call, because=because)]


def withdraw(case: str, state: Watched) -> Sequence[Outcome]:
    """Withdraw all calls of a case that ended."""
    return [CallWithdrawn(case=case, holder=state.holder, call=call.id) for call in state.calls]


def evolve_raise(state: Watched, event: CallRaised) -> Watched:
    """Return the case with one more call. A silence that raises one has used up its timer."""
    calls = state.calls
    if event.because == "silence":
        calls = tuple(replace(call, silence=None) for call in calls)
    return with_calls(state, (*calls, open_call(event)), state.raised + 1)


def open_call(event: CallRaised) -> Call:
    """Return the call. A street's silence has a timer; nobody is above a district."""
    silence = None
    if event.answer_due is not None and event.to_level == "street":
        number = int(event.call.rpartition("/")[2])
        silence = Timer(event.answer_due, event.case, KIND, number)
    return Call(event.call, event.to_level, False, silence)


def evolve_acknowledgement(state: Watched, event: CallAcknowledged) -> Watched:
    """Return the case with an acknowledged call, which is still to be answered."""
    calls = tuple(
        replace(call, acknowledged=True) if call.id == event.call else call for call in state.calls
    )
    return with_calls(state, calls, state.raised)


def evolve_answer(state: Watched, event: CallAnswered) -> Watched:
    """Return the case without the answered call."""
    calls = tuple(call for call in state.calls if call.id != event.call)
    return with_calls(state, calls, state.raised)


def with_calls(state: Watched, calls: tuple[Call, ...], raised: int) -> Watched:
    """Return the case with other calls."""
    return watch(state.holder, state.run, raised, state.due, state.deadline, calls)
