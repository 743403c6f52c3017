"""Drives a stage: reads the log before it, applies, commits to its own log, and passes time on.

A shard has one owner at a time. Whatever goes wrong on the way (another owner, a database that is
away), what the stage knows is thrown away: the next owner recalls the stage's own log and goes on
after it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Generic, Protocol, TypeVar

from eventlog.core.log import Log, Source
from eventlog.core.row import Generation, Progress, Row
from eventlog.core.stage import Stage, deferred_positions
from eventlog.notifier import Notifier
from events.errors import Conflict, GridcallError, Halted, Unavailable

S = TypeVar("S")
R = TypeVar("R")

BATCH = 400
PART = 200  # Rows applied at a time: in between, what a commit hands over goes on its way.
QUIET_SECONDS = 1.0  # How long a reader trusts that nobody rang: then it looks by itself.
# While rows come, time is passed on so often: to do it behind each would be more work than the
# rows.
PASS_SECONDS = 0.05
AGAIN_SECONDS = 0.2  # Nothing announces that a lease ran out or a database is back.
STILL_SECONDS = 5.0  # An operator has to act first.

log = logging.getLogger("gridcall")


async def nothing_to_fetch(rows: Sequence[Row]) -> None:
    """For a stage whose decider needs nothing that lies beside the log."""


class Runner(Generic[S, R]):
    """One stage between the log that it reads and the log that it writes.

    `fetch` brings what lies beside the log, before rows that need it are applied or recalled:
    contents of reference data.
    """

    def __init__(
        self,
        stage: Stage[S, R],
        source: Source,
        sink: Log,
        batch: int,
        fetch: Callable[[Sequence[Row]], Awaitable[None]] = nothing_to_fetch,
    ) -> None:
        self.stage = stage
        self.source = source
        self.sink = sink
        self.batch = batch
        self.fetch = fetch
        self._decided: list[Row] = []
        self._passed = stage.progress

    @property
    def read(self) -> dict[str, int]:
        """How far each log is read."""
        return {self.source.name: self.stage.input}

    async def catch_up(self) -> None:
        """Apply all that the source has, then believe its watermark and pass it on."""
        while await self.step():
            pass
        await self.advance_time()

    async def step(self) -> int:
        """Decide one batch while the one before it is committed; the number of rows that were read.

        Only a full batch waits for the next step: what may be the last one is committed at once.
        """
        committed, count = await asyncio.gather(
            self._commit(*self._taken()), self._decide(), return_exceptions=True
        )
        if committed is not None:
            raise committed
        if isinstance(count, BaseException):
            raise count
        if count < self.batch:
            await self._commit(*self._taken())
        return count

    async def _decide(self) -> int:
        """Read a batch and apply it, in parts, so that a commit on its way is not held up; the
        number of rows.
        """
        stage = self.stage
        rows = await self.source.read(stage.shard, stage.input, self.batch)
        await self.fetch(rows)
        for start in range(0, len(rows), PART):
            self._decided += stage.apply(rows[start : start + PART])
            self._passed = stage.progress
            await asyncio.sleep(0)
        return len(rows)

    def _taken(self) -> tuple[list[Row], Progress]:
        """What was decided and is not committed, and how far the stage was with it."""
        rows, self._decided = self._decided, []
        return rows, self._passed

    async def advance_time(self) -> None:
        """Fire what was due before the source's watermark, if everything before it was read."""
        stage = self.stage
        await self._commit(*self._taken())
        mark = await self.source.watermark(stage.shard)
        if mark.position < stage.input:
            raise Halted(
                f"{self.source.name}/{stage.shard} ends at {mark.position}, but {stage.input} was read before: it was lost, or "
                "restored. If its service folds it again, this goes on by itself; else bring its database back"
            )
        if mark.position == stage.input:
            await self._commit(stage.advance_time(mark.watermark), stage.progress)
            await self.sink.announce(stage.shard, mark.watermark, stage.input)

    async def replay(self) -> None:
        """Take up what the stage has written before."""
        stage = self.stage
        while rows := await self.sink.read(stage.shard, stage.position, self.batch):
            await self.fetch(rows)
            stage.replay(rows, await self._deferred_inputs(rows))

    async def _deferred_inputs(self, rows: Sequence[Row]) -> dict[str, Row]:
        """Return the inputs behind parked subjects, by id: a retry will decide them."""
        source, shard, parking = self.source, self.stage.shard, self.stage.decider.parking
        positions = deferred_positions(rows, source.name, parking)
        inputs = [await source.row(shard, position) for position in positions]
        return {row.id: row for row in inputs}

    async def _commit(self, rows: Sequence[Row], passed: Progress) -> None:
        if not rows:
            return
        try:
            await self.sink.commit(self.stage.shard, rows, passed)
        except BaseException:
            self.stage.stop()
            self._decided.clear()
            raise


