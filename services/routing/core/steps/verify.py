"""Verify: another person confirms that a case is solved, or rejects it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from events.catalogue import CaseVerified, ResolutionChecked, ResolutionRejected
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

SAME_PERSON = "Whoever resolved a case cannot verify it: somebody else confirms."


def decide(action: ResolutionChecked, state: Case) -> Sequence[Outcome]:
    """Verify or reject a resolution that another person claimed."""
    match state:
        case Resolved():
            if action.by == state.by:
                return refuse(action, state, SAME_PERSON)
            outcome = CaseVerified if action.holds else ResolutionRejected
            return [outcome(case=state.case, holder=state.holder, by=action.by)]
        case Queued():
            return refuse(action, state, IN_QUEUE)
        case Routed() | Visited() | Verified():
            return refuse(action, state, "No resolution is waiting to be checked.")
        case Ended():
            return refuse(action, state, HAS_ENDED)
        case unreachable:
            assert_never(unreachable)


def evolve(state: OpenCase, event: CaseVerified | ResolutionRejected) -> Verified | Visited:
    """Return a verified case, or one that its holder works on again."""
    queued = is_queued(state)
    match event:
        case CaseVerified():
            return Verified(state.case, state.facts, state.holder, state.claims, queued)
        case ResolutionRejected():
            return Visited(state.case, state.facts, state.holder, state.claims, queued)
        case unreachable:
            assert_never(unreachable)
