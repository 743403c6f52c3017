"""Reads a log over Kafka. Its rule is one integer: the next position is taken, what came before is
dropped, and a gap, or silence, asks the writer's log. Rows of another generation than the writer
says are not taken.

So nothing that can happen to a topic loses a row or takes one twice: doubled and zombie relays,
records below the low watermark, a topic that was made anew, another cluster. Offsets are looked
for, never stored: record n of a log lies at offset n - 1 or, where relays repeated themselves,
somewhat later, so that reading begins there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from time import monotonic
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from eventlog.codec import opened
from eventlog.core.log import Source
from eventlog.core.row import Generation, Row, Watermark
from eventlog.kafka.topics import (
    GENERATION,
    Cluster,
    administrator,
    counted,
    is_ending,
    let_go,
    mark_of,
)
from eventlog.notifier import Notifier
from events.errors import Conflict, GridcallError, Halted, Invalid, Unavailable
from events.instants import BEGINNING

ROOM = 5_000  # Rows that wait for who reads them; then the broker keeps the rest.
PAGE = 1_000
SILENCE_SECONDS = 5.0
LOOK_MS = 500
# A broker is asked for all partitions together: who has room again waits so long for the answer to
# the others.
FETCH_MS = 20
FETCH_BYTES = (
    1 << 16
    # It answers when there is so much, or then: a fetch for each few records would be most of the work.
)
HELD_MS = 10  # Nothing announces that a reader has made room.
AGAIN_SECONDS = 0.5
LACKING_SECONDS = 5.0
SHOWN_SECONDS = 2.0  # So often the broker is told how far its records are read.
UNREAD_SECONDS = 30.0  # Whoever owned a shard reads it no more: another process does.
MARKS_BACK = 500  # A district's watermark comes every second: the newest ones lie at the end.

T = TypeVar("T")
U = TypeVar("U")

log = logging.getLogger("gridcall")


def readable(read: Callable[[T], U], what: T) -> U | None:
    """What is read of a part of a record: anybody may have written it."""
    try:
        return read(what)
    except Exception:
        return None


@lru_cache(maxsize=16)  # All records of a batch have the same headers.
def generation_of(headers: tuple[tuple[str, bytes], ...]) -> int:
    """The generation that a record names."""
    return int(dict(headers)[GENERATION])


class Shard:
    """What is known of one shard: the rows that wait, without a gap, up to position `last`."""

    def __init__(self, name: str, after: int) -> None:
        self.name = name
        self.generation = Generation(0)
        self.rows: deque[Row] = deque()
        self.last = after
        self.passed = after  # What the reader has.
        self.mark = Watermark(0, BEGINNING)
        self.heard = self.asked = monotonic()
        self.gap = False
        self.fault: GridcallError | None = None  # What the reader must be told, once.

    def take(self, row: Row) -> bool:
        """Take the next row; drop one that was taken; say that there is a gap before any other."""
        if row.position <= self.last:
            return False
        if row.position > self.last + 1:
            self.gap = True
            return False
        self.rows.append(row)
        self.last, self.gap = row.position, False
        self.heard = monotonic()
        return True

    def begin_at(self, after: int) -> None:
        """The reader has everything up to here, from elsewhere."""
        self.rows.clear()
        self.last = self.passed = after
        self.mark = Watermark(0, BEGINNING)

    def takes(self, generation: int, position: int) -> bool:
        """Whether a record is of the writer's log. One of a later generation than is known asks the
        writer about it.
        """
        known = self.generation
        self.gap = self.gap or generation > known.number
        return generation == known.number or (
            generation == known.previous and position <= known.forked_at
        )

    @property
    def is_full(self) -> bool:
        return len(self.rows) >= ROOM

    @property
    def is_silent(self) -> bool:
        return not self.is_full and (self.gap or monotonic() - self.heard >= SILENCE_SECONDS)


class KafkaLog:
    """The log of another service, read over Kafka. `partition_of` gives a district's number; -1
    while it has none.

    `group`: under this name the broker is told, now and then, how far its records are read, for
    tools that show lag. It has no members, and nobody reads on from there.
    """

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        partition_of: Callable[[str], int],
        writer: Source,
        notifier: Notifier,
        group: str | None = None,
    ) -> None:
        self.name = name
        self.cluster = cluster
        self.writer = writer
        self.notifier = notifier
        self._partition_of = partition_of
        self._group = group
        self._shown = 0.0  # When the broker was told last.
        self._showing: asyncio.Task[None] | None = None
        self._shards: dict[str, Shard] = {}
        self._new = asyncio.Event()
        self._told: set[str] = set()  # What holds, and was said.

    # ── For who reads ─────────────────────────────────────────────────────────────────────────────

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        """At most `limit` rows after a position. What is not at hand comes from the writer.

        Raises, once, Conflict where the log has become another generation, and Halted where it
        became shorter than what was read; Unavailable while the writer has not yet told its
        generation.
        """
        known = await self._known(shard, after)
        if known.fault:
            fault, known.fault = known.fault, None
            raise fault
        rows = known.rows
        if after > known.last:
            known.begin_at(after)
            self._new.set()
        while rows and rows[0].position <= after:
            rows.popleft()
        if rows and rows[0].position == after + 1:
            known.passed = max(known.passed, after + min(limit, len(rows)))
            return list(islice(rows, limit))
        if after >= known.last:
            return []
        upto = rows[0].position - 1 if rows else known.last
        return await self.writer.read(shard, after, min(limit, upto - after))

    async def row(self, shard: str, position: int) -> Row:
        """A row that was read before."""
        return await self.writer.row(shard, position)

    async def watermark(self, shard: str) -> Watermark:
        """The last position that is known, and up to which instant nothing more comes behind it.

        Without a mark for that very position no time has passed: more of the last row's decision
        may be on its way, and what one input caused is never torn apart by a deadline.
        """
        known = await self._known(shard, 0)
        return known.mark if known.mark.position == known.last else Watermark(known.last, BEGINNING)

    async def generation(self, shard: str) -> Generation:
        """As the writer has it."""
        return await self.writer.generation(shard)

    async def _known(self, shard: str, after: int) -> Shard:
        known = self._shards.get(shard)
        if known is None or not known.generation.number:
            generation = await self.writer.generation(shard)
            known = self._shards.setdefault(shard, Shard(shard, after))
            known.generation = generation
            self._new.set()
        known.asked = monotonic()
        return known

    # ── What follows the topics ───────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Follow the shards that somebody reads, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask_the_writer())
            while True:
                try:
                    await self._follow()
                except (KafkaError, OSError, Unavailable, asyncio.CancelledError) as fault:
                    if is_ending():
                        raise
                    self._new.set()  # Who is followed is looked for again.
                    self._tell(
                        f"{self.name} is not read over Kafka: {fault!r}; the writer is asked"
                    )
                    await asyncio.sleep(AGAIN_SECONDS)  # Nothing announces that a broker is back.

    def _tell(self, what: str) -> None:
        """Say it once."""
        if what not in self._told:
            log.warning("%s", what)
        self._told.add(what)

    async def _follow(self) -> None:
        """With one consumer, until somebody reads another shard or the place of one is to be looked
        for again.

        A consumer is told once what it reads: aiokafka's coordinator may fail where that changes
        beside it.
        """
        await self._new.wait()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.cluster.brokers,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=1 << 22,
            fetch_min_bytes=FETCH_BYTES,
            fetch_max_wait_ms=FETCH_MS,
            request_timeout_ms=10_000,
            metadata_max_age_ms=10_000,
        )
        try:
            await consumer.start()
            placed = await self._placed(consumer)
            while placed and not self._new.is_set():
                await self._look(consumer)
        finally:
            if self._showing:
                self._showing.cancel()
            await let_go(consumer.stop())

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        """Take what has come."""
        open_ = self._with_room(consumer)
        patience = LOOK_MS if len(open_) == len(consumer.assignment()) else HELD_MS
        try:
            found = await consumer.getmany(*open_, timeout_ms=patience, max_records=PAGE)
        except OffsetOutOfRangeError:
            # Retention passed, or another topic of this name: look for the place again.
            self._new.set()
            return
        for partition, records in found.items():
            self._take(partition, records)
        self._show(consumer)

    async def _placed(self, consumer: AIOKafkaConsumer) -> bool:
        """Begin to read each shard at the latest where its next row can lie; whether there is
        anything to read.

        A shard without a partition has only its writer for now: its district has no number yet, or
        the topic lacks it.
        """
        self._new.clear()
        shards = {self._partition(each): each for each in self._shards.values()}
        marks = [TopicPartition(self.cluster.time, partition.partition) for partition in shards]
        async with administrator(self.cluster) as client:
            counts = await counted(client, {each.topic for each in (*shards, *marks)})
        placed = [
            each for each in (*shards, *marks) if 0 <= each.partition < counts.get(each.topic, 0)
        ]
        if lacking := [each.name for partition, each in shards.items() if partition not in placed]:
            self._tell(
                f"{self.name} of {', '.join(lacking)} has no partition: gridcall topics apply; the writer is asked"
            )
            asyncio.get_running_loop().call_later(LACKING_SECONDS, self._new.set)
        if not placed:
            return False
        consumer.assign(placed)
        async with asyncio.timeout(10):
            first, end = (
                await consumer.beginning_offsets(placed),
                await consumer.end_offsets(placed),
            )
        for partition in placed:
            back = shards[partition].last if partition in shards else end[partition] - MARKS_BACK
            consumer.seek(partition, max(first[partition], min(back, end[partition])))
        if not lacking:
            self._told.clear()
        return True

    def _show(self, consumer: AIOKafkaConsumer) -> None:
        """Tell the broker now and then how far rows are read. Nobody waits for it, nor minds that
        it does not hear it.
        """
        if (
            self._group
            and monotonic() - self._shown > SHOWN_SECONDS
            and (self._showing is None or self._showing.done())
        ):
            self._shown = monotonic()
            self._showing = asyncio.create_task(self._committed(consumer))

    async def _committed(self, consumer: AIOKafkaConsumer) -> None:
        rows = [each for each in consumer.assignment() if each.topic != self.cluster.time]
        with suppress(KafkaError, OSError, ValueError):
            async with asyncio.timeout(SHOWN_SECONDS):
                await consumer.commit({each: await consumer.position(each) for each in rows})

    def _with_room(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """The partitions whose rows can be taken. What the others have waits in the client, and
        then in the broker.
        """
        full = {self._partition(each) for each in self._shards.values() if each.is_full}
        return [partition for partition in consumer.assignment() if partition not in full]

    def _partition(self, shard: Shard) -> TopicPartition:
        return TopicPartition(self.cluster.topic(self.name), self._partition_of(shard.name))

    def _take(self, partition: TopicPartition, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        take = self._taken_mark if partition.topic == self.cluster.time else self._taken_row
        for shard in set(filter(None, map(take, records))):
            self.notifier.notify(self.name, shard)

    def _taken_mark(self, record: ConsumerRecord[Any, Any]) -> str | None:
        """The shard that a mark tells something new about."""
        mark = readable(mark_of, record.value)
        shard = self._shards.get(mark.shard) if mark and mark.log == self.name else None
        if (
            not mark
            or not shard
            or mark.generation != shard.generation.number
            or mark.watermark <= shard.mark.watermark
        ):
            return None
        shard.mark = Watermark(mark.position, mark.watermark)
        if mark.position <= shard.last:
            shard.heard = monotonic()
        return mark.shard

    def _taken_row(self, record: ConsumerRecord[Any, Any]) -> str | None:
        """The shard that has got a row. A record that cannot be read is a gap."""
        row, generation = readable(opened, record.value), readable(generation_of, record.headers)
        shard = self._shards.get(row.shard) if row and row.log == self.name else None
        if (
            row
            and generation
            and shard
            and shard.takes(generation, row.position)
            and shard.take(row)
        ):
            return row.shard
        return None

    # ── The writer ────────────────────────────────────────────────────────────────────────────────

    async def _ask_the_writer(self) -> None:
        """Ask for what did not come, and let go what nobody reads any more."""
        while True:
            for shard in list(self._shards.values()):
                if monotonic() - shard.asked > UNREAD_SECONDS:
                    del self._shards[shard.name]
                    self._new.set()
                elif shard.is_silent:
                    await self._asked_about(shard)
            await asyncio.sleep(LOOK_MS / 1000)

    async def _asked_about(self, shard: Shard) -> None:
        try:
            await self._filled(shard)
        except Unavailable as fault:
            if shard.gap:
                self._tell(
                    f"{self.name}/{shard.name} has a gap after {shard.last}, and its writer cannot be asked: {fault}"
                )
        except Invalid as fault:
            shard.fault = Halted(
                f"{self.name}/{shard.name} goes on after {shard.last} with what cannot be read: {fault}"
            )

    async def _filled(self, shard: Shard) -> None:
        """What the writer has beyond what is known, up to what there is room for."""
        generation, mark = (
            await self.writer.generation(shard.name),
            await self.writer.watermark(shard.name),
        )
        told = f"{self.name}/{shard.name} ends at {mark.position}"
        if shard.generation.number not in (0, generation.number):
            shard.fault = Conflict(f"{told} and is of another generation than what was read")
        elif mark.position < shard.passed:
            shard.fault = Halted(
                f"{told}, but {shard.passed} was read: if its service folds it again, this goes on by itself"
            )
        shard.generation = generation
        if shard.fault:
            shard.begin_at(min(shard.passed, mark.position))
        shard.gap = False
        while (
            not shard.is_full
            and shard.last < mark.position
            and (rows := await self.writer.read(shard.name, shard.last, PAGE))
        ):
            for row in rows:
                shard.take(row)
        if mark.position <= shard.last and mark.watermark > shard.mark.watermark:
            shard.mark = mark
        shard.gap, shard.heard = shard.gap or shard.last < mark.position, monotonic()
        self.notifier.notify(self.name, shard.name)
