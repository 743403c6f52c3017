"""Drives a stage: reads the log before it, applies, commits to its own log, and passes time on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from events.log import Log
from events.row import Row
from events.stage import Stage

S = TypeVar("S")
R = TypeVar("R")


class Runner(Generic[S, R]):
    """One stage between the log that it reads and the log that it writes."""

    def __init__(self, stage: Stage[S, R], source: Log, sink: Log, batch: int) -> None:
        self.stage = stage
        self.source = source
        self.sink = sink
        self.batch = batch

    async def catch_up(self) -> None:
        """Apply all that the source has, then believe its watermark and pass it on."""
        while await self.step():
            pass
        await self.pass_time()

    async def step(self) -> int:
        """Apply one batch; the number of rows that were read."""
        stage = self.stage
        rows = await self.source.read(stage.shard, stage.input, self.batch)
        await self._commit(stage.apply(rows))
        return len(rows)

    async def pass_time(self) -> None:
        """Fire what was due before the source's watermark, if everything before it was read."""
        stage = self.stage
        mark = await self.source.watermark(stage.shard)
        if mark.pos == stage.input:
            await self._commit(stage.pass_time(mark.w))
            await self.sink.announce(stage.shard, mark.w)

    async def _commit(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        try:
            await self.sink.commit(self.stage.shard, rows)
        except BaseException:
            self.stage.stop()
            raise
