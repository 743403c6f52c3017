"""The order in which a stage reads its inputs: that of one log, or of two that are merged.

A stage counts the rows that it applied. How far that is in each log follows from the logs, so that
nothing about it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from eventlog.core.log import Source
from eventlog.core.merged import Page, release
from eventlog.core.row import Generation, Row, Watermark
from events.errors import Halted
from events.instants import Instant

Positions = Mapping[str, int]  # The last position of each log; 0 for one that is not named.


class InputOrder(Protocol):
    """The rows of one or several logs in one order, the same whenever they are read."""

    @property
    def logs(self) -> Sequence[str]:
        """The names of the logs."""

    @property
    def last_log(self) -> str:
        """The name of the log whose rows and watermarks come last."""

    async def read(self, shard: str, after: Positions, limit: int) -> Sequence[Row]:
        """Return at most `limit` rows that follow those up to these positions."""

    async def watermark(self, shard: str, read: Positions) -> Instant | None:
        """Return the instant before which all rows were read; None if it is not known yet.

        Raises Halted if a log is shorter than what was read of it.
        """

    async def time(self, shard: str) -> Instant:
        """Return the instant up to which time has passed in all logs."""

    async def split(self, shard: str, count: int) -> dict[str, int]:
        """Return the last position of each log among the first `count` rows."""

    async def generation(self, shard: str) -> Generation:
        """Return the generation of the order; number 0 while there is none.

        `forked_at` counts rows of this order.
        """


class SingleOrder:
    """The order of one log."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.last_log = source.name
        self.logs = (source.name,)

    async def read(self, shard: str, after: Positions, limit: int) -> Sequence[Row]:
        return await self.source.read(shard, after.get(self.last_log, 0), limit)

    async def watermark(self, shard: str, read: Positions) -> Instant | None:
        position = read.get(self.last_log, 0)
        mark = await checked_mark(self.source, shard, position)
        return mark.watermark if mark.position == position else None

    async def time(self, shard: str) -> Instant:
        return (await self.source.watermark(shard)).watermark

    async def split(self, shard: str, count: int) -> dict[str, int]:
        return {self.last_log: count}

    async def generation(self, shard: str) -> Generation:
        return await self.source.generation(shard)


class MergedOrder:
    """The order of two logs, merged by time. `second` follows from `first`.

    Rows that cannot be released yet are pending for the next read, so that none is read twice.
    """

    def __init__(self, first: Source, second: Source) -> None:
        self.sources = (first, second)
        self.logs = (first.name, second.name)
        self.last_log = second.name
        self._pending: dict[tuple[str, str], list[Row]] = {}  # By log and shard.

    async def read(self, shard: str, after: Positions, limit: int) -> Sequence[Row]:
        pages = [
            await self._page(source, shard, after.get(source.name, 0), limit)
            for source in self.sources
        ]
        return release(pages, limit)

    async def watermark(self, shard: str, read: Positions) -> Instant | None:
        positions = [read.get(name, 0) for name in self.logs]
        marks = [
            await checked_mark(source, shard, position)
            for source, position in zip(self.sources, positions, strict=True)
        ]
        watermark = min(mark.watermark for mark in marks)
        for source, position, mark in zip(self.sources, positions, marks, strict=True):
            if position < mark.position:
                rows = await self._rows_after(source, shard, position, 1)
                if not rows or rows[0].time < watermark:
                    return None
        return watermark

    async def time(self, shard: str) -> Instant:
        return min([(await source.watermark(shard)).watermark for source in self.sources])

    async def split(self, shard: str, count: int) -> dict[str, int]:
        """Search for the last row of the first log that is among the first `count` of both."""
        low, high = 0, count
        while low < high:
            middle = (low + high + 1) // 2
            if await self._is_within(shard, middle, count):
                low = middle
            else:
                high = middle - 1
        positions = {self.logs[0]: low, self.logs[1]: count - low}
        await self._check_exist(shard, positions)
        return positions

    async def _is_within(self, shard: str, position: int, count: int) -> bool:
        """Tell whether a row of the first log is among the first `count` of both.

        It is, unless so many rows of the second log come before it that it has no room.
        """
        first, second = self.sources
        row = await first.row(shard, position)
        rival = await second.row(shard, count - position + 1)
        return row is not None and (rival is None or row.time <= rival.time)

    async def _check_exist(self, shard: str, positions: Positions) -> None:
        """Check that logs have the rows that were read of them. Raises Halted."""
        for source in self.sources:
            position = positions[source.name]
            if position and await source.row(shard, position) is None:
                end = (await source.watermark(shard)).position
                raise Halted(lost_input(source.name, shard, end, position))

    async def generation(self, shard: str) -> Generation:
        """Return the generation of both logs, as soon as the second follows that of the first.

        A row of the second log that was lost followed from a lost row of the first. So all rows up
        to the last common one of the first are common.
        """
        first, second = [await source.generation(shard) for source in self.sources]
        if first.number != second.number:
            return Generation(0)
        last = await self.sources[0].row(shard, first.forked_at) if first.forked_at else None
        if last is None:
            return first._replace(forked_at=0)
        before = await self._count_before(shard, last.time, second.forked_at)
        return first._replace(forked_at=last.position + before)

    async def _count_before(self, shard: str, time: Instant, high: int) -> int:
        """Return how many of the first `high` rows of the second log are before an instant."""
        low = 0
        while low < high:
            middle = (low + high + 1) // 2
            row = await self.sources[1].row(shard, middle)
            if row is not None and row.time < time:
                low = middle
            else:
                high = middle - 1
        return low

    async def _page(self, source: Source, shard: str, after: int, limit: int) -> Page:
        """Return the rows of a log after a position.

        They are more than `limit` if those have one time: only a later one shows that it is over.
        """
        mark = await source.watermark(shard)  # Before the rows: up to here they are all there.
        rows = await self._rows_after(source, shard, after, limit)
        while len(rows) >= limit and rows[0].time == rows[-1].time:
            count = len(rows)
            rows = await self._rows_after(source, shard, after, count + limit)
            if len(rows) == count:
                break
        return Page(rows, rows[-1].position if rows else after, mark)

    async def _rows_after(
        self, source: Source, shard: str, after: int, limit: int
    ) -> Sequence[Row]:
        """Return the rows that are pending after a position, and those that follow them."""
        pending = self._pending.setdefault((source.name, shard), [])
        skipped = after + 1 - pending[0].position if pending else 0
        if 0 <= skipped <= len(pending):
            del pending[:skipped]
        else:
            pending.clear()
        if len(pending) < limit:
            end = pending[-1].position if pending else after
            pending += await source.read(shard, end, limit - len(pending))
        return pending


async def checked_mark(source: Source, shard: str, position: int) -> Watermark:
    """Return the watermark of a log that was read up to a position. Raises Halted if it ends
    before.
    """
    mark = await source.watermark(shard)
    if mark.position < position:
        raise Halted(lost_input(source.name, shard, mark.position, position))
    return mark


def lost_input(log: str, shard: str, end: int, read: int) -> str:
    """Return the sentence for a log that is shorter than what was read of it."""
    return (
        f"{log}/{shard} ends at {end}, but {read} was read before: it was lost, or restored. "
        "If its service folds it again, this goes on by itself; else restore its database"
    )
