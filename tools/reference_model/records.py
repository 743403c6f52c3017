"""Records: the rows that become issues, and the fates of the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tools.reference_model.places import CityMap, Place, locate, read_point
from tools.reference_model.rows import (
    Cell,
    Fault,
    Row,
    Spec,
    claims,
    known_text,
    raw_text,
    read_rows,
    title,
)
from tools.reference_model.times import Moment, read_moment


@dataclass(frozen=True)
class Record:
    """A row that was read: all that its case is computed from."""

    row: Row
    reference: str
    line: str
    category: str
    reported: Moment
    due: Moment | None
    ended: Moment | None
    status: str  # What the source says: open, closed or withdrawn.
    place: Place
    published: str


def read_record(profile: Spec, city: CityMap, zone: ZoneInfo, row: Row) -> Record:
    """Read a record. Raise Fault for the first fault, in the order of the profile's keys."""
    if not row.whole:
        raise Fault("", "")
    refuse_other_than_text(row)
    return Record(
        row=row,
        reference=read_reference(profile["reference"], row),
        line=read_line(profile["line"], row),
        category=read_category(profile["category"], row),
        reported=read_reported(profile["reported"], row, zone),
        due=read_moment(profile.get("due"), row, zone),
        ended=read_moment(profile.get("ended"), row, zone),
        status=read_status(profile, row),
        place=read_place(profile, city, row),
        published=row.known[profile["published"]["column"]] if "published" in profile else "",
    )


def refuse_other_than_text(row: Row) -> None:
    """Refuse NUL, and bytes that are not in the file's encoding, which were read as surrogates."""
    for column, cell in row.cells.items():
        if "\0" in cell or any(0xD800 <= ord(character) < 0xE000 for character in cell):
            raise Fault(column, cell.encode(errors="backslashreplace").decode())


def read_reference(spec: Spec, row: Row) -> str:
    reference = reference_of(spec, row)
    if not reference:
        raise Fault(title(spec), raw_text(row, spec, spec.get("join", "")))
    return reference


def reference_of(spec: Spec, row: Row) -> str:
    """Return the reference of a row, empty if it has none."""
    if "row" in spec:
        return f"{row.file}:{row.number}"
    if not row.whole and "columns" in spec:
        return ""
    return known_text(row, spec, spec.get("join", ""))


def read_line(spec: Spec, row: Row) -> str:
    if "value" in spec:
        return str(spec["value"])
    line = read_mapped(spec, row, "refuse")
    if line == "refuse":
        raise Fault(spec["column"], row.cells[spec["column"]])
    return line


def read_category(spec: Spec, row: Row) -> str:
    cell = row.known[spec["column"]]
    return str(spec.get("values", {}).get(cell, cell)) if cell else ""


def read_mapped(spec: Spec, row: Row, default: str) -> str:
    """Return the value of a cell. A blank cell is `otherwise`, even if the values name it."""
    cell, otherwise = row.known[spec["column"]], spec.get("otherwise", default)
    return str(spec.get("values", {}).get(cell, otherwise) if cell else otherwise)


def read_reported(spec: Spec, row: Row, zone: ZoneInfo) -> Moment:
    moment = read_moment(spec, row, zone)
    if moment is None:
        raise Fault(title(spec), raw_text(row, spec, " "))
    return moment


def read_status(profile: Spec, row: Row) -> str:
    """Return the state that the source gives. Without such a column the ending time decides."""
    ended = profile.get("ended", {})
    if "state" in ended:
        return read_mapped(ended["state"], row, "closed")
    return "closed" if ended and known_text(row, ended, " ") else "open"


def read_place(profile: Spec, city: CityMap, row: Row) -> Place:
    """Locate a row. A malformed coordinate rejects it even if an earlier claim names the place."""
    for kind, spec in claims(profile):
        if kind == "point":
            read_point(spec, row)
    return locate(profile, city, row)


@dataclass
class Selection:
    """The outcome of the rows: rows = records + rejected + duplicates + after_until."""

    rows: int
    records: list[Record]
    rejected: list[list[Cell]]
    duplicates: int
    after_until: int


def select_rows(profile: Spec, city: CityMap, inputs: Iterable[Path], until: datetime) -> Selection:
    rows = [row for path in inputs for row in read_rows(path, profile)]
    readable, rejected = split_readable(profile, city, rows)
    first, again = split_by_reference(readable)
    column = title(profile["reference"])
    differing = [
        record for record in again if record.row.cells != first[record.reference].row.cells
    ]
    rejected += [
        rejection(record.row, record.reference, column, record.reference) for record in differing
    ]
    records = [record for record in first.values() if record.reported.utc < until]
    duplicates, after_until = len(again) - len(differing), len(first) - len(records)
    return Selection(
        len(rows),
        records,
        sorted(rejected, key=lambda cells: (cells[0], cells[1])),
        duplicates,
        after_until,
    )


def split_readable(
    profile: Spec, city: CityMap, rows: Iterable[Row]
) -> tuple[list[Record], list[list[Cell]]]:
    zone = ZoneInfo(profile["zone"])
    records, rejected = [], []
    for row in rows:
        try:
            records.append(read_record(profile, city, zone, row))
        except Fault as fault:
            reference = reference_of(profile["reference"], row)
            rejected.append(rejection(row, reference, fault.column, fault.value))
    return records, rejected


def split_by_reference(records: list[Record]) -> tuple[dict[str, Record], list[Record]]:
    """Return the first row of each reference by (reported, file, line), and all later rows."""
    ordered = sorted(records, key=lambda r: (r.reported.utc, r.row.file, r.row.number))
    first = {record.reference: record for record in reversed(ordered)}
    return first, [record for record in ordered if first[record.reference] is not record]


def rejection(row: Row, reference: str, column: str, value: str) -> list[Cell]:
    return [row.file, row.number, reference, column, value, ""]
