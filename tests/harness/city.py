"""A city of two streets for sentences: its map, its roster, and events about them."""

from __future__ import annotations

from typing import Any

from escalation.core.decider import Escalation
from eventlog.content_codec import encode_content
from events.catalogue import (
    Assignment,
    CaseFacts,
    CaseRouted,
    DeadlineRule,
    IssueReported,
    OnCall,
    PlaceClaim,
    PoliciesAdopted,
    ReferenceAdopted,
    RosterAdopted,
    Versions,
)
from events.reference_data import (
    AdmissionList,
    AdmissionRow,
    Content,
    Grid,
    GridMap,
    Policies,
    Roster,
)
from routing.core.decider import Routing
from routing.reference_store import ContentLibrary

HOUR = 3_600_000_000
DAY = 24 * HOUR


def square(lon: float, lat: float, size: float = 1.0) -> dict[str, Any]:
    """Return a square with its lower left corner at a place."""
    corners = [
        [lon, lat],
        [lon + size, lat],
        [lon + size, lat + size],
        [lon, lat + size],
        [lon, lat],
    ]
    return {"type": "Polygon", "coordinates": [corners]}


GRID_MAP = GridMap(
    "city",
    "City",
    (
        Grid("0101", "01", False, square(0, 0)),
        Grid("0102", "01", False, square(1, 0)),
        Grid("0201", "02", False, square(0, 1)),
        Grid("SCHOOL", "01", True, square(0.4, 0.4, 0.2)),
    ),
)
ROSTER = Roster(
    {"0101": "ann", "0102": "bob", "0201": "cy"},
    (OnCall("01", "officer-01", "deputy-01"), OnCall("city", "officer-city", None)),
)
POLICIES = Policies(
    "Asia/Shanghai",
    DAY,
    (
        DeadlineRule(line="hotline", category="*", urgency="urgent", amount=2, unit="hours"),
        DeadlineRule(line="petition", category="*", urgency="*", amount=15, unit="days"),
    ),
)
ADMISSION = AdmissionList(
    (
        AdmissionRow("Rubbish", "grid", "list 2025, row 1"),
        AdmissionRow("Roadworks", "street", "list 2025, row 2"),
        AdmissionRow("Permits", "district", "list 2025, row 3"),
    )
)

CONTENTS: dict[str, bytes] = {}


def digest(content: Content) -> str:
    """Store a content, and return its digest."""
    name, body = encode_content(content)
    CONTENTS[name] = body
    return name


MAP_ADOPTED = ReferenceAdopted(kind="map", name="map-1", digest=digest(GRID_MAP))
ROSTER_SENT = ReferenceAdopted(kind="roster", name="roster-1", digest=digest(ROSTER))
ROSTER_ADOPTED = RosterAdopted(name="roster-1", digest=digest(ROSTER), receivers=ROSTER.receivers)
POLICIES_SENT = ReferenceAdopted(kind="policies", name="policies-1", digest=digest(POLICIES))
POLICIES_ADOPTED = PoliciesAdopted(
    name="policies-1",
    zone=POLICIES.zone,
    answer_within=POLICIES.answer_within,
    limits=POLICIES.limits,
)
ADMISSION_ADOPTED = ReferenceAdopted(kind="admission", name="list-2025", digest=digest(ADMISSION))

# The next roster: Ann has left 0101 to Dan, nobody follows Bob, and the school has got somebody.
# On the next map 0101 is where 0102 was before, and that is gone.
NEXT_ROSTER = Roster({"0101": "dan", "0201": "cy", "SCHOOL": "sue"}, ROSTER.receivers)
NEXT_MAP = GridMap(
    "city",
    "City",
    (Grid("0201", "02", False, square(0, 0)), Grid("0101", "01", False, square(1, 0))),
)
NEXT_ROSTER_SENT = ReferenceAdopted(kind="roster", name="roster-2", digest=digest(NEXT_ROSTER))
NEXT_MAP_ADOPTED = ReferenceAdopted(kind="map", name="map-2", digest=digest(NEXT_MAP))

LIBRARY = ContentLibrary(CONTENTS)
routing = Routing("city", LIBRARY)
escalation = Escalation()

CASE = "c" * 32
USED = Versions("map-1", "roster-1", None)
IN_0101 = PlaceClaim(by="point", lat=0.1, lon=0.1)
ANN = Assignment(level="grid", grid="0101", street="01", district="city", worker="ann", episode=1)


def issue(
    *claims: PlaceClaim, category: str = "Rubbish", due: int | None = 5 * DAY, line: Any = "hotline"
) -> IssueReported:
    """Return an issue of the city."""
    return IssueReported(
        issue=CASE,
        source="source",
        line=line,
        reference="R-1",
        category=category,
        urgency="normal",
        due=due,
        claims=claims,
        rules=(),
    )


def matter(
    reported: int = DAY, due: int | None = 5 * DAY, category: str = "Rubbish", line: str = "hotline"
) -> CaseFacts:
    """Return the facts of the case of such an issue."""
    return CaseFacts(line=line, category=category, urgency="normal", reported=reported, due=due)


def case_routed(holder: Assignment = ANN, by: str = "point", **of: Any) -> CaseRouted:
    """Return the event that routes the case to a grid."""
    return CaseRouted(
        case=CASE, matter=matter(**of), holder=holder, located_by=by, rules=(), used=USED
    )
