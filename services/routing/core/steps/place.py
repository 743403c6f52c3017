"""Place: a case gets its holder, at its report or when a dispatcher names its grid.

A dispatcher names the grid of whatever case is in a queue. One that waits there from its report on
is routed. One that was visited before its grid was lost keeps its stage, and is reassigned.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, assert_never

from events.catalogue import (
    Assignment,
    CaseFacts,
    CasePlaced,
    CaseQueued,
    CaseReassigned,
    CaseRouted,
    CaseWithheld,
    Level,
    PlaceClaim,
    PlaceNamed,
)
from routing.core.admission import admit
from routing.core.case import (
    Case,
    Claims,
    Ended,
    Open,
    Outcome,
    Queued,
    Resolved,
    Routed,
    State,
    Unplaced,
    Verified,
    Visited,
)
from routing.core.location import Location
from routing.core.reference import Reference
from routing.core.refusals import HAS_ENDED, refuse


def decide(action: PlaceNamed, state: Case, reference: Reference) -> Sequence[Outcome]:
    """Place a queued case in the grid that a dispatcher names."""
    match state:
        case Queued() | Visited(queued=True) | Resolved(queued=True) | Verified(queued=True):
            entry = reference.grids.entries.get(action.grid)
            if entry is None:
                return refuse(action, state, f"The map has no grid {action.grid!r}.")
            location = Location(action.grid, entry.street, "dispatcher", ())
            placed = place_case(state.case, state.facts, location, reference, state.holder)
            if isinstance(state, Queued):
                return [placed]
            return [reassignment(placed, state.holder, "dispatcher")]
        case Routed() | Visited() | Resolved() | Verified():
            return refuse(action, state, "This case has its place: it is in nobody's queue.")
        case Ended():
            return refuse(action, state, HAS_ENDED)
        case unreachable:
            assert_never(unreachable)


def evolve(state: State, event: CasePlaced) -> Queued | Routed:
    """Return a placed case. A grid that a dispatcher names is its only claim from then on."""
    claims = claims_after(event, state.claims if isinstance(state, Unplaced | Open) else ())
    match event:
        case CaseRouted() | CaseWithheld():
            return Routed(event.case, event.matter, event.holder, claims)
        case CaseQueued():
            return Queued(event.case, event.matter, event.holder, claims)
        case unreachable:
            assert_never(unreachable)


def claims_after(event: CasePlaced | CaseReassigned, claims: Claims) -> Claims:
    """Return the claims of a case that gets another place."""
    return claim_grid(event.holder.grid) if event.located_by == "dispatcher" else claims


@lru_cache(maxsize=65536)
def claim_grid(grid: str | None) -> Claims:
    """Return the claim that a case is in a grid, shared by all of its cases; none without one."""
    return () if grid is None else (PlaceClaim(by="grid", code=grid),)


def place_case(
    case: str,
    facts: CaseFacts,
    location: Location,
    reference: Reference,
    previous: Assignment | None = None,
) -> CasePlaced:
    """Return the placement of a case, after its previous holder if it had one.

    The admission list gives its category to the grid, the street or the district. While the unit of
    that level is unknown, the case waits for the dispatcher who can find it.
    """
    level, row = admit(facts.category, reference)
    holder = holder_at(level, location, reference, previous)
    by, rules, used = location.by, location.data_flags, reference.used
    if holder is None:
        queue = dispatcher(location, reference, previous)
        return CaseQueued(
            case=case, matter=facts, holder=queue, located_by=by, rules=rules, used=used
        )
    if level == "grid":
        return CaseRouted(
            case=case, matter=facts, holder=holder, located_by=by, rules=rules, used=used
        )
    return CaseWithheld(
        case=case, matter=facts, holder=holder, located_by=by, rules=rules, used=used, row=row
    )


def reassignment(
    placed: CasePlaced, previous: Assignment, because: Literal["map", "dispatcher"]
) -> CaseReassigned:
    """Return a placement as the reassignment of a case, which keeps its stage if it was visited."""
    return CaseReassigned(
        case=placed.case,
        holder=placed.holder,
        previous=previous,
        because=because,
        queued=isinstance(placed, CaseQueued),
        located_by=placed.located_by,
        rules=placed.rules,
        used=placed.used,
        row=placed.row if isinstance(placed, CaseWithheld) else "",
    )


def holder_at(
    level: Level, location: Location, reference: Reference, previous: Assignment | None
) -> Assignment | None:
    """Return the holder of a level at a place; None if its unit is unknown."""
    grid, street, district = location.grid, location.street, reference.district
    episode = episode_of(None, previous)
    match level:
        case "grid":
            if grid is None:
                return None
            worker = reference.workers.get(grid)
            episode = episode_of(worker, previous)
            return assignment("grid", grid, street, district, worker, episode)
        case "street" if street is None:
            return None
        case "street" | "district":
            return assignment(level, grid, street, district, None, episode)
        case unreachable:
            assert_never(unreachable)


def episode_of(worker: str | None, previous: Assignment | None) -> int:
    """Return the number of a responsibility: one more than the last, if another worker begins."""
    if previous is None:
        return 1 if worker else 0
    return previous.episode + (worker is not None and worker != previous.worker)


def dispatcher(location: Location, reference: Reference, previous: Assignment | None) -> Assignment:
    """Return the dispatcher of the street if that is known, else of the district."""
    level: Level = "district" if location.street is None else "street"
    episode = episode_of(None, previous)
    return assignment(level, None, location.street, reference.district, None, episode)


@lru_cache(maxsize=65536)
def assignment(
    level: Level,
    grid: str | None,
    street: str | None,
    district: str,
    worker: str | None = None,
    episode: int = 0,
) -> Assignment:
    """Return an assignment. The cases of a grid share one, which saves memory in a year of them."""
    return Assignment(
        level=level, grid=grid, street=street, district=district, worker=worker, episode=episode
    )
