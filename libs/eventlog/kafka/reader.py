"""Reads a log over Kafka, by one integer.

The next position is taken, an earlier one is dropped, and a gap or silence asks the writer's log.
Rows of another generation than the writer's are not taken. So no fault of a topic loses a row or
takes one twice. Such faults are doubled and zombie relays, retention, and topics or clusters that
were replaced.

Offsets are never stored. Record n of a log is at offset n - 1, or later if relays repeated
themselves, so that reading begins there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice
from time import monotonic

from eventlog.core.log import Source
from eventlog.core.row import Generation, Head, Row, Watermark
from eventlog.kafka.follower import TopicFollower
from eventlog.kafka.shard_buffer import ShardBuffer
from eventlog.kafka.topics import Cluster
from eventlog.log_once import Outages
from eventlog.notifier import Notifier
from eventlog.tracing import Tracing
from events.errors import Conflict, Halted, Invalid, Unavailable
from events.instants import BEGINNING

PAGE = 1_000  # Rows of one request to the writer.
LOOK_SECONDS = 0.5
UNREAD_SECONDS = 30.0  # A shard that is not read for so long has another owner.


class KafkaLog:
    """The log of another service, read over Kafka.

    `partition_of` gives a shard's number, -1 while it has none. Under the name `group` the broker
    learns how far its records are read.
    """

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        partition_of: Callable[[str], int],
        writer: Source,
        notifier: Notifier,
        group: str | None = None,
        outages: Outages | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.name = name
        self.writer = writer
        self.notifier = notifier
        self._buffers: dict[str, ShardBuffer] = {}
        self._follower = TopicFollower(
            name, cluster, partition_of, self._buffers, notifier, group, outages, tracing
        )

    # ── For readers ───────────────────────────────────────────────────────────────────────────────

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        """Return at most `limit` rows after a position. Rows that are not buffered come from the
        writer.

        Raises, once, Conflict if the log is of another generation now, and Halted if it is shorter
        than what was read. Raises Unavailable while the writer's generation is not known.
        """
        buffer = await self._buffer(shard, after)
        if buffer.fault:
            raise buffer.take_fault()
        rows = buffer.rows
        if after > buffer.last:
            buffer.restart(after)
            self._follower.changed.set()
        while rows and rows[0].position <= after:
            rows.popleft()
        if rows and rows[0].position == after + 1:
            buffer.read_up_to = max(buffer.read_up_to, after + min(limit, len(rows)))
            return list(islice(rows, limit))
        if after >= buffer.last:
            return []
        end = rows[0].position - 1 if rows else buffer.last
        return await self.writer.read(shard, after, min(limit, end - after))

    async def row(self, shard: str, position: int) -> Row | None:
        """Return the row at a position, from the writer: it is far from those that are buffered."""
        return await self.writer.row(shard, position)

    async def watermark(self, shard: str) -> Watermark:
        """Return the last known position, and the instant before which no more rows come.

        Without a watermark for that very position no time has passed. More rows of the last
        decision may be on their way, and a deadline must not fire between the rows of one decision.
        """
        buffer = await self._buffer(shard, 0)
        if buffer.mark.position == buffer.last:
            return buffer.mark
        return Watermark(buffer.last, BEGINNING)

    async def generation(self, shard: str) -> Generation:
        """Return the generation of the writer's log."""
        return await self.writer.generation(shard)

    async def head(self, shard: str) -> Head:
        """Return the watermark, and the generation of the rows that are read here."""
        generation = (await self._buffer(shard, 0)).generation
        return Head(await self.watermark(shard), generation, b"")

    def count_received(self) -> dict[str, int]:
        """Return how many rows of each shard were received and wait for their reader."""
        return {name: len(buffer.rows) for name, buffer in self._buffers.items()}

    async def _buffer(self, shard: str, after: int) -> ShardBuffer:
        buffer = self._buffers.get(shard)
        if buffer is None or not buffer.generation.number:
            generation = await self.writer.generation(shard)
            buffer = self._buffers.setdefault(shard, ShardBuffer(shard, after))
            buffer.generation = generation
            self._follower.changed.set()
        buffer.read_at = monotonic()
        return buffer

    # ── The topics and the writer ─────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Follow the shards that are read, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask_writer())
            group.create_task(self._follower.run())

    async def _ask_writer(self) -> None:
        """Ask the writer about silent shards, and forget those that are not read any more."""
        while True:
            for buffer in list(self._buffers.values()):
                if monotonic() - buffer.read_at > UNREAD_SECONDS:
                    del self._buffers[buffer.name]
                    self._follower.changed.set()
                elif buffer.is_silent:
                    await self._ask_about(buffer)
            await asyncio.sleep(LOOK_SECONDS)

    async def _ask_about(self, buffer: ShardBuffer) -> None:
        name = f"{self.name}/{buffer.name}"
        try:
            await self._fill(buffer)
            self._follower.outages.end(name)
        except Unavailable as fault:
            if buffer.has_gap:
                self._follower.outages.begin(name, fault)
        except Invalid as fault:
            buffer.fault = Halted(f"{name} is unreadable after {buffer.last}: {fault}")

    async def _fill(self, buffer: ShardBuffer) -> None:
        """Fill the buffer with the writer's rows, and take the writer's watermark."""
        generation = await self.writer.generation(buffer.name)
        mark = await self.writer.watermark(buffer.name)
        buffer.fault = self._fault_of(buffer, generation, mark) or buffer.fault
        buffer.generation = generation
        if buffer.fault:
            buffer.restart(min(buffer.read_up_to, mark.position))
        buffer.has_gap = False
        while not buffer.is_full and buffer.last < mark.position:
            rows = await self.writer.read(buffer.name, buffer.last, PAGE)
            if not rows:
                break
            for row in rows:
                buffer.add(row)
        if mark.position <= buffer.last and mark.watermark > buffer.mark.watermark:
            buffer.mark = mark
        buffer.has_gap = buffer.has_gap or buffer.last < mark.position
        buffer.received_at = monotonic()
        self.notifier.notify(self.name, buffer.name)

    def _fault_of(
        self, buffer: ShardBuffer, generation: Generation, mark: Watermark
    ) -> Conflict | Halted | None:
        """Return the fault if the writer's log is not the one that was read."""
        end = f"{self.name}/{buffer.name} ends at {mark.position}"
        if buffer.generation.number not in (0, generation.number):
            return Conflict(f"{end} and is of another generation than what was read")
        if mark.position < buffer.read_up_to:
            return Halted(
                f"{end}, but {buffer.read_up_to} was read: "
                "if its service folds it again, this goes on by itself"
            )
        return None
