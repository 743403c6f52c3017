"""What several events carry together."""

from __future__ import annotations

from typing import Literal

from events.instants import Instant
from events.registry import value

Level = Literal["grid", "street", "district"]
Line = Literal["grid", "sentiment", "hotline", "petition"]
ReferenceKind = Literal["map", "names", "roster", "admission", "policies", "decider"]
Because = Literal["deadline", "silence"]
LINES: tuple[Line, ...] = ("grid", "sentiment", "hotline", "petition")
URGENCIES = ("normal", "urgent", "life")


@value(kw_only=True)
class PlaceClaim:
    """One thing a report says about its place; claims are tried in order, and the first that
    answers wins.

    `point` carries lat and lon in degrees of WGS 84; `grid` and `street` carry a declared code.
    `no_point` and `unknown_point` say that a point was expected and was missing, or was the
    source's word for "unknown".
    """

    by: Literal["point", "no_point", "unknown_point", "grid", "street"]
    lat: float | None = None
    lon: float | None = None
    code: str | None = None


@value(kw_only=True)
class CaseFacts:
    """What a case is about, as far as its deadline needs to know. `due` is the deadline that its
    line promised.
    """

    line: str
    category: str
    urgency: str
    reported: Instant
    due: Instant | None


@value(kw_only=True)
class Assignment:
    """Who answers for a case: the level that holds it, the codes of its place, and the worker, if
    it is a grid's.

    `episode` counts the responsibilities of one case (1 for its first worker; 0 while no worker has
    had it).
    """

    level: Level
    grid: str | None
    street: str | None
    district: str
    worker: str | None
    episode: int


@value(kw_only=True)
class DeadlineRule:
    """A policy row: how long a matter may take. `*` fits any; the first row that fits counts;
    units: hours, days.
    """

    line: str
    category: str
    urgency: str
    amount: int
    unit: Literal["hours", "days"]


@value
class OnCall:
    """Who takes calls for a street or the district: one accountable officer, and a deputy."""

    unit: str
    officer: str | None
    deputy: str | None


@value
class Versions:
    """The reference data by which a decision was made, by name; None where none was adopted."""

    map: str | None
    roster: str | None
    admission: str | None
