"""The feed of simulate: files of a city → inputs in the order of their times, whatever the order of the files."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import msgspec

from events.catalogue import EndedAtSource, Instant, IssueReported
from events.row import Draft
from gridcall.files import Read, Rejected, read_files
from intake.profile import Lines, Profile

ENDING = 1  # A report comes before an ending of the same instant.
issue_of = msgspec.msgpack.Decoder(IssueReported).decode
ending_of = msgspec.msgpack.Decoder(EndedAtSource).decode


class Input(NamedTuple):
    """An input in its place, still packed. No two have the same instant, reference and kind."""

    at: Instant
    reference: str
    kind: int
    packed: bytes

    def draft(self) -> Draft:
        """What the door takes."""
        if self.kind == ENDING:
            ending = ending_of(self.packed)
            return Draft(self.at, ending.action, ending)
        issue = issue_of(self.packed)
        return Draft(self.at, issue.issue, issue)


@dataclass(slots=True)
class Feed:
    """What was read: the inputs, the next one last, and the count of every row."""

    inputs: list[Input] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    rows: int = 0
    duplicates: int = 0
    after_until: int = 0
    accepted: int = 0
    published: dict[str, bool] = field(default_factory=dict)  # reference → whether the source calls it overdue

    def digest(self) -> str:
        """What names these inputs, and no others."""
        digest = sha256()
        for at, reference, kind, packed in self.inputs:
            digest.update(f"{at} {kind} {reference}\n".encode())
            digest.update(packed)
        return digest.hexdigest()

    def next_at(self) -> Instant | None:
        """When the next input comes."""
        return self.inputs[-1].at if self.inputs else None

    def skip(self, count: int) -> None:
        """Leave out the next inputs: they were fed before."""
        del self.inputs[len(self.inputs) - count :]

    def take(self, count: int) -> list[Draft]:
        """Take the next inputs out: what was fed is not kept."""
        return [self.inputs.pop().draft() for _ in range(min(count, len(self.inputs)))]


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
    feed = Feed()
    first: dict[str, Read] = {}
    again: dict[str, list[Read]] = {}
    with without_collecting():
        for file in read_files(profile, lines, sorted(paths, key=lambda path: (path.name, str(path)))):
            feed.rows += file.rows
            feed.rejected += file.rejected
            for read in file.records:
                read.file = file.file
                if first.setdefault(read.reference, read) is not read:
                    again.setdefault(read.reference, []).append(read)
            progress(file.rows)
        for reference, others in again.items():
            first[reference] = settled([first[reference], *others], profile.reference.column, feed)
        order(first, feed, until)
    return feed


def settled(reads: list[Read], reference_column: str, feed: Feed) -> Read:
    """The record that stays of those under one reference; the others are repeats, or rejected for their other content."""
    first, *others = sorted(reads, key=lambda read: (read.reported, read.file, read.line))
    for read in others:
        if read.content == first.content:
            feed.duplicates += 1
        else:
            reason = f"this reference came before with other content, in {first.file} line {first.line}"
            feed.rejected.append(Rejected(read.file, read.line, read.reference, reference_column, read.reference, reason))
    return first


def order(first: dict[str, Read], feed: Feed, until: Instant) -> None:
    """All inputs by (time, reference, report before ending), the last one first. Empties `first`."""
    while first:
        reference, read = first.popitem()
        if read.reported >= until:
            feed.after_until += 1
            continue
        feed.accepted += 1
        if read.published is not None:
            feed.published[reference] = read.published
        feed.inputs.append(Input(read.reported, reference, 0, read.issue))
        if read.ended is not None and read.ended < until:
            feed.inputs.append(Input(read.ended, reference, ENDING, read.ending))
    feed.inputs.sort(key=itemgetter(0, 1, 2), reverse=True)
    feed.rejected.sort()
