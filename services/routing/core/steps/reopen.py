"""Reopen: an ended matter flared up again, or its reporter is not satisfied.

Reference data that came meanwhile moved no ended case. So a case is located again by its claims, as
if it had been open. It reopens with the holder of its place now, and a dispatcher looks for a lost
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from eventlog.core.decider import Input
from events.catalogue import Assignment, CaseQueued, CaseReopened, ReopeningAsked
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
from routing.core.location import Location
from routing.core.reference import Reference
from routing.core.refusals import refuse
from routing.core.steps import reassign
from routing.core.steps.place import episode_of, place_case
from routing.core.steps.reassign import is_place_of, locate_again


def decide(
    action: ReopeningAsked, state: Case, input_: Input, reference: Reference
) -> Sequence[Outcome]:
    """Open an ended case again, with the promise of its line if that holds."""
    match state:
        case Ended(final=True):
            return refuse(action, state, "This case was withdrawn: report the matter again.")
        case Ended():
            location = locate_again(state, input_.answers, reference)
            reopened = CaseReopened(
                case=state.case,
                matter=replace(state.facts, due=standing_promise(state.facts.due, input_.time)),
                holder=returning_holder(state, location, reference),
                because=action.because,
            )
            again = evolve(state, reopened)
            return [reopened, *reassign.decide(again, input_.answers, reference)]
        case Queued() | Routed() | Visited() | Resolved() | Verified():
            return refuse(action, state, "This case is open: there is nothing to reopen.")
        case unreachable:
            assert_never(unreachable)


def standing_promise(due: Instant | None, time: Instant) -> Instant | None:
    """Return the due time that a line promised if it has not passed; None if policies decide."""
    return due if due is not None and time <= due else None


def returning_holder(state: Ended, location: Location, reference: Reference) -> Assignment:
    """Return the holder of a reopened case: the one of its place now, as a new episode.

    Nobody begins one if the place is lost, or was unknown when the case ended.
    """
    last = replace(state.holder, worker=None)
    if state.queued:
        return last
    if is_place_of(last, location):
        worker = reference.workers.get(last.grid or "") if last.level == "grid" else None
        return replace(last, worker=worker, episode=episode_of(worker, last))
    placed = place_case(state.case, state.facts, location, reference, last)
    return last if isinstance(placed, CaseQueued) else placed.holder


def evolve(state: Case, event: CaseReopened) -> Queued | Routed:
    """Return a reopened case: in the queue if it ended there."""
    assert isinstance(state, Ended), f"{event} before an end"
    stage = Queued if state.queued else Routed
    return stage(event.case, event.matter, event.holder, state.claims)
