"""The feed of simulate: files of a city → inputs in the order of their times, whatever the order of the files."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from events.catalogue import EndedAtSource, Instant, IssueReported
from events.row import Draft
from gridcall.files import Rejected, read_files
from intake.adapter import Record
from intake.profile import Lines, Profile


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


class Met(NamedTuple):
    """A record under its reference; the first in this order stays."""

    reported: Instant
    file: str
    line: int
    record: Record


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


def read_feed(
    profile: Profile,
    lines: Lines,
    paths: Iterable[Path],
    until: Instant,
    progress: Callable[[int], None] = lambda rows: None,
) -> Feed:
    """Read all files. Raises InputError for one that cannot be read, or that lacks a column that the profile names.

    `progress` is told, after each file, how many rows it had.
    """
    feed = Feed([], [], 0, 0, 0, 0, {})
    met: dict[str, list[Met]] = {}
    with without_collecting():
        for read in read_files(profile, lines, sorted(paths, key=lambda path: (path.name, str(path)))):
            feed.rows += read.rows
            feed.rejected += read.rejected
            for line, record in read.records:
                met.setdefault(record.issue.reference, []).append(Met(record.reported, read.file, line, record))
            progress(read.rows)
        order(met, feed, profile.reference.column, until)
    return feed


def order(met: dict[str, list[Met]], feed: Feed, reference_column: str, until: Instant) -> None:
    """Each reference once; then all inputs by (time, reference, report before ending). Empties `met`."""
    inputs: list[tuple[Instant, str, int, str, IssueReported | EndedAtSource]] = []
    while met:
        reference, records = met.popitem()
        first = records[0].record if len(records) == 1 else settled(records, reference_column, feed)
        if first.reported >= until:
            feed.after_until += 1
            continue
        feed.accepted += 1
        if first.published is not None:
            feed.published[reference] = first.published
        inputs.append((first.reported, reference, 0, first.issue.issue, first.issue))
        if first.ending is not None and first.ended is not None and first.ended < until:
            inputs.append((first.ended, reference, 1, first.ending.action, first.ending))
    inputs.sort()  # The first three decide: no two inputs have the same.
    feed.rejected.sort()
    feed.drafts = [Draft(at, subject, event) for at, _, _, subject, event in inputs]


def settled(records: list[Met], reference_column: str, feed: Feed) -> Record:
    """The record that stays of those under one reference; the others are repeats, or rejected for their other content."""
    first, *others = sorted(records, key=lambda met: met[:3])
    for _, file, line, record in others:
        if record.content == first.record.content:
            feed.duplicates += 1
        else:
            reference = record.issue.reference
            reason = f"this reference came before with other content, in {first.file} line {first.line}"
            feed.rejected.append(Rejected(file, line, reference, reference_column, reference, reason))
    return first.record
