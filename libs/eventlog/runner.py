"""Drives a stage: reads its inputs, applies them, commits to its own log, and lets time pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from eventlog.core.decider import REFERENCE
from eventlog.core.log import Log
from eventlog.core.row import Progress, Row
from eventlog.core.stage import Stage
from eventlog.input_order import InputOrder
from eventlog.shared_values import SharedValues
from events.instants import BEGINNING

S = TypeVar("S")
R = TypeVar("R")

BATCH = 400
PROGRESS_INPUTS = 1_000  # Inputs without a row, after which the progress is stored.
PART = 200  # Rows applied at a time, so that a commit on its way is not held up.


async def nothing_to_fetch(rows: Sequence[Row]) -> None:
    """Fetch nothing: the decider needs nothing from beside the log."""


class Runner(Generic[S, R]):
    """One stage between the order that it reads and the log that it writes.

    `fetch` brings what is stored beside the log (contents of reference data) before rows that need
    it are applied or replayed.
    """

    def __init__(
        self,
        stage: Stage[S, R],
        order: InputOrder,
        sink: Log,
        batch: int,
        fetch: Callable[[Sequence[Row]], Awaitable[None]] = nothing_to_fetch,
    ) -> None:
        self.stage = stage
        self.order = order
        self.sink = sink
        self.batch = batch
        self.fetch = fetch
        self._decided: list[Row] = []
        self._progress = stage.progress
        self._stored = 0  # The last input that was stored without a row.

    @property
    def read(self) -> dict[str, int]:
        """The last position of each log that was read."""
        return {name: self.stage.read.get(name, 0) for name in self.order.logs}

    @property
    def parked(self) -> int:
        """The number of subjects that are parked."""
        return len(self.stage.parked)

    @property
    def position(self) -> int:
        """The last position of the own log that was written or replayed."""
        return self.stage.position

    async def catch_up(self) -> None:
        """Apply all rows that there are, then let time pass up to their watermark."""
        while await self.step():
            pass
        await self.advance_time()

    async def step(self) -> int:
        """Decide one batch while the one before it is committed; return the number of rows read.

        Only a full batch waits for the next step. What may be the last one is committed at once.
        """
        committed, count = await asyncio.gather(
            self._commit(*self._take_decided()), self._decide(), return_exceptions=True
        )
        if isinstance(committed, BaseException) or isinstance(count, BaseException):
            faults = [each for each in (committed, count) if isinstance(each, BaseException)]
            del committed, count  # A traceback has this frame: the stage would be in a cycle.
            raise faults.pop(0)
        if count < self.batch:
            await self._commit(*self._take_decided())
        if count and not self._decided:
            await self._store_progress()
        return count

    async def _store_progress(self) -> None:
        """Store that inputs were applied which led to no row. A new owner begins after them."""
        stage = self.stage
        if stage.input - self._stored >= PROGRESS_INPUTS:
            await self.sink.announce(stage.shard, BEGINNING, stage.input)
            self._stored = stage.input

    async def advance_time(self) -> None:
        """Fire what was due before the watermark, if all rows before it were read."""
        stage = self.stage
        await self._commit(*self._take_decided())
        watermark = await self.order.watermark(stage.shard, stage.read)
        if watermark is not None:
            await self._commit(stage.advance_time(watermark), stage.progress)
            await self.sink.announce(stage.shard, watermark, stage.input)

    async def replay(self) -> None:
        """Take up the rows that the stage has written before."""
        stage, values = self.stage, SharedValues()
        while rows := await self.sink.read(stage.shard, stage.position, self.batch):
            await self.fetch(rows)
            values.share(rows)
            stage.replay(rows)
        stage.input = max(stage.input, (await self.sink.progress(stage.shard)).input)
        stage.read = await self.order.split(stage.shard, stage.input)

    async def _decide(self) -> int:
        """Read a batch and apply it in parts; return the number of rows read."""
        stage = self.stage
        rows = await self.order.read(stage.shard, stage.read, self.batch)
        await self.fetch(rows)
        for start in range(0, len(rows), PART):
            self._decided += await self._apply(rows[start : start + PART])
            self._progress = stage.progress
            if stage.blocked:
                break  # What was decided is committed first; the next step raises.
            await asyncio.sleep(0)
        return len(rows)

    async def _apply(self, rows: Sequence[Row]) -> list[Row]:
        """Apply rows. An adoption may concern every aggregate: it leaves the event loop free."""
        if any(row.subject == REFERENCE for row in rows):
            return await asyncio.to_thread(self.stage.apply, rows)
        return self.stage.apply(rows)

    def _take_decided(self) -> tuple[list[Row], Progress]:
        """Return the rows that are not committed yet, and the stage's progress with them."""
        rows, self._decided = self._decided, []
        return rows, self._progress

    async def _commit(self, rows: Sequence[Row], progress: Progress) -> None:
        if not rows:
            return
        try:
            await self.sink.commit(self.stage.shard, rows, progress)
        except BaseException:
            self.stage.stop()
            self._decided.clear()
            raise
