"""Pass on: escalation decides about calls and the cases parked there, and reads only `cases`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from events.catalogue import (
    NOT_PARKED,
    AcknowledgementGiven,
    AcknowledgementPassedOn,
    AnswerGiven,
    AnswerPassedOn,
    InputDeclined,
    RetryAsked,
    RetryPassedOn,
)
from routing.core.case import Case, Outcome, State, Unplaced, Unreported


def decide(action: AcknowledgementGiven | AnswerGiven, state: Case) -> Sequence[Outcome]:
    """Pass on what the receiver of a call says, in every state of the case."""
    case, holder, call, by = state.case, state.holder, action.call, action.by
    match action:
        case AcknowledgementGiven():
            return [AcknowledgementPassedOn(case=case, holder=holder, call=call, by=by)]
        case AnswerGiven():
            return [AnswerPassedOn(case=case, holder=holder, call=call, by=by)]
        case unreachable:
            assert_never(unreachable)


def decide_retry(retry: RetryAsked, state: State) -> Sequence[Outcome]:
    """Pass on a retry in `calls`. One in `cases` comes here only if the case is not parked."""
    if isinstance(state, Unreported | Unplaced) or retry.log == "cases":
        return [InputDeclined(case=retry.issue, input_id=retry.action, because=NOT_PARKED)]
    return [RetryPassedOn(case=retry.issue, action=retry.action, by=retry.by)]
