"""Visit: the holder of a case goes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from events.catalogue import CaseVisited, VisitMade
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
)
from routing.core.refusals import HAS_ENDED, IN_QUEUE, refuse


def decide(action: VisitMade, state: Case) -> Sequence[Outcome]:
    """Record the first visit of a case that has a holder."""
    match state:
        case Routed():
            return [CaseVisited(case=state.case, holder=state.holder, by=action.by)]
        case Queued():
            return refuse(action, state, IN_QUEUE)
        case Visited() | Resolved() | Verified():
            return refuse(action, state, "This case was visited already.")
        case Ended():
            return refuse(action, state, HAS_ENDED)
        case unreachable:
            assert_never(unreachable)


def evolve(state: OpenCase, _: CaseVisited) -> Visited:
    """Return a visited case."""
    return Visited(state.case, state.facts, state.holder, state.claims, queued=False)
