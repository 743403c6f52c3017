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
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.city.profile_loader import SourceLines
from gridcall.simulation.city.row_mapper import Record, RowMapper

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
    cores = min(len(os.sched_getaffinity(0)), len(paths))
    with ProcessPoolExecutor(cores, get_context("fork"), ignore_signals) as pool:
        yield from map(decoder.decode, pool.map(read_packed, repeat(profile), repeat(lines), paths))


def ignore_signals() -> None:
    """Leave signals to the parent process, which ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def read_packed(profile: Profile, lines: SourceLines, path: Path) -> bytes:
    """Return the content of a file, packed for another process."""
    return pack(read_file(profile, lines, path))


def read_file(profile: Profile, lines: SourceLines, path: Path) -> FileContent:
    """Return the content of a file. Raises InputError."""
    rows = numbered_rows(path, profile)
    _, header = next(rows, (1, []))
    mapper = RowMapper(profile, header)
    if message := header_fault(mapper, lines, header):
        raise InputError(f"{path}:1: {message}")
    records: list[PackedRecord] = []
    rejected: list[RejectedRow] = []
    for line, row in rows:
        try:
            records.append(pack_record(line, mapper.read(row)))
        except Invalid as fault:
            rejected.append(reject(path, line, mapper.reference(row), fault))
    return FileContent(path.name, len(records) + len(rejected), records, rejected)


def header_fault(mapper: RowMapper, lines: SourceLines, header: Sequence[str]) -> str | None:
    """Return the fault of a header that lacks or repeats a column of the profile, or None."""
    if mapper.missing_columns:
        return "; ".join(
            missing_column(column, key, lines, header)
            for column, key in mapper.missing_columns.items()
        )
    if mapper.repeated_columns:
        column = mapper.repeated_columns[0]
        return f"column {column!r} is in the header twice; leave one of them"
    return None


def reject(path: Path, line: int, reference: str, fault: Invalid) -> RejectedRow:
    """Return the row of rejected.csv for a row that is invalid."""
    value, reference = escape_undecodable(fault.value), escape_undecodable(reference)
    return RejectedRow(path.name, line, reference, fault.field, value, fault.reason)


def pack_record(line: int, record: Record) -> PackedRecord:
    """Return a record as it travels between processes."""
    reported, issue, ended, ending, content, published = record
    return PackedRecord(
        reported, line, issue.reference, content, published, pack(issue), ended, pack(ending)
    )


def missing_column(column: str, key: str, lines: SourceLines, header: Sequence[str]) -> str:
    """Return the error of a missing column."""
    location = lines.location(tuple(key.split(".")))
    has = ", ".join(header) or "nothing"
    return (
        f"no column {column!r}, which {key} names ({location}); "
        f"correct the profile: the file has {has}"
    )


def numbered_rows(path: Path, profile: Profile) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a file, each with its first physical line. The header has line 1.

    Empty lines are skipped. Raises InputError.
    """
    try:
        with path.open("rb") as raw:
            plain = gzip.GzipFile(fileobj=raw) if path.suffix.lower() == ".gz" else raw
            text = io.TextIOWrapper(
                plain, without_mark(profile.csv.encoding), errors="surrogateescape", newline=""
            )
            reader = csv.reader(text, delimiter=profile.csv.delimiter)
            line = 1
            for row in reader:
                if row:
                    yield line, row
                line = reader.line_num + 1
    except (OSError, EOFError, UnicodeError, csv.Error, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def without_mark(encoding: str) -> str:
    """Return the encoding; for UTF-8 the one that skips a byte order mark.

    Raises LookupError for an unknown encoding.
    """
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def escape_undecodable(text: str) -> str:
    """Return text with undecodable bytes as backslash escapes, so that it can be written."""
    return text.encode("utf-8", "backslashreplace").decode()
