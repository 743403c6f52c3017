"""A log: per shard one order of rows, without gaps, in which time never goes back.

Here are its protocol and the log in memory. Every implementation passes one contract suite
(tests/contract/log_contract.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any, Protocol

from eventlog.core.decider import REFERENCE
from eventlog.core.row import Draft, Generation, Head, Progress, Row, Watermark, make
from events.errors import Conflict, Truncated
from events.instants import BEGINNING, Instant

subject_of = attrgetter("subject")


class Source(Protocol):
    """A log for its readers."""

    name: str

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        """Return at most `limit` rows after a position, in order. Raises Truncated if some are
        gone.
        """

    async def row(self, shard: str, position: int) -> Row | None:
        """Return the row at a position; None if there is none. No reader of the log notices."""

    async def watermark(self, shard: str) -> Watermark:
        """Return the last position, and the instant before which no more rows come."""

    async def generation(self, shard: str) -> Generation:
        """Return the generation of the shard; number 0 while there is none."""

    async def head(self, shard: str) -> Head:
        """Return the watermark and the generation of the shard, at one instant."""


class OutcomeSource(Source, Protocol):
    """A log in which the outcome of an input is looked up, also if the input had to wait."""

    async def late(self, shard: str, cause: str) -> Sequence[Row]:
        """Return the late rows of a cause, in order: those by which an input that had waited was
        decided, or expired.
        """


class Log(Source, Protocol):
    """A log for the shell of the service that writes it."""

    async def append(self, shard: str, drafts: Sequence[Draft]) -> list[Row]:
        """Append drafts, as intake does; return them as rows with the positions that they got."""

    async def commit(
        self, shard: str, rows: Sequence[Row], progress: Progress | None = None
    ) -> None:
        """Append rows that a stage has numbered. Raises Conflict if they do not follow.

        `progress` is that of the stage; without it, the progress when it made the last row.
        """

    async def announce(self, shard: str, watermark: Instant, applied: int = 0) -> Watermark:
        """Let time pass up to a watermark, without a row, and notify the readers.

        `applied` is the last input that the stage applied. Time may be further already.
        """

    async def progress(self, shard: str) -> Progress:
        """Return the progress of the stage that writes this log, as it was stored last."""


async def row_at(log: Source, shard: str, position: int) -> Row | None:
    """Read the row at a position; return None if there is none."""
    rows = await log.read(shard, position - 1, 1)
    return rows[0] if rows else None


def check_follows(rows: Sequence[Row]) -> None:
    """Check that rows follow each other: positions, times, sequences. Raises Conflict."""
    times = [row.time for row in rows]
    positions = [row.position for row in rows]
    first = rows[0].position
    if positions != list(range(first, first + len(rows))) or times != sorted(times):
        before, after = next(
            (a, b) for a, b in pairwise(rows) if b.position != a.position + 1 or b.time < a.time
        )
        raise Conflict(f"{after.id} at {after.time} does not follow {before.id} at {before.time}")
    sequences: dict[str, int] = {}
    for row in rows:
        subject, sequence = row.subject, row.sequence
        if sequences.get(subject, sequence - 1) != sequence - 1:
            raise Conflict(
                f"{row.id} is number {sequence} of {subject}, after {sequences[subject]}"
            )
        sequences[subject] = sequence


def has_adoption(rows: Sequence[Row]) -> bool:
    """Tell if reference data are adopted by any of the rows. Most batches adopt none."""
    return REFERENCE in map(subject_of, rows)


def cut_at_reference(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cut a batch after every adoption, because the next look-ups need the new reference data."""
    start = 0
    if has_adoption(rows):
        for i, row in enumerate(rows, 1):
            if row.subject == REFERENCE:
                yield rows[start:i]
                start = i
    if start < len(rows):
        yield rows[start:]


class MemoryShard:
    """One shard of the log in memory: the rows after position `start`."""

    __slots__ = ("acknowledged", "applied", "references", "rows", "start", "time")

    def __init__(self, readers: Iterable[str]) -> None:
        self.rows: list[Row] = []
        self.start = 0
        self.references = 0
        self.applied = 0
        self.time: Instant = BEGINNING
        self.acknowledged = dict.fromkeys(readers, 0)

    @property
    def position(self) -> int:
        """The last position."""
        return self.start + len(self.rows)


class MemoryLog:
    """A log in memory. It drops a row once all `readers` acknowledged it; without any it drops
    none. Its stage has all states in memory, too, unless it is given a store of `states`.
    """

    states: Any = None
    tracing: Any = None

    def __init__(self, name: str, readers: Iterable[str] = ()) -> None:
        self.name = name
        self._readers = tuple(readers)
        self._shards: dict[str, MemoryShard] = {}

    def _shard(self, name: str) -> MemoryShard:
        if name not in self._shards:
            self._shards[name] = MemoryShard(self._readers)
        return self._shards[name]

    async def append(self, shard: str, drafts: Sequence[Draft]) -> list[Row]:
        stored = self._shard(shard)
        rows = []
        for position, (at, subject, event) in enumerate(drafts, stored.position + 1):
            stored.time = max(stored.time, at)
            stored.references += subject == REFERENCE
            sequence = stored.references if subject == REFERENCE else 1
            row = (self.name, shard, position, stored.time, 0, 1, subject, sequence, "", event)
            rows.append(make(Row, row))
        stored.rows += rows
        return rows

    async def commit(
        self, shard: str, rows: Sequence[Row], progress: Progress | None = None
    ) -> None:
        if not rows:
            return
        stored = self._shard(shard)
        check_follows(rows)
        if rows[0].position != stored.position + 1 or rows[0].time < stored.time:
            raise Conflict(
                f"{rows[0].id} at {rows[0].time} does not follow "
                f"{self.name}/{shard}/{stored.position} at {stored.time}"
            )
        stored.rows += rows
        stored.applied, stored.time = progress or Progress(rows[-1].input, rows[-1].time)

    async def announce(self, shard: str, watermark: Instant, applied: int = 0) -> Watermark:
        stored = self._shard(shard)
        stored.time = max(stored.time, watermark)
        stored.applied = max(stored.applied, applied)
        return Watermark(stored.position, stored.time)

    async def progress(self, shard: str) -> Progress:
        stored = self._shard(shard)
        return Progress(stored.applied, stored.time)

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        stored = self._shard(shard)
        if after < stored.start:
            raise Truncated(
                f"{self.name}/{shard}: rows after {after} were requested, "
                f"but those up to {stored.start} are gone"
            )
        return stored.rows[after - stored.start : after - stored.start + limit]

    async def row(self, shard: str, position: int) -> Row | None:
        return await row_at(self, shard, position)

    async def late(self, shard: str, cause: str) -> Sequence[Row]:
        return [row for row in self._shard(shard).rows if row.cause == cause and row.is_late]

    async def watermark(self, shard: str) -> Watermark:
        stored = self._shard(shard)
        return Watermark(stored.position, stored.time)

    async def generation(self, shard: str) -> Generation:
        return Generation(1)

    async def head(self, shard: str) -> Head:
        return Head(await self.watermark(shard), await self.generation(shard), b"")

    def acknowledge(self, reader: str, shard: str, position: int) -> None:
        """Drop the rows that no reader needs any more; this one needs none up to `position`."""
        stored = self._shard(shard)
        stored.acknowledged[reader] = position
        count = min(stored.acknowledged.values()) - stored.start
        if count > 0:
            del stored.rows[:count]
            stored.start += count
