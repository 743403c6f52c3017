"""Drives a stage: reads its inputs, applies them, commits to its own log, and lets time pass."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic, TypeVar

from eventlog.checkpoints import Checkpoints, Fetch, StateStore
from eventlog.core.aggregates import NotLoaded
from eventlog.core.log import Log, has_adoption
from eventlog.core.row import Progress, Row
from eventlog.core.stage import Stage
from eventlog.input_order import InputOrder
from eventlog.shared_values import SharedValues
from eventlog.tracing import BatchSpan, Tracing, begin_batch, span_block
from events.errors import Conflict
from events.instants import BEGINNING, Instant
from httpedge.telemetry import batch_time, count_events

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
    it are applied or replayed. `states` stores the aggregates; without it all are in memory.
    `tracing` is None while traces are off.
    """

    def __init__(
        self,
        stage: Stage[S, R],
        order: InputOrder,
        sink: Log,
        batch: int,
        fetch: Fetch = nothing_to_fetch,
        states: StateStore | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.stage = stage
        self.order = order
        self.sink = sink
        self.batch = batch
        self.fetch = fetch
        self._tracing = tracing
        self._decided: list[Row] = []
        self._span: BatchSpan | None = None  # Of what was decided and is not committed yet.
        self._progress = stage.progress
        self._stored = Progress(0, BEGINNING)  # What this runner has stored last.
        self._checkpoints = Checkpoints(stage, states) if states else None

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

    @property
    def next_due(self) -> Instant | None:
        """The instant at which the next timer of the stage is due, if any runs."""
        return self.stage.next_due

    @property
    def is_storing(self) -> bool:
        """True while a part of a checkpoint waits to be written: by the next step."""
        return self._checkpoints is not None and self._checkpoints.is_writing

    @property
    def rows_after_checkpoint(self) -> int:
        """The number of rows of the own log that a new owner would fold again."""
        stored = self._checkpoints.stored if self._checkpoints else 0
        return self.stage.position - stored

    async def catch_up(self) -> None:
        """Apply all rows that there are, then let time pass up to their watermark."""
        while await self.step():
            pass
        await self.advance_time()
        await self._finish_checkpoint()

    async def step(self) -> int:
        """Decide one batch while the one before it is committed; return the number of rows read.

        Only a full batch waits for the next step. What may be the last one is committed at once.
        """
        count = await (self._decide_and_store() if self._has_work() else self._decide())
        if count < self.batch or self._is_checkpoint_due():
            await self._commit(*self._take_decided())
        if not self._decided:  # Also while a backlog leads to no row.
            self._begin_checkpoint()
            if count:
                await self._store_progress()
        return count

    def _has_work(self) -> bool:
        """Tell if anything is to be stored. Tasks for nothing cost more than an empty read."""
        return bool(self._decided) or self.is_storing

    async def _decide_and_store(self) -> int:
        """Decide one batch while the one before it and a part of a checkpoint are stored."""
        self._take_states()
        count, *others = await asyncio.gather(
            self._decide(), self._store(*self._take_decided()), return_exceptions=True
        )
        faults = [each for each in (*others, count) if isinstance(each, BaseException)]
        if isinstance(count, BaseException) or faults:
            del count, others  # A traceback has this frame: the stage would be in a cycle.
            raise faults.pop(0)
        return count

    async def _store(self, rows: Sequence[Row], progress: Progress, span: BatchSpan | None) -> None:
        """Commit rows, and then write the states that were taken with them."""
        await self._commit(rows, progress, span)
        await self._write_states()

    async def _store_progress(self) -> None:
        """Store that inputs were applied which led to no row. A new owner begins after them."""
        if self.stage.input - self._stored.input >= PROGRESS_INPUTS:
            await self._announce(BEGINNING)

    async def advance_time(self) -> None:
        """Fire what was due before the watermark, if all rows before it were read."""
        stage = self.stage
        await self._commit(*self._take_decided())
        watermark = await self.order.watermark(stage.shard, stage.read)
        if watermark is not None:
            await self._commit(await self._fire_before(watermark), stage.progress)
            await self._announce(watermark)
        self._begin_checkpoint()
        self._take_states()
        await self._write_states()

    async def replay(self) -> None:
        """Take up the rows that the stage has written before, as far as its states lack them."""
        stage, values = self.stage, SharedValues()
        if self._checkpoints:
            await self._checkpoints.open(self.fetch)
        while rows := await self.sink.read(stage.shard, stage.position, self.batch):
            await self.fetch(rows)
            values.share(rows)
            if rows[0].step == 1:  # No state is taken amid a decision.
                await self._finish_checkpoint()
            await self._fold(rows)
        await self._finish_checkpoint()
        stage.input = max(stage.input, (await self.sink.progress(stage.shard)).input)
        stage.read = await self.order.split(stage.shard, stage.input)

    async def _decide(self) -> int:
        """Read a batch and apply it in parts; return the number of rows read."""
        stage = self.stage
        rows = await self.order.read(stage.shard, stage.read, self.batch)
        await self.fetch(rows)
        if self._checkpoints:
            await self._checkpoints.prepare(rows)
        if rows:
            span = begin_batch(self._tracing, "decide", self.sink.name, rows, stage.shard)
            with batch_time(self.sink.name, "decide"):
                await self._apply_in_parts(rows)
            if span:
                self._go_on_with(span)
        return len(rows)

    def _go_on_with(self, span: BatchSpan) -> None:
        """Give what was decided its contexts. Its span ends with the commit, if there is one."""
        span.follow(self._decided)
        if self._decided:
            self._span = span
        else:
            span.end()

    async def _apply_in_parts(self, rows: Sequence[Row]) -> None:
        """Apply a batch, and let others work in between."""
        for start in range(0, len(rows), PART):
            if start:
                await asyncio.sleep(0)
            self._decided += await self._apply(rows[start : start + PART])
            self._progress = self.stage.progress
            if self.stage.blocked:
                break  # What was decided is committed first; the next step raises.

    async def _apply(self, rows: Sequence[Row]) -> list[Row]:
        """Apply rows. What the stage turns out to need is loaded, and it goes on."""
        stage, before, decided = self.stage, self.stage.input, list[Row]()
        while True:
            decided += await self._apply_in_memory(rows[stage.input - before :])
            if not await self._has_loaded_missing():
                return decided

    async def _apply_in_memory(self, rows: Sequence[Row]) -> list[Row]:
        """Apply rows. An adoption may concern every aggregate: it leaves the event loop free."""
        if has_adoption(rows):
            return await asyncio.to_thread(self.stage.apply, rows)
        return self.stage.apply(rows)

    async def _fire_before(self, watermark: Instant) -> list[Row]:
        """Fire what was due before the watermark."""
        decided: list[Row] = []
        while True:
            decided += self.stage.advance_time(watermark)
            if not await self._has_loaded_missing():
                return decided

    async def _fold(self, rows: Sequence[Row]) -> None:
        """Fold rows of the own log."""
        if not self._checkpoints:
            self.stage.replay(rows)
            return
        await self._checkpoints.load(row.subject for row in rows)
        while rows := [row for row in rows if row.position > self.stage.position]:
            try:
                self.stage.replay(rows)
            except NotLoaded as missing:
                await self._checkpoints.resolve(missing)
            except Conflict:
                await self._checkpoints.drop()
                raise

    # ── Checkpoints ───────────────────────────────────────────────────────────────────────────────

    async def _has_loaded_missing(self) -> bool:
        """Load what the stage stopped for, if anything; return whether it goes on."""
        missing = self.stage.missing
        if missing is None or self._checkpoints is None:
            return False
        await self._checkpoints.resolve(missing)
        return True

    def _is_checkpoint_due(self) -> bool:
        return self._checkpoints is not None and self._checkpoints.is_due

    def _begin_checkpoint(self) -> None:
        """Begin a checkpoint if one is due, and forget what the last one made settled.

        Nothing is being decided now, and all that was decided is committed.
        """
        if self._checkpoints and not self.stage.blocked:
            self._checkpoints.forget()
            if self._checkpoints.is_due:
                self._checkpoints.begin()

    def _take_states(self) -> None:
        """Take a part of a checkpoint. All that was decided is committed before that is written.

        A stage that is blocked may know more.
        """
        if self._checkpoints and not self.stage.blocked:
            self._checkpoints.take_part()

    async def _write_states(self) -> None:
        """Write the part of a checkpoint that was taken."""
        if self._checkpoints:
            await self._checkpoints.write_part()

    async def _finish_checkpoint(self) -> None:
        """Write all of a checkpoint if one is due. Only for a stage that decides nothing now."""
        self._begin_checkpoint()
        while self.is_storing and not self.stage.blocked:
            self._take_states()
            await self._write_states()
        self._begin_checkpoint()

    def _take_decided(self) -> tuple[list[Row], Progress, BatchSpan | None]:
        """Return the rows that are not committed yet, the stage's progress with them, and their
        span.
        """
        rows, self._decided = self._decided, []
        span, self._span = self._span, None
        return rows, self._progress, span

    async def _commit(
        self, rows: Sequence[Row], progress: Progress, span: BatchSpan | None = None
    ) -> None:
        if not rows:
            return
        try:
            with span_block(span), batch_time(self.sink.name, "commit"):
                await self.sink.commit(self.stage.shard, rows, progress)
        except BaseException:
            self.stage.stop()
            self._decided.clear()
            raise
        self._stored = progress
        count_events(self.sink.name, (row.event for row in rows))

    async def _announce(self, watermark: Instant) -> None:
        """Let time pass in the own log, unless it knows already: its readers would look in vain."""
        stage, progress = self.stage, Progress(self.stage.input, watermark)
        if progress != self._stored:
            await self.sink.announce(stage.shard, watermark, stage.input)
            self._stored = progress
