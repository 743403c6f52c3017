"""Reopen: an ended matter flared up again, or its reporter is not satisfied.

Reference data that came meanwhile moved no ended case. So a case reopens with the worker whom its
grid has now, and a dispatcher looks for its place if its grid is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from events.catalogue import Assignment, CaseReopened, ReopeningAsked
from events.instants import Instant
from routing.core.case import (
    Case,
    Ended,
    Outcome,
    Queued,
    Resolved,
    Routed,
    Verified,
    Visited,
)
from routing.core.reference import Reference
from routing.core.refusals import refuse
from routing.core.steps import place, reassign


def decide(
    action: ReopeningAsked, state: Case, time: Instant, reference: Reference
) -> Sequence[Outcome]:
    """Open an ended case again, with the promise of its line if that holds."""
    match state:
        case Ended(final=True):
            return refuse(action, state, "This case was withdrawn: report the matter again.")
        case Ended():
            reopened = CaseReopened(
                case=state.case,
                matter=replace(state.facts, due=standing_promise(state.facts.due, time)),
                holder=returning_holder(state.holder, reference),
                because=action.because,
            )
            return [reopened, *reassign.decide(evolve(state, reopened), (), reference)]
        case Queued() | Routed() | Visited() | Resolved() | Verified():
            return refuse(action, state, "This case is open: there is nothing to reopen.")
        case unreachable:
            assert_never(unreachable)


def standing_promise(due: Instant | None, time: Instant) -> Instant | None:
    """Return the due time that a line promised if it has not passed; None if policies decide."""
    return due if due is not None and time <= due else None


def returning_holder(last: Assignment, reference: Reference) -> Assignment:
    """Return the last holder of a case; for a grid, its worker now, as a new episode.

    Nobody begins an episode in a grid that the map does not have any more.
    """
    if last.level != "grid":
        return last
    grid = last.grid or ""
    worker = reference.workers.get(grid) if grid in reference.grids.entries else None
    return replace(last, worker=worker, episode=last.episode + (worker is not None))


def evolve(state: Case, event: CaseReopened) -> Queued | Routed:
    """Return a reopened case: in the queue if it ended there."""
    assert isinstance(state, Ended), f"{event} before an end"
    stage = Queued if state.queued else Routed
    return stage(event.case, event.matter, event.holder, place.claim_grid(event.holder.grid))
