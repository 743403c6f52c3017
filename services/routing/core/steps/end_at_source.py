"""End at source: the source says how its record ended. It never counts as verified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from events.catalogue import CaseEndedAtSource, EndedAtSource
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


def decide(action: EndedAtSource, state: Case) -> Sequence[Outcome]:
    """End an open case as its source's record did."""
    match state:
        case Routed() | Queued() | Visited() | Resolved() | Verified():
            outcome, rules = action.outcome, action.rules
            return [
                CaseEndedAtSource(
                    case=state.case, holder=state.holder, outcome=outcome, rules=rules
                )
            ]
        case Ended():
            return refuse(action, state, HAS_ENDED)
        case unreachable:
            assert_never(unreachable)


def evolve(state: Case, event: CaseEndedAtSource) -> Ended:
    """Return an ended case. It does not reopen if its source withdrew it."""
    return end(state, final=event.outcome == "withdrawn")
