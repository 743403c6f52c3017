"""The adapter of a line: a raw row of a city's file becomes one normalised issue, and the action by which it ended.

What cannot become an issue is refused with the column, the value and the reason; dirt that a rule handles travels with the
issue as that rule's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import isfinite
from typing import Literal, NamedTuple

from events.catalogue import EndedAtSource, IssueReported, Line, PlaceClaim
from events.errors import Invalid
from events.instants import Instant
from gridcall.simulation.city.local_time import LocalClock
from gridcall.simulation.city.profile import Code, Place, PointColumns, Profile, TimeColumn, is_text
from intake.core.identity import action_id, issue_id

NO_POINT = PlaceClaim(by="no_point")
UNKNOWN_POINT = PlaceClaim(by="unknown_point")


class Record(NamedTuple):
    """A row that became an issue: when it was reported, how it ended if it did, and what its source published about it."""

    reported: Instant
    issue: IssueReported
    ended: Instant | None
    ending: EndedAtSource | None
    content: bytes  # A digest of the trimmed cells of all columns that the profile names.
    published: bool | None  # Whether the source calls it overdue; None: it does not say.


Cells = Mapping[
    str, str
]  # Column → cell, trimmed; empty where it is one of those that mean nothing.


class Adapter:
    """Reads the rows of one file, whose header says where the profile's columns are."""

    def __init__(self, profile: Profile, header: Sequence[str]) -> None:
        self.profile = profile
        self.width = len(header)
        self._times = LocalClock(profile.zone)
        names = [cell.strip() for cell in header]
        self.missing = {
            column: key for column, key in profile.columns().items() if column not in names
        }
        self.doubled = [column for column in profile.columns() if names.count(column) > 1]
        self._columns = [column for column in profile.columns() if column in names]
        self._at = [names.index(column) for column in self._columns]
        self._claims: list[Callable[[Cells], PlaceClaim | None]] = [
            claim_reader(place) for place in profile.place
        ]

    def reference(self, row: Sequence[str]) -> str:
        """The reference of a row, also of one that is refused; empty where there is none."""
        at = self._at[self._columns.index(self.profile.reference.column)]
        return row[at].strip() if at < len(row) else ""

    def read(self, row: Sequence[str]) -> Record:
        """The record of a row. Raises Invalid, which names column, value and reason."""
        if len(row) != self.width:
            raise Invalid("", str(len(row)), f"a row has {self.width} cells, like the header")
        trimmed = [row[at].strip() for at in self._at]
        content = content_digest(self._columns, trimmed)
        blank = self.profile.csv.blank
        cells = {
            column: "" if cell in blank else cell
            for column, cell in zip(self._columns, trimmed, strict=True)
        }
        issue, reported = self._issue(cells)
        ended, ending = self._ending(cells, issue)
        return Record(reported, issue, ended, ending, content, self._published(cells))

    def _issue(self, cells: Cells) -> tuple[IssueReported, Instant]:
        profile = self.profile
        reference = cells[profile.reference.column]
        if not reference:
            raise Invalid(profile.reference.column, "", "no reference")
        line = self._line(cells)
        reported, rules = self._time(cells, profile.reported)
        if reported is None:
            raise Invalid(profile.reported.column, "", "no reported time")
        due, due_rules = self._time(cells, profile.due)
        rules += due_rules if due is not None else ("no_due",)
        if not (profile.ended and cells[profile.ended.column]) and self._state(cells) != "open":
            rules += ("closed_without_time",)
        issue = issue_id(profile.map.district.code, profile.profile, line, reference)
        claims = tuple([claim for read in self._claims if (claim := read(cells)) is not None])
        category = cells[profile.category.column]
        return IssueReported(
            issue=issue,
            source=profile.profile,
            line=line,
            reference=reference,
            category=category,
            urgency="normal",
            due=due,
            claims=claims,
            rules=rules,
        ), reported

    def _ending(
        self, cells: Cells, issue: IssueReported
    ) -> tuple[Instant | None, EndedAtSource | None]:
        """When and how the record ended. With an ending time, a state of `open` counts as closed."""
        profile = self.profile
        ended, rules = self._time(cells, profile.ended)
        if ended is None:
            return None, None
        outcome: Literal["closed", "withdrawn"] = (
            "withdrawn" if self._state(cells) == "withdrawn" else "closed"
        )
        action = action_id(profile.map.district.code, profile.profile, f"{issue.reference}#ended")
        return ended, EndedAtSource(action=action, issue=issue.issue, outcome=outcome, rules=rules)

    def _line(self, cells: Cells) -> Line:
        column = self.profile.line
        cell = cells[column.column]
        line = column.values.get(cell, column.otherwise) if cell else column.otherwise
        if line == "refuse":
            raise Invalid(
                column.column,
                cell,
                f"not a line that is taken; known are {', '.join(sorted(column.values))}",
            )
        return line

    def _time(
        self, cells: Cells, column: TimeColumn | None
    ) -> tuple[Instant | None, tuple[str, ...]]:
        cell = cells[column.column] if column else ""
        return self._times.read(column, cell) if column and cell else (None, ())

    def _state(self, cells: Cells) -> str:
        """What the row says of its state; `open` where the profile has no column for it."""
        column = self.profile.ended.state if self.profile.ended else None
        if column is None:
            return "open"
        cell = cells[column.column]
        return column.values.get(cell, column.otherwise) if cell else column.otherwise

    def _published(self, cells: Cells) -> bool | None:
        column = self.profile.published
        if column is None:
            return None
        cell = cells[column.column]
        return True if cell in column.overdue else False if cell in column.not_overdue else None


