"""Reference data that reach a case of the city, and what the case has reached by then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eventlog.core.decider import ReferenceChanged
from eventlog.testing.sentences import Given, given
from events import catalogue as e
from events.reference_data import Grid, GridMap, Roster
from tests.harness.city import (
    ANN,
    CASE,
    IN_0101,
    MAP_ADOPTED,
    ROSTER_ADOPTED,
    USED,
    case_routed,
    digest,
    issue,
    matter,
    routing,
    square,
)

CITY = (MAP_ADOPTED, ROSTER_ADOPTED)

# Ann has left 0101 to Dan, nobody follows Bob in 0102, and the school has got somebody at last.
NEXT_WORKERS = Roster({"0101": "dan", "0201": "cy", "SCHOOL": "sue"}, ())
NEXT_ROSTER = e.RosterAdopted(name="roster-2", digest=digest(NEXT_WORKERS), receivers=())
NEXT_ROSTER_SENT = e.ReferenceAdopted(kind="roster", name="roster-2", digest=NEXT_ROSTER.digest)


def map_of(*grids: tuple[str, str]) -> e.ReferenceAdopted:
    """Return the adoption of a map of grids, each with its street. Where they are is looked up."""
    content = GridMap(
        "city",
        "City",
        tuple(Grid(code, street, False, square(i, 0)) for i, (code, street) in enumerate(grids)),
    )
    return e.ReferenceAdopted(kind="map", name="map-2", digest=digest(content))


NEXT_MAP = map_of(("0101", "01"), ("0102", "01"), ("0201", "02"))
WITHOUT_0101 = map_of(("0102", "01"), ("0201", "02"))
WITHOUT_STREET_01 = map_of(("0201", "02"))

NOW_IN_0102 = (("0102",),)
STILL_IN_0101 = (("0101",),)
OUTSIDE: tuple[tuple[str, ...], ...] = ((),)

CHANGED = ReferenceChanged(CASE)
VISIT = e.VisitMade(action="a1", issue=CASE, by="ann")
VISITED = e.CaseVisited(case=CASE, holder=ANN, by="ann")
RESOLVED = e.CaseResolved(case=CASE, holder=ANN, by="ann", root_cause="a broken bin")
VERIFIED = e.CaseVerified(case=CASE, holder=ANN, by="eve")
CLOSED = e.CaseClosed(case=CASE, holder=ANN, by="eve")
REOPENING = e.ReopeningAsked(action="a6", issue=CASE, because="recurrence")
DAN = replace(ANN, worker="dan", episode=2)
BOB = replace(ANN, grid="0102", worker="bob", episode=2)
NOBODY = replace(ANN, worker=None)
STREET_01 = e.Assignment(
    level="street", grid=None, street="01", district="city", worker=None, episode=0
)
THE_DISTRICT = replace(STREET_01, level="district", street=None)


def issue_opened(*claims: e.PlaceClaim, category: str = "Rubbish") -> e.CaseReported:
    report = issue(*claims, category=category)
    return e.CaseReported(
        case=CASE,
        issue=CASE,
        reference="R-1",
        matter=matter(category=category),
        claims=report.claims,
        rules=(),
    )


REPORTED, ROUTED = issue_opened(IN_0101), case_routed()
CODE_0101, STREET = e.PlaceClaim(by="grid", code="0101"), e.PlaceClaim(by="street", code="01")
QUEUED = e.CaseQueued(
    case=CASE, matter=matter(), holder=STREET_01, located_by="street", rules=(), used=USED
)


def reassignment(
    holder: e.Assignment, previous: e.Assignment = ANN, because: Any = "map", **fields: Any
) -> e.CaseReassigned:
    changed = "roster" if because == "roster" else "map"
    used = replace(USED, **{changed: f"{changed}-2"})
    event = e.CaseReassigned(
        case=CASE,
        holder=holder,
        previous=previous,
        because=because,
        queued=False,
        located_by="point",
        rules=(),
        used=used,
        row="",
    )
    return replace(event, **fields)


def in_queue(case: Given[Any, Any]) -> bool:
    """Tell whether a dispatcher may name the place of a case."""
    place = e.PlaceNamed(action="a9", issue=CASE, by="eve", grid="0201")
    return not isinstance(case.when(place).events[0], e.InputDeclined)


LIVES: dict[str, tuple[e.Event, ...]] = {
    "routed": (),
    "visited": (VISITED,),
    "resolved": (VISITED, RESOLVED),
    "verified": (VISITED, RESOLVED, VERIFIED),
}

ATTENDED = ["visited", "resolved", "verified"]
IN_QUEUE = replace(STREET_01, episode=1)
LOST = reassignment(IN_QUEUE, queued=True, located_by="former", rules=("outside_map",))
NAMING = e.PlaceNamed(action="a9", issue=CASE, by="eve", grid="0102")
NAMED = reassignment(BOB, IN_QUEUE, "dispatcher", located_by="dispatcher")


def affected_cases(event: e.ReferenceAdopted, *past: Any) -> list[str]:
    """Return the cases that reference data concern."""
    return sorted(routing.find_affected(event, given(routing, *past).aggregates))
