"""The content of reference data: what a digest stands for. Events carry name and digest, the
content lies beside the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from events.catalogue import DeadlineRule, Level, OnCall


@dataclass(frozen=True, slots=True)
class Grid:
    """A patch of ground, or (dedicated) one school, hospital, market or firm. `geometry`: GeoJSON
    in WGS 84 degrees.
    """

    code: str
    street: str
    dedicated: bool
    geometry: dict[str, Any]


@dataclass(frozen=True, slots=True)
class GridMap:
    """The grids of a district; each lies in one street."""

    district: str
    name: str
    grids: tuple[Grid, ...]


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is who: grid → gridworker; street and district → receiver of calls."""

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
    """Which categories may be given to a grid at all. A category without a row belongs to the
    district.
    """

    rows: tuple[AdmissionRow, ...]


@dataclass(frozen=True, slots=True)
class Policies:
    """The district's time zone, how long a call may stay unanswered (µs; None: no limit), and its
    limits, first fit first.
    """

    zone: str
    answer_within: int | None
    limits: tuple[DeadlineRule, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """What codes are called, by language (`zh`, `en`): the district, its streets, communities and
    grids, and categories.

    `schematic`: the map shows what lies beside what, not where on the ground.
    """

    schematic: bool
    names: dict[str, dict[str, str]]


Content = Names | GridMap | Roster | AdmissionList | Policies
