"""Withdraw: the line takes its issue back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from events.catalogue import CaseWithdrawn, IssueWithdrawn
from routing.core.case import (
    Case,
    Ended,
    Outcome,
    Queued,
    Resolved,
    Routed,
    Verified,
    Visited,
    end,
)
from routing.core.refusals import HAS_ENDED, refuse


def decide(action: IssueWithdrawn, state: Case) -> Sequence[Outcome]:
    """Withdraw an open case."""
    match state:
        case Queued() | Routed() | Visited() | Resolved() | Verified():
            return [CaseWithdrawn(case=state.case, holder=state.holder, because=action.because)]
        case Ended():
            return refuse(action, state, HAS_ENDED)
        case unreachable:
            assert_never(unreachable)


def evolve(state: Case, _: CaseWithdrawn) -> Ended:
    """Return a withdrawn case, which does not reopen."""
    return end(state, final=True)
