"""The files of a city, read row by row: each row a record, or rejected. Several files are read at once, one per core."""

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
from gridcall.simulation.city.profile import Profile, SourceLines
from gridcall.simulation.city.row_mapper import Adapter, Record

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


class Read(msgspec.Struct, array_like=True, gc=False):
    """A record with its first physical line; its events stay packed until they are fed, for a year of them is large."""

    reported: Instant
    line: int
    reference: str
    content: bytes
    published: bool | None
    issue: bytes
    ended: Instant | None
    ending: bytes
    file: str = ""


class FileRead(NamedTuple):
    """What was read of one file: its records and its rejected rows."""

    file: str
    rows: int
    records: list[Read]
    rejected: list[Rejected]


pack = msgspec.msgpack.encode
decoder = msgspec.msgpack.Decoder(FileRead)


def read_files(profile: Profile, lines: SourceLines, paths: Sequence[Path]) -> Iterator[FileRead]:
    """Read files, in their order, one per core at a time. Raises InputError for one that cannot be read, or lacks a column."""
    cores = min(len(os.sched_getaffinity(0)), len(paths))
    with ProcessPoolExecutor(cores, get_context("fork"), undisturbed) as pool:
        yield from map(decoder.decode, pool.map(packed, repeat(profile), repeat(lines), paths))


def undisturbed() -> None:
    """A reading process leaves signals to the one that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def packed(profile: Profile, lines: SourceLines, path: Path) -> bytes:
    """What was read of one file, to be sent to another process."""
    return pack(read_file(profile, lines, path))


def read_file(profile: Profile, lines: SourceLines, path: Path) -> FileRead:
    """Read one file."""
    rows = numbered_rows(path, profile)
    _, header = next(rows, (1, []))
    adapter = Adapter(profile, header)
    if adapter.missing:
        found = "; ".join(
            missing_column(column, key, lines, header) for column, key in adapter.missing.items()
        )
        raise InputError(f"{path}:1: {found}")
    if adapter.doubled:
        raise InputError(
            f"{path}:1: column {adapter.doubled[0]!r} stands in the header twice; leave one of them"
        )
    records: list[Read] = []
    rejected: list[Rejected] = []
    for line, row in rows:
        try:
            records.append(read_as(line, adapter.read(row)))
        except Invalid as fault:
            reference = printable(adapter.reference(row))
            rejected.append(
                Rejected(
                    path.name, line, reference, fault.field, printable(fault.value), fault.reason
                )
            )
    return FileRead(path.name, len(records) + len(rejected), records, rejected)


def read_as(line: int, record: Record) -> Read:
    """A record as it travels between processes."""
    reported, issue, ended, ending, content, published = record
    return Read(
        reported, line, issue.reference, content, published, pack(issue), ended, pack(ending)
    )


def missing_column(column: str, key: str, lines: SourceLines, header: Sequence[str]) -> str:
    """The error of a column that is not there: what, who names it, what to do."""
    where = lines.where(tuple(key.split(".")))
    has = ", ".join(header) or "nothing"
    return f"no column {column!r}, which {key} names ({where}); correct the profile: the file has {has}"


def numbered_rows(path: Path, profile: Profile) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file, each with its first physical line (the header's is 1). Empty lines are no rows."""
    try:
        with path.open("rb") as raw:
            packed = gzip.GzipFile(fileobj=raw) if path.suffix.lower() == ".gz" else raw
            text = io.TextIOWrapper(
                packed, marked(profile.csv.encoding), errors="surrogateescape", newline=""
            )
            reader = csv.reader(text, delimiter=profile.csv.delimiter)
            line = 1
            for row in reader:
                if row:
                    yield line, row
                line = reader.line_num + 1
    except (OSError, EOFError, UnicodeError, csv.Error, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def marked(encoding: str) -> str:
    """The encoding; UTF-8 also with a byte order mark at its start. Raises LookupError for an unknown one."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def printable(text: str) -> str:
    """Undecodable bytes as backslash escapes, so that they can be written again."""
    return text.encode("utf-8", "backslashreplace").decode()
