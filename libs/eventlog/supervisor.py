"""Keeps the shards of a service running: takes a shard's lease, replays, and follows its source.

A shard has one owner at a time. After any fault the memory of the shard is thrown away. The next
owner replays the log and goes on after it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Protocol

from eventlog.condition import Replay
from eventlog.core.log import Log
from eventlog.core.row import Generation
from eventlog.input_order import InputOrder
from eventlog.leases import RENEW_SECONDS, LeasedLog, SharedLeases
from eventlog.log_once import LogOnce, Outages
from eventlog.notifier import Notifier
from eventlog.retry import Backoff
from events.errors import Conflict, GridcallError, Unavailable
from events.instants import Instant
from httpedge.telemetry import OWNER_CHANGES

LEASE_POLL_SECONDS = 0.2  # Nothing announces that a lease ran out.
# A reader looks by itself this often, in case a notification was lost. Intake's clock notifies the
# readers of a quiet district every five seconds: one that looked as often would look twice.
SOURCE_POLL_SECONDS = 7.0
ADVANCE_SECONDS = 0.05  # While rows come, time advances this often: doing it after each costs more.
HALTED_SECONDS = 5.0  # An operator has to act first.
UNWIND_SECONDS = 5.0  # For work that is cancelled. A lost database may hold it up for longer.

log = logging.getLogger("gridcall")


class OwnedLog(Log, LeasedLog, Protocol):
    """A log whose shards have one owner at a time."""

    async def lease(self, shard: str) -> bool:
        """Become the owner of a shard, if it has none."""

    async def follow(self, shard: str, read: Generation) -> None:
        """Take the generation of the log that this one reads. Raises Halted if it read too much."""

    async def renew(self, shard: str, *, folded: int = 0) -> None:
        """Stay the owner, who has replayed up to `folded`. Raises Conflict if there is another
        one.
        """

    def last(self, shard: str) -> int:
        """Return the last position that this process wrote, or that the lease began with."""

    async def release(self, shard: str) -> None:
        """Let others own a shard at once."""

    def forget(self, shard: str) -> None:
        """Forget the memory of a shard, because rows may have been cut away."""


class Processor(Protocol):
    """The work of one shard, in the order of its inputs."""

    batch: int

    @property
    def order(self) -> InputOrder:
        """The order in which the inputs are read."""

    @property
    def read(self) -> Mapping[str, int]:
        """The last position of each log that was read."""

    @property
    def parked(self) -> int:
        """The number of subjects that are parked."""

    @property
    def position(self) -> int:
        """The last position of the own log that was written or replayed."""

    @property
    def next_due(self) -> Instant | None:
        """The instant at which the next timer is due, if any runs."""

    @property
    def is_storing(self) -> bool:
        """True while the next step has more to store, also without inputs."""

    @property
    def rows_after_checkpoint(self) -> int:
        """The number of rows of the own log that a new owner would fold again."""

    async def replay(self) -> None:
        """Take up the work that was done before."""

    async def step(self) -> int:
        """Process a batch of each log; return the number of rows of the longest one."""

    async def advance_time(self) -> None:
        """Let time pass, if all rows were read."""


class ShardSupervisor:
    """Keeps one shard of a service running. `make` gives a fresh processor, whose sink is `sink`.

    The supervisors of a service share its `outages` and its `leases`, which renew that of a shard
    that it follows. `is_standby` says that another process owns the shard, which this one takes
    over as soon as it can.
    """

    def __init__(
        self,
        shard: str,
        sink: OwnedLog,
        notifier: Notifier,
        make: Callable[[], Processor],
        leases: SharedLeases,
        outages: Outages | None = None,
    ) -> None:
        self.shard = shard
        self.sink = sink
        self.notifier = notifier
        self.make = make
        self.leases = leases
        self.runner: Processor | None = None
        self.halted_because = ""
        self.is_standby = False
        self._replaying: Processor | None = None
        self._name = f"{sink.name}/{shard}"
        self._backoff = Backoff()
        self._outages = outages or Outages(log, sink.name)
        self._log = LogOnce(log, service=self._outages.service, district=shard)

    @property
    def replay(self) -> Replay | None:
        """The part of the log that is folded; None unless this process takes over the shard."""
        if self._replaying is None:
            return None
        folded, rows = self._replaying.position, self.sink.last(self.shard)
        return Replay(name=self._name, folded=folded, rows=rows)

    async def run(self) -> None:
        """Run until cancelled, then release the shard, so that another can take it at once."""
        try:
            while True:
                await asyncio.sleep(await self._try_once())
        finally:
            await self._release()

    async def _try_once(self) -> float:
        """Own the shard for as long as it goes; return the pause before the next try."""
        try:
            is_owner = await self.sink.lease(self.shard)
            self._outages.end(self._name)
            self.is_standby = not is_owner
            if is_owner:
                await self._own()
            else:
                self.halted_because = ""  # Another owner goes on, perhaps of a newer build.
        except GridcallError as fault:
            self.sink.forget(self.shard)
            self.is_standby = isinstance(fault, Conflict)  # There is another owner.
            return self._pause_after(fault)
        finally:
            self.runner = None
        return LEASE_POLL_SECONDS

    def _pause_after(self, fault: GridcallError) -> float:
        """Log a fault; return the pause before the next try."""
        if isinstance(fault, Unavailable):
            self._outages.begin(self._name, fault)
            return self._backoff.pause_seconds()
        if isinstance(fault, Conflict):
            self._log.warning(f"{self._name} retrying: {fault}")
            return self._backoff.pause_seconds()
        self._log.error(f"{self._name} halted: {fault}")
        self.halted_because = str(fault)
        return HALTED_SECONDS

    async def _own(self) -> None:
        """Replay, then follow the inputs, once they have begun."""
        processor = self.make()
        generation = await processor.order.generation(self.shard)
        if not generation.number:
            await self.sink.release(self.shard)
            return
        await self.sink.follow(self.shard, generation)
        await self._take_over(processor)
        self.runner, self.halted_because = processor, ""
        self._log.clear()
        self._backoff.reset()
        await self._follow(processor)

    async def _take_over(self, processor: Processor) -> None:
        """Replay the own log, and let others see how far that is."""
        self._replaying = processor
        try:
            await self._replay(processor)
            await self.sink.renew(self.shard, folded=processor.position)
            OWNER_CHANGES.labels(self.sink.name, self.shard).inc()
        finally:
            self._replaying = None
        gc.freeze()  # The state lives long: the collector would look at all of it again and again.

    async def _replay(self, processor: Processor) -> None:
        """Replay the own log while the lease is renewed, because a long one takes longer than it.

        A replay that is cancelled has ended before the lease is released or taken again.
        """
        replaying = asyncio.ensure_future(processor.replay())
        try:
            while not (await asyncio.wait([replaying], timeout=RENEW_SECONDS))[0]:
                await self.sink.renew(self.shard, folded=processor.position)
            await replaying
        finally:
            if not replaying.done():  # It shares the lease's memory.
                replaying.cancel()
                await asyncio.wait([replaying], timeout=UNWIND_SECONDS)
            del replaying  # A fault holds this frame, which would hold the fault and all states.

    async def _follow(self, processor: Processor) -> None:
        """Process rows as they come, and let time pass in between."""
        last_log, advanced_at = processor.order.last_log, 0.0
        with self.leases.renew_meanwhile(self.shard, last_log):
            while True:
                count = self.notifier.count(last_log, self.shard)
                read = await processor.step()
                if read == processor.batch:
                    continue
                is_early = monotonic() <= advanced_at + ADVANCE_SECONDS
                if is_early and processor.is_storing:
                    continue
                if is_early and read and await self._comes_more(last_log, count):
                    continue
                await processor.advance_time()
                advanced_at = monotonic()
                if not processor.is_storing:
                    await self.notifier.wait(last_log, self.shard, count, SOURCE_POLL_SECONDS)

    async def _comes_more(self, log: str, count: int) -> bool:
        """Wait a moment, and tell if there was another notification."""
        await self.notifier.wait(log, self.shard, count, ADVANCE_SECONDS)
        return self.notifier.count(log, self.shard) != count

    async def _release(self) -> None:
        try:
            await self.sink.release(self.shard)
        except Unavailable as fault:
            self._log.warning(f"{self._name} not released: {fault}; its lease runs out by itself")
