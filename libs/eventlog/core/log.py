"""A log: per shard one order of rows, without gaps, in which time never goes back. Here its
protocol and the one in memory.

Every implementation passes the same contract suite (tests/contract/log_contract.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

from eventlog.core.decider import REFERENCE
from eventlog.core.row import Draft, Generation, Progress, Row, Watermark
from events.errors import Conflict, Truncated
from events.instants import BEGINNING, Instant


class Source(Protocol):
    """What somebody needs of a log who reads it."""

    name: str

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        """At most `limit` rows after a position, in order. Raises Truncated if some of them were
        dropped.
        """

    async def row(self, shard: str, position: int) -> Row:
        """The row of a position that was read before. Raises Truncated where it is gone."""

    async def watermark(self, shard: str) -> Watermark:
        """The last position, and up to which instant nothing more comes."""

    async def generation(self, shard: str) -> Generation:
        """Of which generation the shard is; number 0 while there is none."""


class Log(Source, Protocol):
    """What the shell of a service needs of its own log."""

    async def append(self, shard: str, drafts: Sequence[Draft]) -> list[Row]:
        """Append as the door does: the log gives each draft the next position, a time that never
        goes back, and a sequence.
        """

    async def commit(self, shard: str, rows: Sequence[Row], passed: Progress | None = None) -> None:
        """Append as a stage does: rows that it has numbered. Raises Conflict if they do not follow.

        `passed` is how far the stage is; without it, how far it was when it made the last row.
        """

    async def announce(self, shard: str, watermark: Instant, applied: int = 0) -> Watermark:
        """Let time pass up to `w`, without a row, and tell the readers. It may be
        further already.
        """


def at(log: str, shard: str, position: int, rows: Sequence[Row]) -> Row:
    """The row of a position, if these rows begin with it. Raises Truncated."""
    if not rows or rows[0].position != position:
        raise Truncated(f"{log}/{shard}/{position} was read before, and is gone")
    return rows[0]


def check_follows(rows: Sequence[Row]) -> None:
    """Whether rows follow each other: positions, times, sequences. Raises Conflict where they do
    not.
    """
    times = [row.time for row in rows]
    if [row.position for row in rows] != list(
        range(rows[0].position, rows[0].position + len(rows))
    ) or times != sorted(times):
        wrong = next(
            (b, a) for b, a in pairwise(rows) if a.position != b.position + 1 or a.time < b.time
        )
        raise Conflict("{1.id} at {1.time} does not follow {0.id} at {0.time}".format(*wrong))
    sequences: dict[str, int] = {}
    for row in rows:
        subject, sequence = row.subject, row.sequence
        if sequences.get(subject, sequence - 1) != sequence - 1:
            raise Conflict(
                f"{row.id} is number {sequence} of {subject}, after {sequences[subject]}"
            )
        sequences[subject] = sequence


class Kept:
    """What the log in memory keeps of one shard: the rows after position `start`."""

    __slots__ = ("passed", "references", "rows", "start", "time")

    def __init__(self, readers: Iterable[str]) -> None:
        self.rows: list[Row] = []
        self.start = 0
        self.references = 0
        self.time: Instant = BEGINNING
        self.passed = dict.fromkeys(readers, 0)

    @property
    def position(self) -> int:
        return self.start + len(self.rows)


class MemoryLog:
    """A log in memory. With named `readers` it drops a row once all of them have passed it; without
    any it keeps all.
    """

    def __init__(self, name: str, readers: Iterable[str] = ()) -> None:
        self.name = name
        self._readers = tuple(readers)
        self._shards: dict[str, Kept] = {}

    def _kept(self, shard: str) -> Kept:
        if shard not in self._shards:
            self._shards[shard] = Kept(self._readers)
        return self._shards[shard]

    async def append(self, shard: str, drafts: Sequence[Draft]) -> list[Row]:
        kept = self._kept(shard)
        rows = []
        for position, draft in enumerate(drafts, kept.position + 1):
            kept.time = max(kept.time, draft.at)
            kept.references += draft.subject == REFERENCE
            sequence = kept.references if draft.subject == REFERENCE else 1
            rows.append(
                Row(
                    self.name,
                    shard,
                    position,
                    kept.time,
                    0,
                    1,
                    draft.subject,
                    sequence,
                    "",
                    draft.event,
                )
            )
        kept.rows += rows
        return rows

    async def commit(self, shard: str, rows: Sequence[Row], passed: Progress | None = None) -> None:
        if not rows:
            return
        kept = self._kept(shard)
        check_follows(rows)
        if rows[0].position != kept.position + 1 or rows[0].time < kept.time:
            raise Conflict(
                f"{rows[0].id} at {rows[0].time} does not follow {self.name}/{shard}/{kept.position} at {kept.time}"
            )
        kept.rows += rows
        kept.time = rows[-1].time

    async def announce(self, shard: str, watermark: Instant, applied: int = 0) -> Watermark:
        kept = self._kept(shard)
        kept.time = max(kept.time, watermark)
        return Watermark(kept.position, kept.time)

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        kept = self._kept(shard)
        if after < kept.start:
            raise Truncated(
                f"{self.name}/{shard}: rows after {after} were asked for, kept are those after {kept.start}"
            )
        return kept.rows[after - kept.start : after - kept.start + limit]

    async def row(self, shard: str, position: int) -> Row:
        return at(self.name, shard, position, await self.read(shard, position - 1, 1))

    async def watermark(self, shard: str) -> Watermark:
        kept = self._kept(shard)
        return Watermark(kept.position, kept.time)

    async def generation(self, shard: str) -> Generation:
        return Generation(1)

    def passed(self, reader: str, shard: str, position: int) -> None:
        """A reader needs nothing up to `pos` any more."""
        kept = self._kept(shard)
        kept.passed[reader] = position
        done = min(kept.passed.values()) - kept.start
        if done > 0:
            del kept.rows[:done]
            kept.start += done
