"""A row of a city's file becomes an issue, and the action that ended it.

A row that cannot become an issue is rejected with column, value and reason. Dirt that can be
handled leaves a data flag in the issue.
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
    """An issue with the time of its report, its end, and the verdict of its source."""

    reported: Instant
    issue: IssueReported
    ended: Instant | None
    ending: EndedAtSource | None
    content: bytes  # A digest of the trimmed cells of all columns that the profile names.
    published: bool | None  # True if the source calls it overdue; None without a verdict.


# Column → cell, trimmed. A cell that means nothing is empty.
Cells = Mapping[str, str]


class RowMapper:
    """Maps the rows of one file. The header gives the positions of the profile's columns."""

    def __init__(self, profile: Profile, header: Sequence[str]) -> None:
        self.profile = profile
        self.width = len(header)
        self._clock = LocalClock(profile.zone)
        names = [cell.strip() for cell in header]
        self.missing_columns = {
            column: key for column, key in profile.columns().items() if column not in names
        }
        self.repeated_columns = [column for column in profile.columns() if names.count(column) > 1]
        self._columns = [column for column in profile.columns() if column in names]
        self._at = [names.index(column) for column in self._columns]
        self._claims: list[Callable[[Cells], PlaceClaim | None]] = [
            claim_reader(place) for place in profile.place
        ]

    def reference(self, row: Sequence[str]) -> str:
        """Return the reference of a row, also of a rejected one; empty if it has none."""
        at = self._at[self._columns.index(self.profile.reference.column)]
        return row[at].strip() if at < len(row) else ""

    def read(self, row: Sequence[str]) -> Record:
        """Return the record of a row. Raises Invalid with column, value and reason."""
        if len(row) != self.width:
            raise Invalid("", str(len(row)), f"a row has {self.width} cells, like the header")
        trimmed = [row[at].strip() for at in self._at]
        content = content_digest(self._columns, trimmed)
        blank = self.profile.csv.blank
        cells = {
            column: "" if cell in blank else cell
            for column, cell in zip(self._columns, trimmed, strict=True)
        }
        issue, reported = self._read_issue(cells)
        ended, ending = self._read_end(cells, issue)
        return Record(reported, issue, ended, ending, content, self._read_verdict(cells))

    def _read_issue(self, cells: Cells) -> tuple[IssueReported, Instant]:
        profile = self.profile
        reference = cells[profile.reference.column]
        if not reference:
            raise Invalid(profile.reference.column, "", "no reference")
        line = self._read_line(cells)
        reported, flags = self._read_time(cells, profile.reported)
        if reported is None:
            raise Invalid(profile.reported.column, "", "no reported time")
        due, due_flags = self._read_time(cells, profile.due)
        flags += due_flags if due is not None else ("no_due",)
        if (
            not (profile.ended and cells[profile.ended.column])
            and self._read_state(cells) != "open"
        ):
            flags += ("closed_without_time",)
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
            rules=flags,
        ), reported

    def _read_end(
        self, cells: Cells, issue: IssueReported
    ) -> tuple[Instant | None, EndedAtSource | None]:
        """Return the time and the action of the end. With a time, the state `open` means closed."""
        profile = self.profile
        ended, flags = self._read_time(cells, profile.ended)
        if ended is None:
            return None, None
        outcome: Literal["closed", "withdrawn"] = (
            "withdrawn" if self._read_state(cells) == "withdrawn" else "closed"
        )
        action = action_id(profile.map.district.code, profile.profile, f"{issue.reference}#ended")
        return ended, EndedAtSource(action=action, issue=issue.issue, outcome=outcome, rules=flags)

    def _read_line(self, cells: Cells) -> Line:
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

    def _read_time(
        self, cells: Cells, column: TimeColumn | None
    ) -> tuple[Instant | None, tuple[str, ...]]:
        cell = cells[column.column] if column else ""
        return self._clock.read(column, cell) if column and cell else (None, ())

    def _read_state(self, cells: Cells) -> str:
        """Return the state of the record; `open` if the profile has no column for it."""
        column = self.profile.ended.state if self.profile.ended else None
        if column is None:
            return "open"
        cell = cells[column.column]
        return column.values.get(cell, column.otherwise) if cell else column.otherwise

    def _read_verdict(self, cells: Cells) -> bool | None:
        column = self.profile.published
        if column is None:
            return None
        cell = cells[column.column]
        return True if cell in column.overdue else False if cell in column.not_overdue else None


def content_digest(columns: Sequence[str], trimmed: Sequence[str]) -> bytes:
    """Return the digest of the cells that the profile reads.

    Raises Invalid for NUL and for bytes that are no text in the file's encoding.
    """
    try:
        text = "\0".join(trimmed).encode()
    except UnicodeEncodeError:  # Undecodable bytes arrive as lone surrogates.
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
    """Return the function that reads one claim of a row about its place, or None."""
    if place.point:
        return point_reader(place.point)
    by: Literal["grid", "street"] = "grid" if place.grid else "street"
    column = place.grid or place.street
    assert column is not None

    @lru_cache(maxsize=65536)  # A file has few codes.
    def claim(cell: str) -> PlaceClaim | None:
        code = make_code(cell, column)
        return PlaceClaim(by=by, code=code) if code else None

    return lambda cells: claim(cells[column.column])


def point_reader(point: PointColumns) -> Callable[[Cells], PlaceClaim]:
    """Return the function that reads the point of a row."""
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


def degrees(column: str, cell: str, maximum: int) -> float | None:
    """Return a coordinate, or None if the cell is empty.

    Raises Invalid for anything but a finite number within ±`maximum`.
    """
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = None
    # Python's float also reads 1_000 and digits of other scripts.
    if value is None or "_" in cell or not cell.isascii():
        raise Invalid(column, cell, "not a number")
    if not isfinite(value):
        raise Invalid(column, cell, "not a finite number")
    if abs(value) > maximum:
        raise Invalid(column, cell, f"beyond ±{maximum} degrees")
    return value


def make_code(text: str, rule: Code) -> str:
    """Return a cell or a property as a code: drop, keep, pad. Empty if nothing is kept."""
    if rule.drop is not None and (match := re.search(rule.drop, text)):
        text = text[: match.start()] + text[match.end() :]
    if rule.keep is not None:
        match = re.search(rule.keep, text)
        text = (match[1] or "") if match else ""
    return text.rjust(rule.pad, "0") if text else ""
