"""The contents of reference data. Events carry name and digest; contents are stored
beside the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from events.catalogue import DeadlineRule, Level, OnCall


@dataclass(frozen=True, slots=True)
class Grid:
    """A patch of ground, or (dedicated) one school, hospital, market or firm.

    `geometry` is GeoJSON in WGS 84 degrees.
    """

    code: str
    street: str
    dedicated: bool
    geometry: dict[str, Any]


@dataclass(frozen=True, slots=True)
class GridMap:
    """The grids of a district. Each is in one street."""

    district: str
    name: str
    grids: tuple[Grid, ...]


@dataclass(frozen=True, slots=True)
class Roster:
    """The persons of a district: grid → gridworker; street and district → receiver of calls."""

    workers: dict[str, str]
    receivers: tuple[OnCall, ...]


@dataclass(frozen=True, slots=True)
class AdmissionRow:
    """A category, the level that may have it, and the rule that says so."""

    category: str
    level: Level
    rule: str


@dataclass(frozen=True, slots=True)
class AdmissionList:
    """The categories that may be given to a grid.

    A category without a row belongs to the district.
    """

    rows: tuple[AdmissionRow, ...]


@dataclass(frozen=True, slots=True)
class Policies:
    """The district's time zone, its limits (the first that fits counts), and the limit of calls.

    `answer_within` is how long a call may stay unanswered, in µs; None: for ever.
    """

    zone: str
    answer_within: int | None
    limits: tuple[DeadlineRule, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """The names of codes, by language (`zh`, `en`).

    Codes are those of the district, its streets, communities, grids and categories. A `schematic`
    map shows neighbours, not positions on the ground.
    """

    schematic: bool
    names: dict[str, dict[str, str]]


Content = Names | GridMap | Roster | AdmissionList | Policies
