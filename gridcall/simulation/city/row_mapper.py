"""A row of a city's file becomes an issue, and the action that ended it.

A row that cannot become an issue is rejected with column, value and reason. Dirt that can be
handled leaves a data flag in the issue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Literal, NamedTuple

from events.catalogue import EndedAtSource, IssueReported, Line, PlaceClaim
from events.errors import Invalid
from events.instants import Instant
from gridcall.simulation.city.header import Header
from gridcall.simulation.city.local_time import LocalClock
from gridcall.simulation.city.place_claims import Cells, claim_reader
from gridcall.simulation.city.profile import Profile, TimeColumn
from gridcall.simulation.city.text import escape_undecodable, is_text, to_nfc
from intake.core.identity import action_id, issue_id

TIME_JOIN = " "  # Between joined columns of a time.
Flags = tuple[str, ...]


class Record(NamedTuple):
    """An issue with the time of its report, its end, and the verdict of its source."""

    reported: Instant
    issue: IssueReported
    ended: Instant | None
    ending: EndedAtSource | None
    content: bytes  # A digest of the trimmed cells of all columns that the profile names.
    published: bool | None  # True if the source calls it overdue; None without a verdict.


class Trimmed(NamedTuple):
    """The trimmed cells of the profile's columns in NFC, and all of them in one text."""

    cells: list[str]
    text: str