def content_digest(columns: Sequence[str], trimmed: Sequence[str]) -> bytes:
    """The digest of what the profile reads of a row. Raises Invalid for NUL, and for bytes that could not be decoded."""
    try:
        text = "\0".join(trimmed).encode()
    except UnicodeEncodeError:  # They arrive as lone surrogates.
        text = b""
    if text.count(b"\0") == len(trimmed) - 1:
        return blake2b(text, digest_size=16).digest()
    column, cell = next(
        (column, cell) for column, cell in zip(columns, trimmed, strict=True) if not is_text(cell)
    )
    raise Invalid(
        column, cell.encode("utf-8", "backslashreplace").decode(), "bytes that are not text"
    )


def claim_reader(place: Place) -> Callable[[Cells], PlaceClaim | None]:
    """The function that reads one claim of a row about its place; None where the row does not make it."""
    if place.point:
        return point_reader(place.point)
    by: Literal["grid", "street"] = "grid" if place.grid else "street"
    column = place.grid or place.street
    assert column is not None

    @lru_cache(maxsize=65536)  # The same few codes come again and again.
    def claim(cell: str) -> PlaceClaim | None:
        code = code_of(cell, column)
        return PlaceClaim(by=by, code=code) if code else None

    return lambda cells: claim(cells[column.column])


def point_reader(point: PointColumns) -> Callable[[Cells], PlaceClaim]:
    """The function that reads the point of a row."""
    unknown = {
        (round(lat, point.decimals), round(lon, point.decimals)) for lat, lon in point.unknown
    }

    def claim(cells: Cells) -> PlaceClaim:
        lat = degrees(point.lat, cells[point.lat], 90)
        lon = degrees(point.lon, cells[point.lon], 180)
        if lat is None or lon is None:
            return NO_POINT
        if unknown and (round(lat, point.decimals), round(lon, point.decimals)) in unknown:
            return UNKNOWN_POINT
        return PlaceClaim(by="point", lat=lat, lon=lon)

    return claim


def degrees(column: str, cell: str, most: int) -> float | None:
    """A coordinate; None where the cell is empty. Raises Invalid for anything but a finite number within ±most."""
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = None
    if (
        value is None or "_" in cell or not cell.isascii()
    ):  # Python would take 1_000, and digits of other scripts.
        raise Invalid(column, cell, "not a number")
    if not isfinite(value):
        raise Invalid(column, cell, "not a finite number")
    if abs(value) > most:
        raise Invalid(column, cell, f"beyond ±{most} degrees")
    return value


def code_of(text: str, how: Code) -> str:
    """A cell or a property as a code: drop, keep, pad. Empty where nothing is kept."""
    if how.drop is not None and (found := re.search(how.drop, text)):
        text = text[: found.start()] + text[found.end() :]
    if how.keep is not None:
        kept = re.search(how.keep, text)
        text = (kept[1] or "") if kept else ""
    return text.rjust(how.pad, "0") if text else ""
