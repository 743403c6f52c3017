"""The feed of simulate: files of a city → inputs in the order of their times, whatever the order of the files."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Literal, NamedTuple, cast

import msgspec

from eventlog.core.row import Draft
from events.catalogue import EndedAtSource, IssueReported
from events.instants import Instant
from gridcall.simulation.city.profile import Profile, SourceLines
from gridcall.simulation.csv_source import Read, Rejected, read_files, undisturbed

SPOOL_INPUTS = 1000
ENDING = 1  # A report comes before an ending of the same instant.
issue_of = msgspec.msgpack.Decoder(IssueReported).decode
ending_of = msgspec.msgpack.Decoder(EndedAtSource).decode


packed = msgspec.msgpack.encode


class FedInput(NamedTuple):
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


unpacked = msgspec.msgpack.Decoder(list[FedInput]).decode


class Spool:
    """Inputs in a file, taken out like those of a list: while a year of them is fed it needs no memory."""

    def __init__(self, file: BinaryIO, count: int) -> None:
        self._file = file
        self._left = count
        self._ahead: list[FedInput] = []

    def __len__(self) -> int:
        return self._left

    def __getitem__(self, last: Literal[-1]) -> FedInput:
        self._look()
        return self._ahead[last]

    def pop(self) -> FedInput:
        """The next input."""
        self._look()
        self._left -= 1
        return self._ahead.pop()

    def _look(self) -> None:
        if not self._ahead:
            size = int.from_bytes(self._file.read(4), "big")
            self._ahead = unpacked(self._file.read(size))
            self._ahead.reverse()


def spooled(inputs: list[FedInput], file: BinaryIO) -> tuple[int, str]:
    """Write inputs into a file, as a spool reads them; their number, and their digest."""
    count, digest = len(inputs), sha256()
    while inputs:
        body = packed([inputs.pop() for _ in range(min(SPOOL_INPUTS, len(inputs)))])
        digest.update(body)
        file.write(len(body).to_bytes(4, "big") + body)
    file.flush()
    return count, digest.hexdigest()


@dataclass(slots=True)
class Feed:
    """What was read: the inputs, the next one last, and the count of every row."""

    inputs: list[FedInput] | Spool = field(default_factory=list)
    digest: str = ""  # It names the inputs of a spool, and no others.
    rejected: list[Rejected] = field(default_factory=list)
    rows: int = 0
    duplicates: int = 0
    after_until: int = 0
    accepted: int = 0
    published: dict[str, bool] = field(
        default_factory=dict
    )  # reference → whether the source calls it overdue

    def next_at(self) -> Instant | None:
        """When the next input comes."""
        return self.inputs[-1].at if self.inputs else None

    def skip(self, count: int) -> None:
        """Leave out the next inputs: they were fed before."""
        for _ in range(count):
            self.inputs.pop()

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


def read_feed_in_child(
    profile: Profile,
    lines: SourceLines,
    paths: Sequence[Path],
    until: Instant,
    progress: Callable[[int], None],
) -> Feed:
    """`read_feed` in a process of its own, whose memory ends with it; the inputs come through a file."""
    file = TemporaryFile()  # noqa: SIM115  # It is closed with the spool.
    said, saying = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)  # What it forks ends with it.
        undisturbed()
        saying.send(outcome_of_reading(profile, lines, paths, until, saying, file))
        os._exit(0)
    saying.close()
    try:
        return heard_from(said, file, progress)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def outcome_of_reading(
    profile: Profile,
    lines: SourceLines,
    paths: Sequence[Path],
    until: Instant,
    saying: Connection,
    file: BinaryIO,
) -> tuple[Feed, int, str] | BaseException:
    """What the other process tells at its end: the feed without its inputs, their number and digest; or what went wrong."""
    try:
        feed = read_feed(profile, lines, paths, until, saying.send)
        assert isinstance(feed.inputs, list)
        count, digest = spooled(feed.inputs, file)
    except Exception as fault:
        return fault
    return feed, count, digest


def heard_from(said: Connection, file: BinaryIO, progress: Callable[[int], None]) -> Feed:
    """The feed, as soon as the other process has it. Raises what it raised."""
    while isinstance(word := said.recv(), int):
        progress(word)
    if isinstance(word, BaseException):
        raise word
    feed, count, digest = word
    file.seek(0)
    feed.inputs, feed.digest = Spool(file, count), digest
    return cast(Feed, feed)


def read_feed(
    profile: Profile,
    lines: SourceLines,
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
        for file in read_files(
            profile, lines, sorted(paths, key=lambda path: (path.name, str(path)))
        ):
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
            reason = (
                f"this reference came before with other content, in {first.file} line {first.line}"
            )
            feed.rejected.append(
                Rejected(
                    read.file, read.line, read.reference, reference_column, read.reference, reason
                )
            )
    return first


def order(first: dict[str, Read], feed: Feed, until: Instant) -> None:
    """All inputs by (time, reference, report before ending), the last one first. Empties `first`."""
    inputs: list[FedInput] = []
    while first:
        reference, read = first.popitem()
        if read.reported >= until:
            feed.after_until += 1
            continue
        feed.accepted += 1
        if read.published is not None:
            feed.published[reference] = read.published
        inputs.append(FedInput(read.reported, reference, 0, read.issue))
        if read.ended is not None and read.ended < until:
            inputs.append(FedInput(read.ended, reference, ENDING, read.ending))
    inputs.sort(key=itemgetter(0, 1, 2), reverse=True)
    feed.inputs = inputs
    feed.rejected.sort()
