"""Reassign: an open case meets the roster and the map that are in force now.

The question is always the same: would the case be where it is, and with whom it is, if it were
reported now? So a case that was parked meanwhile is asked the same later. What the case has reached
stays: a visited case is visited. An admission list moves no open case; a case that a map moves is
admitted by the list in force.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias, assert_never

from eventlog.core.decider import Key, View
from events.catalogue import (
    Assignment,
    CaseQueued,
    CaseReassigned,
    ReferenceAdopted,
)
from routing.core.case import (
    Case,
    Ended,
    Open,
    OpenCase,
    Outcome,
    Queued,
    Resolved,
    Routed,
    State,
    Verified,
    Visited,
)
from routing.core.location import Location, Point, locate, points_of
from routing.core.reference import Reference
from routing.core.steps.place import (
    assignment,
    claims_after,
    episode_of,
    place_case,
    reassignment,
)

GridAndWorker: TypeAlias = tuple[str | None, str | None]

HOLDER = "holder"  # The kind of the keys by which the index has all open cases.


@lru_cache(maxsize=65536)
def keys_of(grid: str | None, worker: str | None) -> Sequence[Key]:
    """Return the keys of a case with this grid and worker: always the same object."""
    return (Key(HOLDER, (grid, worker)),)


def keys(state: Open) -> Sequence[Key]:
    """Return the key of an open case: its grid and worker, neither if no grid has it."""
    holder = state.holder
    return keys_of(holder.grid if holder.level == "grid" else None, holder.worker)


def find_affected(event: ReferenceAdopted, view: View[State, Reference]) -> Collection[str]:
    """Return the open cases that reference data may move."""
    return [
        case for holder in affected_holders(event, view) for case in view.find(Key(HOLDER, holder))
    ]


def affected_holders(
    event: ReferenceAdopted, view: View[State, Reference]
) -> Iterator[GridAndWorker]:
    """Yield all holders if the map changes, and those whom a roster replaces."""
    workers = view.reference.workers
    match event.kind:
        case "map":
            yield from view.values(HOLDER)
        case "roster":
            for grid, worker in view.values(HOLDER):
                if grid is not None and workers.get(grid) != worker:
                    yield grid, worker
        case "names" | "admission" | "policies" | "decider":
            return
        case unreachable:
            assert_never(unreachable)


def requests(state: State) -> Sequence[Point]:
    """Return the points of a case, which the map in force is asked for, also when it reopens."""
    return points_of(state.claims) if isinstance(state, Open | Ended) else ()


def decide(
    state: State, answers: Sequence[tuple[str, ...]], reference: Reference
) -> Sequence[Outcome]:
    """Move an open case to where it belongs now, and to whom."""
    if not isinstance(state, Open):
        return ()
    location = locate_again(state, answers, reference)
    if is_place_of(state.holder, location):
        return succeed(state, location, reference)
    return move(state, location, reference)


def locate_again(state: Case, answers: Sequence[tuple[str, ...]], reference: Reference) -> Location:
    """Return the place of a case by its claims; if none answers, by the street that it had."""
    location = locate(state.claims, answers, reference.grids)
    street = state.holder.street
    if location.street is None and street in reference.grids.streets:
        return location._replace(street=street, by="former")
    return location


def is_place_of(holder: Assignment, location: Location) -> bool:
    """Tell whether a holder is that of a place."""
    return (location.grid, location.street) == (holder.grid, holder.street)


def succeed(state: OpenCase, location: Location, reference: Reference) -> Sequence[Outcome]:
    """Give a case to the worker whom its grid has now."""
    previous = state.holder
    worker = reference.workers.get(previous.grid or "")
    if previous.level != "grid" or worker == previous.worker:
        return ()
    holder = assignment(
        "grid",
        previous.grid,
        previous.street,
        previous.district,
        worker,
        episode_of(worker, previous),
    )
    return [
        CaseReassigned(
            case=state.case,
            holder=holder,
            previous=previous,
            because="roster",
            queued=False,
            located_by=location.by,
            rules=(),
            used=reference.used,
            row="",
        )
    ]


def move(state: OpenCase, location: Location, reference: Reference) -> Sequence[Outcome]:
    """Give a case to the holder of its new place. One in a queue without a visit is placed.

    A case whose place is lost goes to a dispatcher's queue, in whatever stage it is.
    """
    placed = place_case(state.case, state.facts, location, reference, state.holder)
    if isinstance(state, Queued) and not isinstance(placed, CaseQueued):
        return [placed]
    return [reassignment(placed, state.holder, "map")]


def evolve(state: OpenCase, event: CaseReassigned) -> OpenCase:
    """Return a case with its new holder. What was visited keeps its stage, in a queue, too."""
    claims = claims_after(event, state.claims)
    match state:
        case Visited() | Resolved() | Verified():
            return replace(state, holder=event.holder, claims=claims, queued=event.queued)
        case Queued() | Routed():
            stage = Queued if event.queued else Routed
            return stage(state.case, state.facts, event.holder, claims)
        case unreachable:
            assert_never(unreachable)