class RowMapper:
    """Maps the rows of one file, whose header has every column of the profile."""

    def __init__(self, profile: Profile, header: Header, file: str = "") -> None:
        self.profile = profile
        self.width = len(header.names)
        self._file = file
        self._district, self._source = profile.map.district.code, profile.profile
        self._clock = LocalClock(profile.zone)
        self._columns = list(header.positions)
        self._at = list(header.positions.values())
        self._reference = cell_reader(profile.reference.names, profile.reference.join)
        self._reported = time_reader(profile.reported)
        self._due = time_reader(profile.due)
        self._ended = time_reader(profile.ended)
        self._claims: list[Callable[[Cells], PlaceClaim | None]] = [
            claim_reader(place) for place in profile.place
        ]

    def reference(self, row: Sequence[str], line: int) -> str:
        """Return the reference of a rejected row; empty if it has none."""
        columns = self.profile.reference
        if columns.row:
            return self._row_reference(line)
        if len(row) == self.width:
            return self._reference(self._meaningful_cells(self._trim(row)))
        if columns.column is None:
            return ""  # Cells are missing or too many, so that joined ones may be others.
        at = self._at[self._columns.index(columns.column)]
        cell = to_nfc(row[at].strip()) if at < len(row) else ""
        return "" if cell in self.profile.csv.blank else cell

    def read(self, row: Sequence[str], line: int = 0) -> Record:
        """Return the record of a row. Raises Invalid for the first fault in the profile's order."""
        if len(row) != self.width:
            raise Invalid("", str(len(row)), f"a row has {self.width} cells, like the header")
        trimmed = self._trim(row)
        content = self._digest(trimmed)
        cells = self._meaningful_cells(trimmed)
        reference = self._read_reference(cells, trimmed, line)
        channel = self._read_line(cells, trimmed)
        reported, flags = self._read_reported(cells, trimmed)
        due, due_flags = self._read_time(self._due(cells), self.profile.due)
        ended, ended_flags = self._read_time(self._ended(cells), self.profile.ended)
        state = self._read_state(cells)
        flags += due_flags if due is not None else ("no_due",)
        if ended is None and state != "open":
            flags += ("closed_without_time",)
        issue = IssueReported(
            issue=issue_id(self._district, self._source, channel, reference),
            source=self._source,
            line=channel,
            reference=reference,
            category=self._read_category(cells),
            urgency="normal",
            due=due,
            claims=tuple([claim for read in self._claims if (claim := read(cells)) is not None]),
            rules=flags,
        )
        ending = None if ended is None else self._make_ending(issue, state, ended_flags)
        return Record(reported, issue, ended, ending, content, self._read_verdict(cells))

    def _trim(self, row: Sequence[str]) -> Trimmed:
        cells = [row[at].strip() for at in self._at]
        text = "\0".join(cells)
        if not text.isascii():
            cells = [to_nfc(cell) for cell in cells]
            text = "\0".join(cells)
        return Trimmed(cells, text)

    def _meaningful_cells(self, trimmed: Trimmed) -> Cells:
        blank = self.profile.csv.blank
        return {
            column: "" if cell in blank else cell
            for column, cell in zip(self._columns, trimmed.cells, strict=True)
        }

    def _raw_text(self, trimmed: Trimmed, columns: Sequence[str], join: str) -> str:
        """Return the cells of columns as the file has them, also those that mean nothing."""
        return join.join(trimmed.cells[self._columns.index(column)] for column in columns)

    def _digest(self, trimmed: Trimmed) -> bytes:
        """Return the digest of the cells that the profile reads.

        Raises Invalid for NUL and for bytes that are no text in the file's encoding.
        """
        try:
            text = trimmed.text.encode()
            if text.count(b"\0") == len(trimmed.cells) - 1:
                return blake2b(text, digest_size=16).digest()
        except UnicodeEncodeError:
            pass  # Undecodable bytes arrive as lone surrogates.
        cells = zip(self._columns, trimmed.cells, strict=True)
        column, cell = next((column, cell) for column, cell in cells if not is_text(cell))
        encoding = self.profile.csv.encoding
        raise Invalid(
            column,
            escape_undecodable(cell),
            "a NUL is no text" if "\0" in cell else f"not text in {encoding}; see csv.encoding",
        )

    def _row_reference(self, line: int) -> str:
        return f"{self._file}:{line}"

    def _read_reference(self, cells: Cells, trimmed: Trimmed, line: int) -> str:
        columns = self.profile.reference
        reference = self._row_reference(line) if columns.row else self._reference(cells)
        if not reference:
            value = self._raw_text(trimmed, columns.names, columns.join)
            raise Invalid(columns.title, value, "no reference")
        return reference

    def _read_line(self, cells: Cells, trimmed: Trimmed) -> Line:
        column = self.profile.line
        if column.column is None:
            assert column.value is not None
            return column.value
        cell = cells[column.column]
        line = column.values.get(cell, column.otherwise) if cell else column.otherwise
        if line == "refuse":
            raise Invalid(
                column.column,
                self._raw_text(trimmed, (column.column,), ""),
                f"not a line that is taken; known are {', '.join(sorted(column.values))}",
            )
        return line

    def _read_category(self, cells: Cells) -> str:
        column = self.profile.category
        cell = cells[column.column]
        return column.values.get(cell, cell) if cell else ""

    def _read_reported(self, cells: Cells, trimmed: Trimmed) -> tuple[Instant, Flags]:
        column = self.profile.reported
        reported, flags = self._read_time(self._reported(cells), column)
        if reported is None:
            value = self._raw_text(trimmed, column.names, TIME_JOIN)
            raise Invalid(column.title, value, "no reported time")
        return reported, flags

    def _read_time(self, text: str, column: TimeColumn | None) -> tuple[Instant | None, Flags]:
        return self._clock.read(column, text) if column and text else (None, ())

    def _read_state(self, cells: Cells) -> str:
        """Return the state of the record; `open` if the profile has no column for it."""
        column = self.profile.ended.state if self.profile.ended else None
        if column is None:
            return "open"
        cell = cells[column.column]
        return column.values.get(cell, column.otherwise) if cell else column.otherwise

    def _make_ending(self, issue: IssueReported, state: str, flags: Flags) -> EndedAtSource:
        """Return the action of the end. With a time, the state `open` means closed."""
        outcome: Literal["closed", "withdrawn"] = "withdrawn" if state == "withdrawn" else "closed"
        action = action_id(self._district, self._source, f"{issue.reference}#ended")
        return EndedAtSource(action=action, issue=issue.issue, outcome=outcome, rules=flags)

    def _read_verdict(self, cells: Cells) -> bool | None:
        column = self.profile.published
        if column is None:
            return None
        cell = cells[column.column]
        return True if cell in column.overdue else False if cell in column.not_overdue else None


def cell_reader(columns: Sequence[str], join: str) -> Callable[[Cells], str]:
    """Return the function that joins cells of a row. If one is blank, the whole is blank."""
    if not columns:
        return lambda cells: ""
    if len(columns) == 1:
        return itemgetter(columns[0])

    def join_cells(cells: Cells) -> str:
        parts = [cells[column] for column in columns]
        return join.join(parts) if all(parts) else ""

    return join_cells


def time_reader(column: TimeColumn | None) -> Callable[[Cells], str]:
    """Return the function that reads the text of a time; empty without a column."""
    return cell_reader(column.names if column else (), TIME_JOIN)
