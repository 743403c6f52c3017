"""Follows the topic of a log and the topic of time, and fills the buffers of the shards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from time import monotonic
from typing import Any, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from eventlog.codec import read_envelope
from eventlog.core.row import Watermark
from eventlog.kafka.client import (
    KAFKA,
    administrator,
    close_client,
    connection,
    is_cancelled,
    partition_counts,
)
from eventlog.kafka.shard_buffer import ShardBuffer
from eventlog.kafka.topics import GENERATION, Cluster, read_mark
from eventlog.log_once import LogOnce, Outages
from eventlog.notifier import Notifier
from eventlog.retry import Backoff
from eventlog.tracing import TRACEPARENT, Tracing
from events.errors import Unavailable

RECORDS_MAX = 1_000  # Records of one poll.
POLL_MS = 500
ROOM_POLL_MS = 10  # Nothing announces that a reader has made room.
# One fetch asks a broker for all partitions. It is answered after FETCH_MS or with FETCH_BYTES: a
# partition that has room again waits that long, and a fetch for each few records would cost more.
FETCH_MS = 20
FETCH_BYTES = 1 << 16
MISSING_SECONDS = 5.0  # A missing partition is looked for again this often.
GROUP_SECONDS = 2.0  # The broker learns this often how far its records are read.
MARKS_BACK = 500  # A shard's watermark comes every second: the newest ones are at the end.

T = TypeVar("T")
U = TypeVar("U")
Record: TypeAlias = "ConsumerRecord[Any, Any]"

log = logging.getLogger("gridcall")


class TopicFollower:
    """Fills the buffers of the shards of one log from its topic, until cancelled.

    `partition_of` gives a shard's number, -1 while it has none. Under the name `group` the broker
    learns how far its records are read, for tools that show lag; the group has no members.
    """

    def __init__(
        self,
        log_name: str,
        cluster: Cluster,
        partition_of: Callable[[str], int],
        buffers: dict[str, ShardBuffer],
        notifier: Notifier,
        group: str | None,
        outages: Outages | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.log_name = log_name
        self.cluster = cluster
        self.changed = asyncio.Event()  # The buffers are others, or their places are unknown.
        self.outages = outages or Outages(log, log_name)
        self.log = LogOnce(log, service=self.outages.service)
        self._tracing = tracing
        self._partition_of = partition_of
        self._buffers = buffers
        self._notifier = notifier
        self._group = group
        self._group_commit_at = 0.0
        self._group_commit: asyncio.Task[None] | None = None
        self._backoff = Backoff()

    async def run(self) -> None:
        """Follow the topics. A fault of the broker is logged, and they are followed again."""
        while True:
            try:
                await self._follow()
            except (KafkaError, OSError, Unavailable, asyncio.CancelledError) as fault:
                if is_cancelled():
                    raise
                self.changed.set()
                sentence = f"log {self.log_name} is not read, its writer is asked: {fault!r}"
                self.outages.begin(self.log_name, Unavailable(sentence, about=KAFKA))
                await self._backoff.sleep()

    async def _follow(self) -> None:
        """Follow with one consumer, until the buffers are others or a place must be found again.

        A consumer gets its partitions once, because aiokafka's coordinator may fail on a change.
        """
        await self.changed.wait()
        consumer = AIOKafkaConsumer(
            **connection(self.cluster),
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
            has_partitions = await self._assign(consumer)
            self.outages.end(self.log_name)
            self._backoff.reset()
            while has_partitions and not self.changed.is_set():
                await self._poll(consumer)
        finally:
            if self._group_commit:
                self._group_commit.cancel()
            await close_client(consumer.stop())

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        """Take the records that have come, from partitions whose buffers have room.

        Records of the others wait in the client, and then in the broker.
        """
        full = {self._partition(each) for each in self._buffers.values() if each.is_full}
        open_ = [each for each in consumer.assignment() if each not in full]
        patience = POLL_MS if len(open_) == len(consumer.assignment()) else ROOM_POLL_MS
        try:
            batches = await consumer.getmany(*open_, timeout_ms=patience, max_records=RECORDS_MAX)
        except OffsetOutOfRangeError:
            self.changed.set()  # Retention passed, or another topic has this name.
            return
        for partition, records in batches.items():
            self._take(partition, records)
        self._tell_group(consumer)

    async def _assign(self, consumer: AIOKafkaConsumer) -> bool:
        """Assign each shard's partition, and begin at the latest where its next row can be.

        A shard without a partition has only its writer for now: it has no number yet, or the topic
        is too small. Returns False if nothing can be read.
        """
        self.changed.clear()
        shards = {self._partition(each): each for each in self._buffers.values()}
        marks = [TopicPartition(self.cluster.time, partition.partition) for partition in shards]
        async with administrator(self.cluster) as client:
            counts = await partition_counts(client, {each.topic for each in (*shards, *marks)})
        assigned = [
            each for each in (*shards, *marks) if 0 <= each.partition < counts.get(each.topic, 0)
        ]
        missing = [each.name for partition, each in shards.items() if partition not in assigned]
        if missing:
            self._log_missing(missing)
        if not assigned:
            return False
        consumer.assign(assigned)
        async with asyncio.timeout(10):
            first = await consumer.beginning_offsets(assigned)
            end = await consumer.end_offsets(assigned)
        for partition in assigned:
            back = shards[partition].last if partition in shards else end[partition] - MARKS_BACK
            consumer.seek(partition, max(first[partition], min(back, end[partition])))
        if not missing:
            self.log.clear("partitions")
        return True

    def _log_missing(self, shards: Sequence[str]) -> None:
        """Log shards without a partition, and look for their partitions again later."""
        self.log.warning(
            f"{self.log_name} of {', '.join(shards)} has no partition, its writer is asked: "
            "gridcall topics apply",
            about="partitions",
        )
        asyncio.get_running_loop().call_later(MISSING_SECONDS, self.changed.set)

    def _tell_group(self, consumer: AIOKafkaConsumer) -> None:
        """Tell the broker now and then how far rows are read. Nothing waits for that."""
        is_due = monotonic() - self._group_commit_at > GROUP_SECONDS
        if self._group and is_due and (self._group_commit is None or self._group_commit.done()):
            self._group_commit_at = monotonic()
            self._group_commit = asyncio.create_task(self._commit_group(consumer))

    async def _commit_group(self, consumer: AIOKafkaConsumer) -> None:
        rows = [each for each in consumer.assignment() if each.topic != self.cluster.time]
        with suppress(KafkaError, OSError, ValueError):
            # Without a time limit: the client retries by itself, and logs a traceback if cancelled.
            await consumer.commit({each: await consumer.position(each) for each in rows})

    def _partition(self, shard: ShardBuffer) -> TopicPartition:
        return TopicPartition(self.cluster.topic(self.log_name), self._partition_of(shard.name))

    def _take(self, partition: TopicPartition, records: Sequence[Record]) -> None:
        """Take records, and notify the readers of shards that have something new."""
        take = self._take_mark if partition.topic == self.cluster.time else self._take_row
        for shard in set(filter(None, map(take, records))):
            self._notifier.notify(self.log_name, shard)

    def _take_mark(self, record: Record) -> str | None:
        """Take a watermark; return its shard if it is newer than the known one."""
        mark = read_or_none(read_mark, record.value)
        shard = self._buffers.get(mark.shard) if mark and mark.log == self.log_name else None
        if not mark or not shard or mark.generation != shard.generation.number:
            return None
        if mark.watermark <= shard.mark.watermark:
            return None
        shard.mark = Watermark(mark.position, mark.watermark)
        if mark.position <= shard.last:
            shard.received_at = monotonic()
        return mark.shard

    def _take_row(self, record: Record) -> str | None:
        """Take a row; return its shard if it is the next one. An unreadable record is a gap."""
        row = read_or_none(read_envelope, record.value)
        generation = read_or_none(generation_of, record.headers)
        shard = self._buffers.get(row.shard) if row and row.log == self.log_name else None
        if not row or not generation or not shard:
            return None
        if not shard.accepts(generation, row.position) or not shard.add(row):
            return None
        if self._tracing and (context := dict(record.headers).get(TRACEPARENT)):
            self._tracing.contexts.add(row.id, context.decode("ascii", "replace"))
        return row.shard


def read_or_none(read: Callable[[T], U], what: T) -> U | None:
    """Return `read(what)`, or None if it raises: records are untrusted."""
    try:
        return read(what)
    except Exception:
        return None


@lru_cache(maxsize=16)  # All records of a batch have the same headers.
def generation_of(headers: tuple[tuple[str, bytes], ...]) -> int:
    """Return the generation that a record names."""
    return int(dict(headers)[GENERATION])
