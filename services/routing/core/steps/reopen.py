"""Reopen: an ended matter flared up again, or its reporter is not satisfied."""

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
from routing.core.refusals import refuse


def decide(action: ReopeningAsked, state: Case, time: Instant) -> Sequence[Outcome]:
    """Give an ended case back to its last holder, with the promise of its line if that holds."""
    match state:
        case Ended(final=True):
            return refuse(action, state, "This case was withdrawn: report the matter again.")
        case Ended():
            return [
                CaseReopened(
                    case=state.case,
                    matter=replace(state.facts, due=standing_promise(state.facts.due, time)),
                    holder=next_episode(state.holder),
                    because=action.because,
                )
            ]
        case Queued() | Routed() | Visited() | Resolved() | Verified():
            return refuse(action, state, "This case is open: there is nothing to reopen.")
        case unreachable:
            assert_never(unreachable)


def standing_promise(due: Instant | None, time: Instant) -> Instant | None:
    """Return the due time that a line promised if it has not passed; None if policies decide."""
    return due if due is not None and time <= due else None


def next_episode(holder: Assignment) -> Assignment:
    """Return the holder again; the responsibility of a worker is a new episode."""
    return replace(holder, episode=holder.episode + 1) if holder.worker else holder


def evolve(state: Case, event: CaseReopened) -> Queued | Routed:
    """Return a reopened case: in the queue if it ended there."""
    assert isinstance(state, Ended), f"{event} before an end"
    stage = Queued if state.queued else Routed
    return stage(event.case, event.matter, event.holder)
