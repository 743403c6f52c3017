"""Resolve: somebody calls a visited case solved. Another person is to verify it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from events.catalogue import CaseResolved, ResolutionClaimed
from routing.core.case import (
    Case,
    Ended,
    OpenCase,
    Outcome,
    Queued,
    Resolved,
    Routed,
    Verified,
    Visited,
    is_queued,
)
from routing.core.refusals import HAS_ENDED, IN_QUEUE, refuse


def decide(action: ResolutionClaimed, state: Case) -> Sequence[Outcome]:
    """Resolve a case that was visited."""
    match state:
        case Visited():
            cause = action.root_cause
            return [
                CaseResolved(case=state.case, holder=state.holder, by=action.by, root_cause=cause)
            ]
        case Queued():
            return refuse(action, state, IN_QUEUE)
        case Routed():
            return refuse(action, state, "Nobody has been there: visit first.")
        case Resolved() | Verified():
            return refuse(action, state, "This case is resolved already.")
        case Ended():
            return refuse(action, state, HAS_ENDED)
        case unreachable:
            assert_never(unreachable)


def evolve(state: OpenCase, event: CaseResolved) -> Resolved:
    """Return a resolved case."""
    queued = is_queued(state)
    return Resolved(state.case, state.facts, state.holder, state.claims, queued, event.by)
