"""The adapter of a line: a raw row of a city's file becomes one normalised issue, and the action by which it ended.

What cannot become an issue is refused with the column, the value and the reason; dirt that a rule handles travels with the
issue as that rule's name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from math import isfinite
from typing import NamedTuple

from events.catalogue import EndedAtSource, Instant, IssueReported, PlaceClaim
from events.errors import Invalid
from intake.identity import action_id, issue_id
from intake.profile import Code, CodeColumn, Place, PointColumns, Profile
from intake.times import Clockface

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NOT_FINITE = re.compile(r"[+-]?(inf(inity)?|nan)", re.IGNORECASE)
NO_POINT = PlaceClaim("no_point")
UNKNOWN_POINT = PlaceClaim("unknown_point")


class Record(NamedTuple):
    """A row that became an issue: when it was reported, how it ended if it did, and what its source published about it."""

    reported: Instant
    issue: IssueReported
    ended: Instant | None
    ending: EndedAtSource | None
    content: bytes  # A digest of the trimmed cells of all columns that the profile names.
    published: bool | None  # Whether the source calls it overdue; None: it does not say.


class Adapter:
    """Reads the rows of one file, whose header says where the profile's columns are."""

    def __init__(self, profile: Profile, header: Sequence[str]) -> None:
        self.profile = profile
        self._times = Clockface(profile.zone)
        names = [cell.strip() for cell in header]
        self.missing = {column: key for column, key in profile.columns().items() if column not in names}
        self._at = {column: names.index(column) for column in profile.columns() if column in names}
        self._cells = tuple(self._at.values())
        self.width = len(header)

    def reference(self, row: Sequence[str]) -> str:
        """The reference of a row, also of one that is refused; empty where there is none."""
        at = self._at[self.profile.reference.column]
        return row[at].strip() if at < len(row) else ""

    def read(self, row: Sequence[str]) -> Record:
        """The record of a row. Raises Invalid, which names column, value and reason."""
        if len(row) != self.width:
            raise Invalid("", str(len(row)), f"a row has {self.width} cells, like the header")
        content = self._content(row)
        profile = self.profile
        reference = self._required(row, profile.reference.column, "no reference")
        line = self._line(row)
        reported, rules = self._time(row, "reported")
        if reported is None:
            raise Invalid(profile.reported.column, "", "no reported time")
        due, due_rules = self._time(row, "due")
        ended, ended_rules = self._time(row, "ended")
        state = self._state(row, ended)
        if due is None:
            rules += ("no_due",)
        if state != "open" and ended is None:
            rules += ("closed_without_time",)
        district = profile.map.district.code
        issue = IssueReported(
            issue_id(district, profile.profile, line, reference), profile.profile, line, reference,
            self._cell(row, profile.category.column), "normal", due, self._claims(row), rules + due_rules,
        )  # fmt: skip
        ending = None
        if ended is not None:
            outcome = "withdrawn" if state == "withdrawn" else "closed"
            action = action_id(district, profile.profile, f"{reference}#ended")
            ending = EndedAtSource(action, issue.issue, outcome, ended_rules)
        return Record(reported, issue, ended, ending, content, self._published(row))

    def _cell(self, row: Sequence[str], column: str) -> str:
        """A cell, trimmed; empty if it is one of those that mean nothing."""
        cell = row[self._at[column]].strip()
        return "" if cell in self.profile.csv.blank else cell

    def _required(self, row: Sequence[str], column: str, reason: str) -> str:
        cell = self._cell(row, column)
        if not cell:
            raise Invalid(column, row[self._at[column]].strip(), reason)
        return cell

    def _line(self, row: Sequence[str]) -> str:
        column = self.profile.line
        cell = self._cell(row, column.column)
        line = column.values.get(cell, column.otherwise) if cell else column.otherwise
        if line == "refuse":
            raise Invalid(column.column, cell, f"not a line that is taken; known are {', '.join(sorted(column.values))}")
        return line

    def _time(self, row: Sequence[str], which: str) -> tuple[Instant | None, tuple[str, ...]]:
        column = getattr(self.profile, which)
        cell = self._cell(row, column.column) if column else ""
        return self._times.read(column.column, cell, column) if cell else (None, ())

    def _state(self, row: Sequence[str], ended: Instant | None) -> str:
        """What the row says of its end; with an ending time, `open` counts as closed."""
        column = self.profile.ended.state if self.profile.ended else None
        if column is None:
            return "open" if ended is None else "closed"
        cell = self._cell(row, column.column)
        state = column.values.get(cell, column.otherwise) if cell else column.otherwise
        return "closed" if ended is not None and state == "open" else state

    def _claims(self, row: Sequence[str]) -> tuple[PlaceClaim, ...]:
        claims = (self._claim(row, place) for place in self.profile.place)
        return tuple(claim for claim in claims if claim is not None)

    def _claim(self, row: Sequence[str], place: Place) -> PlaceClaim | None:
        if place.point:
            return self._point(row, place.point)
        if place.grid:
            code = self._code(row, place.grid)
            return PlaceClaim("grid", code=code) if code else None
        assert place.street
        code = self._code(row, place.street)
        return PlaceClaim("street", code=code) if code else None

    def _point(self, row: Sequence[str], point: PointColumns) -> PlaceClaim:
        lat = self._degrees(row, point.lat, 90)
        lon = self._degrees(row, point.lon, 180)
        if lat is None or lon is None:
            return NO_POINT
        rounded = (round(lat, point.decimals), round(lon, point.decimals))
        if any(rounded == (round(a, point.decimals), round(o, point.decimals)) for a, o in point.unknown):
            return UNKNOWN_POINT
        return PlaceClaim("point", lat, lon)

    def _degrees(self, row: Sequence[str], column: str, most: int) -> float | None:
        cell = self._cell(row, column)
        if not cell:
            return None
        if not NUMBER.fullmatch(cell) or not isfinite(float(cell)):
            finite = NOT_FINITE.fullmatch(cell) or NUMBER.fullmatch(cell)
            raise Invalid(column, cell, "not a finite number" if finite else "not a number")
        degrees = float(cell)
        if abs(degrees) > most:
            raise Invalid(column, cell, f"beyond ±{most} degrees")
        return degrees

    def _code(self, row: Sequence[str], column: CodeColumn) -> str:
        return code_of(self._cell(row, column.column), column)

    def _content(self, row: Sequence[str]) -> bytes:
        """The digest of what the profile reads. Undecodable bytes arrive as lone surrogates, which cannot be encoded."""
        cells = [row[i].strip() for i in self._cells]
        try:
            text = "\0".join(cells).encode()
        except UnicodeEncodeError:
            text = b""
        if text.count(b"\0") == len(cells) - 1:
            return blake2b(text, digest_size=16).digest()
        column, cell = next((c, cell) for c, cell in zip(self._at, cells, strict=True) if not is_text(cell))
        raise Invalid(column, cell.encode("utf-8", "backslashreplace").decode(), "bytes that are not text")

    def _published(self, row: Sequence[str]) -> bool | None:
        column = self.profile.published
        if column is None:
            return None
        cell = self._cell(row, column.column)
        return True if cell in column.overdue else False if cell in column.not_overdue else None


def code_of(text: str, how: Code) -> str:
    """A cell or a property as a code: drop, keep, pad. Empty where nothing is kept."""
    if how.drop is not None and (found := re.search(how.drop, text)):
        text = text[: found.start()] + text[found.end() :]
    if how.keep is not None:
        kept = re.search(how.keep, text)
        text = (kept[1] or "") if kept else ""
    return text.rjust(how.pad, "0") if text else ""


def is_text(cell: str) -> bool:
    """Without NUL and without lone surrogates."""
    return "\0" not in cell and not any("\ud800" <= char <= "\udfff" for char in cell)
