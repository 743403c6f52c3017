"""The CSV files of a city. Each row becomes a record or is rejected. One process per core reads."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import signal
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import msgspec

from events.errors import GridcallError, Invalid
from events.instants import Instant
from gridcall.simulation.city.header import Header
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.city.profile_loader import SourceLines
from gridcall.simulation.city.row_mapper import Record, RowMapper
from gridcall.simulation.city.text import escape_undecodable

csv.field_size_limit(2**31 - 1)


class InputError(GridcallError):
    """A file cannot be read, or lacks a column of the profile."""


class RejectedRow(NamedTuple):
    """A row of rejected.csv."""

    file: str
    line: int
    reference: str
    column: str
    value: str
    reason: str


class PackedRecord(msgspec.Struct, array_like=True, gc=False):
    """A record and its first physical line.

    Its events stay packed until they are fed, because a year of them is large.
    """

    reported: Instant
    line: int
    reference: str
    content: bytes
    published: bool | None
    issue: bytes
    ended: Instant | None
    ending: bytes
    file: str = ""


class FileContent(NamedTuple):
    """The records and the rejected rows of a file."""

    file: str
    rows: int
    records: list[PackedRecord]
    rejected: list[RejectedRow]


pack = msgspec.msgpack.encode
decoder = msgspec.msgpack.Decoder(FileContent)


def read_files(
    profile: Profile, lines: SourceLines, paths: Sequence[Path]
) -> Iterator[FileContent]:
    """Yield the content of files in their order. Raises InputError."""
    check_headers(profile, lines, paths)
    cores = min(len(os.sched_getaffinity(0)), len(paths))
    with ProcessPoolExecutor(cores, get_context("fork"), ignore_signals) as pool:
        yield from map(decoder.decode, pool.map(read_packed, repeat(profile), repeat(lines), paths))


def check_headers(profile: Profile, lines: SourceLines, paths: Sequence[Path]) -> None:
    """Raise InputError with the faults of all headers, so that they can be corrected at once.

    A pipe is left out, because it can be read only once.
    """
    faults: list[str] = []
    for path in paths:
        if path.is_file() or not path.exists():
            try:
                header = read_header(numbered_rows(path, profile), profile)
                faults += header_faults(path, header, profile, lines)
            except InputError as error:
                faults.append(str(error))
    if faults:
        raise InputError("\n".join(faults))


def ignore_signals() -> None:
    """Leave signals to the parent process, which ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def read_packed(profile: Profile, lines: SourceLines, path: Path) -> bytes:
    """Return the content of a file, packed for another process."""
    return pack(read_file(profile, lines, path))


def read_file(profile: Profile, lines: SourceLines, path: Path) -> FileContent:
    """Return the content of a file. Raises InputError."""
    name = escape_undecodable(path.name)
    rows = numbered_rows(path, profile)
    header = read_header(rows, profile)
    if faults := header_faults(path, header, profile, lines):
        raise InputError("\n".join(faults))
    mapper = RowMapper(profile, header, name)
    records: list[PackedRecord] = []
    rejected: list[RejectedRow] = []
    for line, row in rows:
        try:
            records.append(pack_record(line, mapper.read(row, line)))
        except Invalid as fault:
            rejected.append(reject(name, line, mapper.reference(row, line), fault))
    return FileContent(name, len(records) + len(rejected), records, rejected)


def read_header(rows: Iterator[tuple[int, list[str]]], profile: Profile) -> Header:
    """Return the header, which is the first of a file's rows."""
    _, cells = next(rows, (1, []))
    return Header(profile, cells)


def header_faults(path: Path, header: Header, profile: Profile, lines: SourceLines) -> list[str]:
    """Return a line for each column of the profile that a header lacks or repeats."""
    faults = [missing_column(column, key, header, lines) for column, key in header.missing.items()]
    if faults:
        has = ", ".join(" ".join(name.split()) for name in header.names) or "nothing"
        faults.append(f"correct the profile: the file has {has}")
    if faults and (reason := header.likely_fault(profile.csv.delimiter)):
        faults.append(f"read as {profile.csv.encoding}: {reason}")
    faults += [
        f"column {column!r} is in the header twice; leave one of them" for column in header.repeated
    ]
    return [f"{path}:1: {fault}" for fault in faults]


def missing_column(column: str, key: str, header: Header, lines: SourceLines) -> str:
    """Return the error of a missing column."""
    nearest = header.nearest(column)
    like = f"; the nearest is {nearest!r}" if nearest else ""
    location = lines.location(tuple(key.split(".")))
    return f"no column {column!r}, which {key} names ({location}){like}"


def reject(file: str, line: int, reference: str, fault: Invalid) -> RejectedRow:
    """Return the row of rejected.csv for a row that is invalid."""
    value, reference = escape_undecodable(fault.value), escape_undecodable(reference)
    return RejectedRow(file, line, reference, fault.field, value, fault.reason)


def pack_record(line: int, record: Record) -> PackedRecord:
    """Return a record as it travels between processes."""
    reported, issue, ended, ending, content, published = record
    return PackedRecord(
        reported, line, issue.reference, content, published, pack(issue), ended, pack(ending)
    )


def numbered_rows(path: Path, profile: Profile) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a file, each with its first physical line. The header has line 1.

    Empty lines are skipped. Raises InputError.
    """
    encoding = profile.csv.encoding
    try:
        with path.open("rb") as raw:
            plain = gzip.GzipFile(fileobj=raw) if path.suffix.lower() == ".gz" else raw
            text = io.TextIOWrapper(
                plain, without_mark(encoding), errors="surrogateescape", newline=""
            )
            reader = csv.reader(text, delimiter=profile.csv.delimiter)
            line = 1
            for row in reader:
                if row:
                    yield line, row
                line = reader.line_num + 1
    except UnicodeError as error:
        raise InputError(
            f"{path}: cannot be read as {encoding}: {error}; name the file's own encoding in "
            "csv.encoding of the profile"
        ) from error
    except (OSError, EOFError, csv.Error, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def without_mark(encoding: str) -> str:
    """Return the encoding; for UTF-8 the one that skips a byte order mark.

    Raises LookupError for an unknown encoding.
    """
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
