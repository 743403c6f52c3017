"""Values that several events carry."""

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
    """A claim of a report about its place. The first claim in order that answers wins.

    `point` carries lat and lon in degrees of WGS 84; `grid` and `street` carry a declared code.
    `no_point` is an expected point that was missing, `unknown_point` the source's word for
    "unknown".
    """

    by: Literal["point", "no_point", "unknown_point", "grid", "street"]
    lat: float | None = None
    lon: float | None = None
    code: str | None = None


@value(kw_only=True)
class CaseFacts:
    """The facts of a case that its deadline depends on. `due` is the deadline that its line
    promised.
    """

    line: str
    category: str
    urgency: str
    reported: Instant
    due: Instant | None


@value(kw_only=True, shared=True)
class Assignment:
    """The responsibility for a case: its level, the codes of its place, and a grid's worker.

    `episode` counts the responsibilities of one case: 1 for its first worker, 0 while no worker has
    had it.
    """

    level: Level
    grid: str | None
    street: str | None
    district: str
    worker: str | None
    episode: int


@value(kw_only=True)
class DeadlineRule:
    """A policy row: the time limit of matters that fit it.

    `*` fits any value, and the first row that fits counts. Units: hours, days.
    """

    line: str
    category: str
    urgency: str
    amount: int
    unit: Literal["hours", "days"]


@value
class OnCall:
    """The receivers of calls of a street or the district: one accountable officer, and a deputy."""

    unit: str
    officer: str | None
    deputy: str | None


@value
class Versions:
    """The reference data of a decision, by name; None where none was adopted."""

    map: str | None
    roster: str | None
    admission: str | None
