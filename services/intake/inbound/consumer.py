"""The consumer of `inbound.<line>`: what an upstream publishes there is accepted and answered.

A batch is accepted, answered on `receipts.<line>`, and only then passed. A process that is killed
in between does the same again, and the identity of an issue makes it one. So the stored progress is
a hint. A replaced topic, or another cluster, is recognised by the digest of the last record, and is
read from its beginning. One intake reads a partition, by a lease; a zombie harms nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from eventlog.kafka.client import (
    KAFKA,
    administrator,
    close_client,
    connection,
    is_cancelled,
    partition_counts,
)
from eventlog.kafka.publisher import Publisher
from eventlog.kafka.topics import CONTENT_TYPE, Cluster
from eventlog.log_once import LogOnce, Outages
from eventlog.postgres.generation import NewGeneration
from eventlog.postgres.pool import Database
from eventlog.retry import Backoff
from events.catalogue import Line
from events.errors import Unavailable
from httpedge.problems import Problem
from intake.acceptor import Acceptor, Busy, ClockLeapt
from intake.api_keys import ApiKeys
from intake.inbound.cloudevents import receipt
from intake.inbound.dead_letters import Refused
from intake.inbound.record import Record
from intake.inbound.record_acceptor import Answer, RecordAcceptor
from intake.inbound.topics import INBOUND, RECEIPTS, line_topic
from intake.store import InboundStore, Progress

BATCH_RECORDS_MAX = 500  # In a commit: requests would wait behind more.
LEASE_SECONDS = 5.0
POLL_MS = 1000
METADATA_MS = 10_000  # So late another partition is seen.
MISSING_TOPIC_SECONDS = 5.0
RETRIED_RECORDS_MAX = 100
OFFSET_SECONDS_MAX = 10.0
RETRIED_ERRORS = (
    Unavailable,
    Busy,
    ClockLeapt,
    NewGeneration,
    KafkaError,
    OSError,
    asyncio.CancelledError,
)

log = logging.getLogger("gridcall")


class TopicReplaced(Exception):
    """The records are not those that were read before: another topic, or another cluster."""


class LineConsumer:
    """Reads the topic of one line, for all districts."""

    def __init__(
        self,
        line: Line,
        cluster: Cluster,
        database: Database,
        acceptor: Acceptor,
        publisher: Publisher,
        owner: str,
        outages: Outages | None = None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.line = line
        self.cluster = cluster
        self.topic = line_topic(cluster, INBOUND, line)
        self.lag: dict[int, int] = {}  # Records that wait, by partition that this process reads.
        self._receipts = line_topic(cluster, RECEIPTS, line)
        self._store = InboundStore(database)
        self._acceptor = RecordAcceptor(line, acceptor, ApiKeys(database))
        self._publisher = publisher
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._progress: dict[int, Progress] = {}
        # Partitions whose first record must be the last one that was read.
        self._unconfirmed: set[int] = set()
        self._outages = outages or Outages(log, "intake")
        self._log = LogOnce(log, service="intake")
        self._backoff = Backoff()

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._read()
            except RETRIED_ERRORS as fault:
                if is_cancelled():
                    raise
                self._log_fault(fault)
                await self._backoff.sleep()

    def _log_fault(self, fault: BaseException) -> None:
        """Log a fault that goes away by itself, or that an operator has to end."""
        sentence = f"{self.topic} is not read: {fault!r}"
        match fault:
            case Unavailable():
                self._outages.begin(self.topic, fault)
            case KafkaError() | OSError() | asyncio.CancelledError():
                self._outages.begin(self.topic, Unavailable(sentence, about=KAFKA))
            case _:
                self._log.warning(f"{sentence}; retrying")

    # ── Partitions and leases ────────────────────────────────────────────────────────────────────

    async def _read(self) -> None:
        """Read the partitions that this process has the lease of, until something changes."""
        async with administrator(self.cluster) as client:
            count = (await partition_counts(client, [self.topic])).get(self.topic, 0)
        self._outages.end(self.topic)
        if not count:
            self._log.warning(
                f"{self.topic} is not there, so nobody can publish to it: gridcall topics apply"
            )
            await asyncio.sleep(MISSING_TOPIC_SECONDS)
            return
        while not (leased := await self._lease(count)):
            await asyncio.sleep(self._lease_seconds / 2)  # Nothing announces the end of a lease.
        consumer = AIOKafkaConsumer(
            **connection(self.cluster),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=1 << 20,
            request_timeout_ms=10_000,
            metadata_max_age_ms=METADATA_MS,
        )
        try:
            await consumer.start()
            await self._assign(consumer, leased)
            await self._read_leased(consumer, count, set(leased))
        finally:
            self.lag = {}
            await close_client(consumer.stop())

    async def _read_leased(self, consumer: AIOKafkaConsumer, count: int, leased: set[int]) -> None:
        """Read batch after batch, until the leases or the number of partitions change."""
        while set(await self._lease(count)) == leased:
            try:
                batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_RECORDS_MAX)
                for partition, records in batches.items():
                    await self._process(partition.partition, records)
            except (OffsetOutOfRangeError, TopicReplaced):
                await self._assign(consumer, await self._lease(count))
            await self._retry_dead_letters()
            self._measure_lag(consumer)
            count = max(count, len(consumer.partitions_for_topic(self.topic) or ()))
            self._log.clear()
            self._backoff.reset()

    def _measure_lag(self, consumer: AIOKafkaConsumer) -> None:
        """Count the records that wait in each partition."""
        for partition in consumer.assignment():
            number = partition.partition
            end = consumer.highwater(partition) or 0
            self.lag[number] = max(0, end - self._progress[number].next)

    async def _lease(self, count: int) -> dict[int, Progress]:
        """Lease what is free of `count` partitions; return the progress of those that are ours."""
        return await self._store.lease_partitions(
            self.line, count, self._owner, self._lease_seconds
        )

    async def _assign(self, consumer: AIOKafkaConsumer, leased: Mapping[int, Progress]) -> None:
        """Begin at the last record that was read, to see that it is the same.

        What the broker deleted meanwhile becomes a dead letter.
        """
        self._progress = dict(leased)
        self._unconfirmed = {number for number, progress in leased.items() if progress.digest}
        consumer.assign([TopicPartition(self.topic, number) for number in leased])
        assigned = list(consumer.assignment())
        async with asyncio.timeout(OFFSET_SECONDS_MAX):
            first = await consumer.beginning_offsets(assigned)
            end = await consumer.end_offsets(assigned)
        for partition in assigned:
            number = partition.partition
            await self._reconcile(number, first[partition], end[partition])
            start = self._progress[number].next - (number in self._unconfirmed)
            consumer.seek(partition, max(first[partition], start))

    async def _reconcile(self, number: int, first: int, end: int) -> None:
        """Correct the progress of a partition that has the offsets from `first` to `end`."""
        progress = self._progress[number]
        last_read = progress.next - 1 if progress.digest else progress.next
        if progress.next > end:
            await self._start_over(number)
        elif last_read < first:
            self._unconfirmed.discard(number)
            if progress.next < first:
                await self._record_loss(number, first)

    async def _start_over(self, number: int) -> None:
        """Read a partition from its beginning, because other records are there now."""
        log.warning(
            "%s/%s was replaced, or is on another cluster: it is read from its beginning",
            self.topic,
            number,
        )
        self._unconfirmed.discard(number)
        await self._advance(number, Progress(0, b""))

    async def _record_loss(self, number: int, first: int) -> None:
        """Store a dead letter for what the broker deleted before it was read."""
        lost = self._progress[number].next
        detail = (
            f"The broker deleted {lost} to {first - 1} before they were read: the upstream must"
            " send them again."
        )
        problem = Problem(410, "gone", "Deleted before it was read", detail)
        log.error("%s/%s: %s", self.topic, number, detail)
        refused = Refused(number, lost, None, problem.to_members(self._place(number, lost)))
        await self._advance(number, Progress(first, b""), [refused])

    # ── Records ──────────────────────────────────────────────────────────────────────────────────

    async def _process(self, number: int, batch: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Accept, answer and pass the next records of a partition. Raises TopicReplaced."""
        records = [(each.offset, Record(each.key, each.value, each.headers)) for each in batch]
        if number in self._unconfirmed:
            await self._confirm(number, *records[0])
            records = records[1:]
        if not records:
            return
        answers = await self._acceptor.accept([record for _, record in records])
        answered = [(*each, answer) for each, answer in zip(records, answers, strict=True)]
        await self._publish_receipts(number, answered)
        refused = [
            Refused(number, offset, record, answer.result.to_members(self._place(number, offset)))
            for offset, record, answer in answered
            if isinstance(answer.result, Problem)
        ]
        last, record = records[-1]
        await self._advance(number, Progress(last + 1, record.digest), refused)

    async def _confirm(self, number: int, offset: int, record: Record) -> None:
        """Check that the first record is the last one that was read. Raises TopicReplaced."""
        self._unconfirmed.discard(number)
        progress = self._progress[number]
        if (offset, record.digest) != (progress.next - 1, progress.digest):
            await self._start_over(number)
            raise TopicReplaced

    async def _publish_receipts(
        self, number: int, answered: Sequence[tuple[int, Record, Answer]]
    ) -> None:
        """Publish a receipt for each record, with the record's key."""
        receipts = [
            (record.key or b"", receipt(self._place(number, offset), *answer))
            for offset, record, answer in answered
        ]
        await self._publisher.publish(self._receipts, 0, receipts, [CONTENT_TYPE])

    async def _advance(
        self, number: int, progress: Progress, refused: Sequence[Refused] = ()
    ) -> None:
        """Store the progress of a partition and what was refused, in one.

        A process that has lost the lease stores nothing.
        """
        await self._store.advance(self.line, number, self._owner, progress, refused)
        self._progress[number] = progress

    def _place(self, number: int, offset: int) -> str:
        """Return the name of a record."""
        return f"{self.topic}/{number}/{offset}"

    async def _retry_dead_letters(self) -> None:
        """Try the dead letters again that an operator marked. One process does it per line."""
        if 0 not in self._progress:
            return
        while letters := await self._store.dead_letters_to_retry(self.line, RETRIED_RECORDS_MAX):
            records = [letter.record for letter in letters if letter.record is not None]
            assert len(records) == len(letters), "only a whole record is tried again"
            answers = await self._acceptor.accept(records)
            for letter, record, answer in zip(letters, records, answers, strict=True):
                number, offset = letter.partition, letter.place
                await self._publish_receipts(number, [(offset, record, answer)])
                if isinstance(answer.result, Problem):
                    problem = answer.result.to_members(self._place(number, offset))
                    await self._store.refuse_again(letter.id, problem)
                else:
                    await self._store.discard([letter.id])
