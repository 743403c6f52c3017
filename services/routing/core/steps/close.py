"""Close: a verified case ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from events.catalogue import CaseClosed, ClosingAsked
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
from routing.core.refusals import HAS_ENDED, IN_QUEUE, refuse


def decide(action: ClosingAsked, state: Case) -> Sequence[Outcome]:
    """Close a verified case."""
    match state:
        case Verified():
            return [CaseClosed(case=state.case, holder=state.holder, by=action.by)]
        case Queued():
            return refuse(action, state, IN_QUEUE)
        case Routed() | Visited() | Resolved():
            return refuse(action, state, "This case is not verified: it cannot be closed.")
        case Ended():
            return refuse(action, state, HAS_ENDED)
        case unreachable:
            assert_never(unreachable)


def evolve(state: Case, _: CaseClosed) -> Ended:
    """Return a closed case, which may reopen."""
    return end(state, final=False)