class OwnedLog(Log, Protocol):
    """A log whose shards have one owner at a time."""

    async def lease(self, shard: str) -> bool:
        """Become the owner of a shard, if nobody is."""

    async def follow(self, shard: str, read: Generation) -> None:
        """Be of the generation of the log that this one follows from. Raises Halted where it has
        read too much.
        """

    async def renew(self, shard: str) -> None:
        """Stay the owner. Raises Conflict where somebody else is."""

    async def release(self, shard: str) -> None:
        """Let others own a shard at once."""

    def forget(self, shard: str) -> None:
        """Believe nothing of a shard any more: what was written may have been cut away."""


class Processor(Protocol):
    """What a keeper keeps going. `source` is the log that it waits for."""

    source: Source
    batch: int

    @property
    def read(self) -> Mapping[str, int]:
        """How far each log is read."""

    async def replay(self) -> None:
        """Take up what was done before."""

    async def step(self) -> int:
        """Take a batch of each log; as many rows as the longest had."""

    async def advance_time(self) -> None:
        """Let time pass, if everything was read."""


class ShardSupervisor:
    """Keeps one shard of a service going: owns it when it can, and goes on where the last owner
    stopped.

    `made` gives a fresh runner, whose sink is the owned log.
    """

    def __init__(
        self, shard: str, sink: OwnedLog, notifier: Notifier, made: Callable[[], Processor]
    ) -> None:
        self.shard = shard
        self.sink = sink
        self.notifier = notifier
        self.made = made
        self.runner: Processor | None = None
        self.stopped_because = ""

    async def run(self) -> None:
        """Until cancelled; then the shard is released, so that another one takes over at once."""
        try:
            while True:
                await asyncio.sleep(await self._once())
        finally:
            await self._released()

    async def _once(self) -> float:
        """Own the shard as long as it goes; then how long to wait before the next try."""
        try:
            if await self.sink.lease(self.shard):
                await self._own()
        except GridcallError as fault:
            self.sink.forget(self.shard)
            return self._told(fault)
        finally:
            self.runner = None
        return AGAIN_SECONDS

    def _told(self, fault: GridcallError) -> float:
        """Say why the shard is thrown away, once; then how long to wait before the next try."""
        if isinstance(fault, Conflict | Unavailable):
            log.warning("%s/%s: %s; it is taken up again", self.sink.name, self.shard, fault)
            return AGAIN_SECONDS
        if str(fault) != self.stopped_because:
            log.error("%s/%s stands still: %s", self.sink.name, self.shard, fault)
        self.stopped_because = str(fault)
        return STILL_SECONDS

    async def _own(self) -> None:
        """Recall, then follow, once there is something to follow."""
        runner = self.made()
        generation = await runner.source.generation(self.shard)
        if not generation.number:
            await self.sink.release(self.shard)
            return
        await self.sink.follow(self.shard, generation)
        await self._recalled(runner)
        self.runner, self.stopped_because = runner, ""
        passed_at = 0.0
        while True:
            heard = self.notifier.count(runner.source.name, self.shard)
            read = await runner.step()
            if read == runner.batch:
                continue
            passes = not read or monotonic() > passed_at + PASS_SECONDS
            if passes:
                await runner.advance_time()
                passed_at = monotonic()
            await self.notifier.wait(
                runner.source.name, self.shard, heard, QUIET_SECONDS if passes else PASS_SECONDS
            )

    async def _recalled(self, runner: Processor) -> None:
        """Recall while somebody keeps the lease: a long log takes longer than a lease."""
        recalling = asyncio.ensure_future(runner.replay())
        try:
            while not (await asyncio.wait([recalling], timeout=QUIET_SECONDS))[0]:
                await self.sink.renew(self.shard)
            await recalling
        finally:
            recalling.cancel()

    async def _released(self) -> None:
        try:
            await self.sink.release(self.shard)
        except Unavailable as fault:
            log.warning(
                "%s/%s was not released: %s; its lease runs out", self.sink.name, self.shard, fault
            )
