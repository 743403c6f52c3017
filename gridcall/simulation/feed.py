"""The feed of simulate: all inputs of a city's files in the order of their times."""

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
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.city.profile_loader import SourceLines
from gridcall.simulation.csv_source import PackedRecord, RejectedRow, ignore_signals, read_files

SPOOL_INPUTS = 1000
REPORT, ENDING = 0, 1  # The order of inputs of the same instant.
unpack_issue = msgspec.msgpack.Decoder(IssueReported).decode
unpack_ending = msgspec.msgpack.Decoder(EndedAtSource).decode


pack = msgspec.msgpack.encode


class FedInput(NamedTuple):
    """A packed input. No two have the same instant, reference and kind."""

    at: Instant
    reference: str
    kind: int
    packed: bytes

    def draft(self) -> Draft:
        """Return the draft of a row of intake's log."""
        if self.kind == ENDING:
            ending = unpack_ending(self.packed)
            return Draft(self.at, ending.action, ending)
        issue = unpack_issue(self.packed)
        return Draft(self.at, issue.issue, issue)


unpack = msgspec.msgpack.Decoder(list[FedInput]).decode


class Spool:
    """Inputs in a file, read like a list from its end. A year of them needs no memory."""

    def __init__(self, file: BinaryIO, count: int) -> None:
        self._file = file
        self._remaining = count
        self._buffer: list[FedInput] = []

    def __len__(self) -> int:
        return self._remaining

    def __getitem__(self, last: Literal[-1]) -> FedInput:
        self._fill()
        return self._buffer[last]

    def pop(self) -> FedInput:
        """Remove and return the next input."""
        self._fill()
        self._remaining -= 1
        return self._buffer.pop()

    def _fill(self) -> None:
        if not self._buffer:
            size = int.from_bytes(self._file.read(4), "big")
            self._buffer = unpack(self._file.read(size))
            self._buffer.reverse()


def write_spool(inputs: list[FedInput], file: BinaryIO) -> tuple[int, str]:
    """Write inputs into a file for a spool. Return their number and their digest."""
    count, digest = len(inputs), sha256()
    while inputs:
        body = pack([inputs.pop() for _ in range(min(SPOOL_INPUTS, len(inputs)))])
        digest.update(body)
        file.write(len(body).to_bytes(4, "big") + body)
    file.flush()
    return count, digest.hexdigest()


@dataclass(slots=True)
class Feed:
    """The inputs, the next one last, and the counts of all rows."""

    inputs: list[FedInput] | Spool = field(default_factory=list)
    digest: str = ""  # Identifies the inputs of a spool.
    rejected: list[RejectedRow] = field(default_factory=list)
    rows: int = 0
    duplicates: int = 0
    after_until: int = 0
    accepted: int = 0
    # Reference → True if the source calls the case overdue.
    published: dict[str, bool] = field(default_factory=dict)

    def next_at(self, until: Instant) -> Instant:
        """Return the time of the next input; at the end, `until`."""
        return self.inputs[-1].at if self.inputs else until

    def skip(self, count: int) -> None:
        """Remove inputs that an earlier run has fed."""
        for _ in range(count):
            self.inputs.pop()

    def take(self, count: int) -> list[Draft]:
        """Remove and return the next inputs."""
        return [self.inputs.pop().draft() for _ in range(min(count, len(self.inputs)))]


@contextmanager
def without_collecting() -> Iterator[None]:
    """Disable the garbage collector: this code makes many lasting objects and no cycles."""
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
    """Return `read_feed` of a child process, whose memory ends with it.

    The inputs come through a file.
    """
    file = TemporaryFile()  # noqa: SIM115  # It is closed with the spool.
    receiver, sender = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)  # So that its own children can be killed with it.
        ignore_signals()
        sender.send(read_and_spool(profile, lines, paths, until, sender, file))
        os._exit(0)
    sender.close()
    try:
        return receive_feed(receiver, file, progress)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def read_and_spool(
    profile: Profile,
    lines: SourceLines,
    paths: Sequence[Path],
    until: Instant,
    sender: Connection,
    file: BinaryIO,
) -> tuple[Feed, int, str] | BaseException:
    """Return the feed without its inputs, with their number and digest, or the exception."""
    try:
        feed = read_feed(profile, lines, paths, until, sender.send)
        assert isinstance(feed.inputs, list)
        count, digest = write_spool(feed.inputs, file)
    except Exception as error:
        return error
    return feed, count, digest


def receive_feed(receiver: Connection, file: BinaryIO, progress: Callable[[int], None]) -> Feed:
    """Return the feed of the child process. Raises the exception of the child."""
    while isinstance(message := receiver.recv(), int):
        progress(message)
    if isinstance(message, BaseException):
        raise message
    feed, count, digest = message
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
    """Return the feed of all files, in any order. Raises InputError.

    `progress` gets the number of rows of each file.
    """
    feed = Feed()
    first: dict[str, PackedRecord] = {}
    repeated: dict[str, list[PackedRecord]] = {}
    with without_collecting():
        for file in read_files(
            profile, lines, sorted(paths, key=lambda path: (path.name, str(path)))
        ):
            feed.rows += file.rows
            feed.rejected += file.rejected
            for record in file.records:
                record.file = file.file
                if first.setdefault(record.reference, record) is not record:
                    repeated.setdefault(record.reference, []).append(record)
            progress(file.rows)
        for reference, others in repeated.items():
            first[reference] = resolve_repeats(
                [first[reference], *others], profile.reference.title, feed
            )
        add_inputs(feed, first, until)
    return feed


def resolve_repeats(records: list[PackedRecord], reference_column: str, feed: Feed) -> PackedRecord:
    """Return the first record of a reference.

    Others are duplicates, or rejected if their content is different.
    """
    first, *others = sorted(records, key=lambda each: (each.reported, each.file, each.line))
    for record in others:
        if record.content == first.content:
            feed.duplicates += 1
        else:
            reason = (
                f"this reference came before with other content, in {first.file} line {first.line}"
            )
            feed.rejected.append(
                RejectedRow(
                    record.file,
                    record.line,
                    record.reference,
                    reference_column,
                    record.reference,
                    reason,
                )
            )
    return first


def add_inputs(feed: Feed, records: dict[str, PackedRecord], until: Instant) -> None:
    """Fill the feed by (time, reference, report before ending), the next input last.

    Empties `records`, so that both never need memory at once.
    """
    inputs: list[FedInput] = []
    while records:
        reference, record = records.popitem()
        if record.reported >= until:
            feed.after_until += 1
            continue
        feed.accepted += 1
        if record.published is not None:
            feed.published[reference] = record.published
        inputs.append(FedInput(record.reported, reference, REPORT, record.issue))
        if record.ended is not None and record.ended < until:
            inputs.append(FedInput(record.ended, reference, ENDING, record.ending))
    inputs.sort(key=itemgetter(0, 1, 2), reverse=True)
    feed.inputs = inputs
    feed.rejected.sort()
