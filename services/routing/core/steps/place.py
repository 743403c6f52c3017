"""Place: a case gets its holder, at its report or when a dispatcher names its grid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import assert_never

from events.catalogue import (
    Assignment,
    CaseFacts,
    CasePlaced,
    CaseQueued,
    CaseRouted,
    CaseWithheld,
    Level,
    PlaceNamed,
)
from routing.core.admission import admit
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
from routing.core.refusals import HAS_ENDED, refuse


def decide(action: PlaceNamed, state: Case, reference: Reference) -> Sequence[Outcome]:
    """Place a queued case in the grid that a dispatcher names."""
    match state:
        case Queued():
            entry = reference.grids.entries.get(action.grid)
            if entry is None:
                return refuse(action, state, f"The map has no grid {action.grid!r}.")
            location = Location(action.grid, entry.street, "dispatcher", ())
            return [place_case(state.case, state.facts, location, reference)]
        case Routed() | Visited() | Resolved() | Verified():
            return refuse(action, state, "This case has its place: it is in nobody's queue.")
        case Ended():
            return refuse(action, state, HAS_ENDED)
        case unreachable:
            assert_never(unreachable)


def evolve(event: CasePlaced) -> Queued | Routed:
    """Return a placed case."""
    match event:
        case CaseRouted() | CaseWithheld():
            return Routed(event.case, event.matter, event.holder)
        case CaseQueued():
            return Queued(event.case, event.matter, event.holder)
        case unreachable:
            assert_never(unreachable)


def place_case(case: str, facts: CaseFacts, location: Location, reference: Reference) -> CasePlaced:
    """Return the placement of a case.

    The admission list gives its category to the grid, the street or the district. While the unit of
    that level is unknown, the case waits for the dispatcher who can find it.
    """
    level, row = admit(facts.category, reference)
    holder = holder_at(level, location, reference)
    by, rules, used = location.by, location.data_flags, reference.used
    if holder is None:
        queue = dispatcher(location, reference)
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


def holder_at(level: Level, location: Location, reference: Reference) -> Assignment | None:
    """Return the holder of a level at a place; None if its unit is unknown."""
    grid, street, district = location.grid, location.street, reference.district
    match level:
        case "grid":
            if grid is None:
                return None
            worker = reference.workers.get(grid)
            return assignment("grid", grid, street, district, worker, 1 if worker else 0)
        case "street":
            return None if street is None else assignment("street", grid, street, district)
        case "district":
            return assignment("district", grid, street, district)
        case unreachable:
            assert_never(unreachable)


def dispatcher(location: Location, reference: Reference) -> Assignment:
    """Return the dispatcher of the street if that is known, else of the district."""
    level: Level = "district" if location.street is None else "street"
    return assignment(level, None, location.street, reference.district)


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
