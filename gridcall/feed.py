"""The feed of simulate: files of a city → inputs in the order of their times, whatever the order of the files."""

from __future__ import annotations

import codecs
import csv
import gc
import gzip
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from events.catalogue import EndedAtSource, Instant, IssueReported
from events.errors import GridcallError, Invalid
from events.row import Draft
from intake.adapter import Adapter, Record
from intake.profile import Lines, Profile

csv.field_size_limit(2**31 - 1)


class InputError(GridcallError):
    """A file that cannot be fed at all."""


class Rejected(NamedTuple):
    """A row that could not become an issue, as rejected.csv has it."""

    file: str
    line: int
    reference: str
    column: str
    value: str
    reason: str


@dataclass(slots=True)
class Feed:
    """What was read: the inputs in their order, and the count of every row."""

    drafts: list[Draft]
    rejected: list[Rejected]
    rows: int
    duplicates: int
    after_until: int
    accepted: int
    published: dict[str, bool]  # reference → whether the source calls it overdue


@dataclass(slots=True)
class Reading:
    """The rows so far, while files are read."""

    records: dict[str, list[tuple[Instant, str, int, Record]]] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    rows: int = 0


@contextmanager
def without_collecting() -> Iterator[None]:
    """Nothing here makes cycles and much is kept: the collector would look at the same objects again and again, in vain."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def open_bytes(path: Path) -> BinaryIO:
    """The bytes of a file."""
    return path.open("rb")


def read_feed(
    profile: Profile, lines: Lines, paths: Iterable[Path], until: Instant, opened: Callable[[Path], BinaryIO] = open_bytes
) -> Feed:
    """Read all files. Raises InputError for one that cannot be read, or that lacks a column that the profile names.

    `opened` opens a file's bytes; a progress bar may count them.
    """
    reading = Reading()
    with without_collecting():
        for path in sorted(paths, key=lambda path: (path.name, str(path))):
            read_file(profile, lines, path, reading, opened)
        return ordered(reading, profile.reference.column, until)


def read_file(profile: Profile, lines: Lines, path: Path, reading: Reading, opened: Callable[[Path], BinaryIO]) -> None:
    """Read one file into `reading`."""
    rows = numbered_rows(path, profile, opened)
    _, header = next(rows, (1, []))
    adapter = Adapter(profile, header)
    if adapter.missing:
        found = "; ".join(missing_column(column, key, lines, header) for column, key in adapter.missing.items())
        raise InputError(f"{path}:1: {found}")
    file = path.name
    for line, row in rows:
        reading.rows += 1
        try:
            record = adapter.read(row)
        except Invalid as fault:
            reference = printable(adapter.reference(row))
            reading.rejected.append(Rejected(file, line, reference, fault.field, printable(fault.value), fault.reason))
        else:
            met = reading.records.setdefault(record.issue.reference, [])
            met.append((record.reported, file, line, record))


def missing_column(column: str, key: str, lines: Lines, header: Sequence[str]) -> str:
    """The error of a column that is not there: what, who names it, what to do."""
    where = lines.where(tuple(key.split(".")))
    has = ", ".join(header) or "nothing"
    return f"no column {column!r}, which {key} names ({where}); correct the profile: the file has {has}"


def numbered_rows(path: Path, profile: Profile, opened: Callable[[Path], BinaryIO]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file, each with its first physical line (the header's is 1). Empty lines are no rows."""
    try:
        with opened(path) as raw:
            packed = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
            text = io.TextIOWrapper(packed, marked(profile.csv.encoding), errors="surrogateescape", newline="")
            reader = csv.reader(text, delimiter=profile.csv.delimiter)
            line = 1
            for row in reader:
                if row:
                    yield line, row
                line = reader.line_num + 1
    except (OSError, EOFError, LookupError, UnicodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def marked(encoding: str) -> str:
    """The encoding; UTF-8 also with a byte order mark at its start. Raises LookupError for an unknown one."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def printable(text: str) -> str:
    """Undecodable bytes as backslash escapes, so that they can be written again."""
    return text.encode("utf-8", "backslashreplace").decode()


def ordered(reading: Reading, reference_column: str, until: Instant) -> Feed:
    """Each reference once, the first by (reported, file, line); then all inputs by (time, reference, report before ending)."""
    feed = Feed([], reading.rejected, reading.rows, 0, 0, 0, {})
    inputs: list[tuple[Instant, str, int, str, IssueReported | EndedAtSource]] = []
    records, reading.records = reading.records, {}
    while records:
        reference, met = records.popitem()
        first = settled(met, reference_column, feed)
        if first.reported >= until:
            feed.after_until += 1
            continue
        feed.accepted += 1
        if first.published is not None:
            feed.published[reference] = first.published
        inputs.append((first.reported, reference, 0, first.issue.issue, first.issue))
        if first.ending is not None and first.ended is not None and first.ended < until:
            inputs.append((first.ended, reference, 1, first.ending.action, first.ending))
    inputs.sort(key=lambda item: item[:3])
    feed.rejected.sort()
    feed.drafts = [Draft(at, sys.intern(subject), event) for at, _, _, subject, event in inputs]
    return feed


def settled(met: list[tuple[Instant, str, int, Record]], reference_column: str, feed: Feed) -> Record:
    """The record that stays of those under one reference; the others are repeats, or rejected for their other content."""
    met.sort(key=lambda item: item[:3])
    first = met[0][3]
    for _, file, line, record in met[1:]:
        if record.content == first.content:
            feed.duplicates += 1
        else:
            reference = record.issue.reference
            reason = f"this reference came before with other content, in {met[0][1]} line {met[0][2]}"
            feed.rejected.append(Rejected(file, line, reference, reference_column, reference, reason))
    return first
