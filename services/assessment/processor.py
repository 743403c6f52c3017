"""The work of one district: facts are merged first, and the stage follows them.

The watermark of `evaluations` is the instant at which figures are taken. So the stage reads no row
that is not merged, and no time passes for it before all earlier rows are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assessment.fact_projection import FactProjection
from assessment.store import FactStore
from eventlog.core.log import Source
from eventlog.core.row import Generation, Row, Watermark
from eventlog.input_order import InputOrder, checked_mark
from eventlog.stages import Stages
from events.errors import Outdated
from events.instants import Instant

MERGED_ROWS = 4_000  # At once: the more rows, the fewer facts are written again.


class AssessmentProcessor:
    """Merges the rows of both logs of a district into facts, then applies them to the stage."""

    def __init__(
        self, district: str, logs: Mapping[str, Any], stages: Stages, store: FactStore
    ) -> None:
        self.batch = MERGED_ROWS
        sources = [logs[name] for name in stages.sources]
        self.facts = FactProjection(district, sources, logs[stages.sink], store, self.batch)
        merged = {name: MergedRows(logs[name], self.facts) for name in stages.sources}
        self.runner = stages.processor(district, {**logs, **merged}, self.batch)

    @property
    def order(self) -> InputOrder:
        """The order in which the stage reads."""
        return self.runner.order

    @property
    def read(self) -> Mapping[str, int]:
        """The last position of each log that the stage has applied."""
        return self.runner.read

    @property
    def parked(self) -> int:
        """The number of aggregates that are parked."""
        return self.runner.parked

    @property
    def position(self) -> int:
        """The last position of `evaluations` that was written or replayed."""
        return self.runner.position

    @property
    def next_due(self) -> Instant | None:
        """The instant at which the next timer of the stage is due."""
        return self.runner.next_due

    @property
    def is_storing(self) -> bool:
        """True while a part of a checkpoint waits to be written."""
        return self.runner.is_storing

    @property
    def rows_after_checkpoint(self) -> int:
        """The number of rows of `evaluations` that a new owner would fold again."""
        return self.runner.rows_after_checkpoint

    async def replay(self) -> None:
        """Continue after what is merged, and replay the stage's log."""
        await self.facts.replay()
        await self.runner.replay()

    async def step(self) -> int:
        """Merge and apply the next rows; return how many the longer batch had."""
        try:
            merged = await self.facts.step()
        except Outdated:
            if applied := await self.runner.step():
                return applied  # What is merged is applied before the district halts.
            raise
        return max(merged, await self.runner.step())

    async def advance_time(self) -> None:
        """Let time pass up to the instant before which both logs are merged and applied."""
        await self.runner.advance_time()


class MergedRows:
    """A log as far as its rows are merged into facts."""

    def __init__(self, source: Source, facts: FactProjection) -> None:
        self.name = source.name
        self._source = source
        self._facts = facts

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        """Return at most `limit` merged rows after a position."""
        limit = min(limit, self._facts.read[self.name] - after)
        return await self._source.read(shard, after, limit) if limit > 0 else []

    async def row(self, shard: str, position: int) -> Row | None:
        """Return the row at a position; None if there is none."""
        return await self._source.row(shard, position)

    async def watermark(self, shard: str) -> Watermark:
        """Return the watermark of the log. Its position may not be merged yet.

        Raises Halted if the log is shorter than what is merged of it.
        """
        return await checked_mark(self._source, shard, self._facts.read[self.name])

    async def generation(self, shard: str) -> Generation:
        """Return the generation of the log."""
        return await self._source.generation(shard)
