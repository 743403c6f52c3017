"""The relay: what a service has committed is published to Kafka, in order, after what was published
before.

Rows are published after `sent`, and `sent` moves when the broker has acknowledged them: a crash
publishes some rows twice, and leaves out none. A reader takes each position once (kafka_log.py), so
that a relay that is a zombie, doubled or restarted harms nobody. No commit waits for a relay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from eventlog.codec import enveloped
from eventlog.core.row import Generation
from eventlog.kafka.topics import (
    CONTENT_TYPE,
    GENERATION,
    JSON,
    Cluster,
    Headers,
    Mark,
    is_ending,
    let_go,
)
from eventlog.postgres.log import PostgresLog
from events.errors import Halted, Unavailable
from events.instants import BEGINNING

ROWS = 1000  # In one look at the log.
BATCH_BYTES = 1 << 18
LEASE_SECONDS = 3.0
QUIET_SECONDS = 1.0
AGAIN_SECONDS = 0.5
TAKE = """
INSERT INTO {schema}.sent AS s (shard, owner, leased_until) VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (shard) DO UPDATE SET owner = excluded.owner, leased_until = excluded.leased_until
WHERE s.owner = excluded.owner OR s.leased_until < clock_timestamp() RETURNING pos
"""
ADVANCE = """
UPDATE {schema}.sent SET pos = greatest(pos, $4), leased_until = clock_timestamp() + make_interval(secs => $3)
WHERE shard = $1 AND owner = $2 RETURNING pos
"""

log = logging.getLogger("gridcall")


class Publisher:
    """A producer that is thrown away when it fails: what became of its batches is not known, and
    they are published again.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._producer: Any = None
        self._starting = asyncio.Lock()

    async def publish(
        self, topic: str, partition: int, records: Sequence[tuple[bytes, bytes]], headers: Headers
    ) -> None:
        """Publish records (key, value) in their order; returns when all are acknowledged. Raises
        Unavailable.
        """
        producer: Any = None
        try:
            async with asyncio.timeout(30):
                producer = await self._started()
                await self._sent(producer, topic, partition, records, headers)
        except (KafkaError, OSError, TimeoutError, asyncio.CancelledError) as fault:
            if is_ending():
                raise
            await self._throw_away(producer)
            raise Unavailable(
                f"Kafka at {self.cluster.brokers} does not take {topic}/{partition}: {fault!r}"
            ) from fault

    async def _sent(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        partition: int,
        records: Sequence[tuple[bytes, bytes]],
        headers: Headers,
    ) -> None:
        if partition not in await producer.partitions_for(topic):
            raise Unavailable(
                f"{topic} has no partition {partition}: gridcall topics apply --districts {partition + 1}"
            )
        acknowledged, batch = [], producer.create_batch()
        for key, value in records:
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(timestamp=None, key=key, value=value, headers=headers)
        acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
        for each in acknowledged:
            await each

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer: Any = AIOKafkaProducer(
                    bootstrap_servers=self.cluster.brokers,
                    acks="all",
                    max_batch_size=BATCH_BYTES,
                    request_timeout_ms=10_000,
                    metadata_max_age_ms=10_000,
                )
                try:
                    await producer.start()
                except BaseException:
                    await let_go(producer.stop())
                    raise
                self._producer = producer
            return self._producer

    async def _throw_away(self, producer: AIOKafkaProducer | None) -> None:
        if producer is not None and producer is self._producer:
            self._producer = None
            await let_go(producer.stop())

    async def close(self) -> None:
        """Let go; what was not acknowledged is published by the next relay."""
        await self._throw_away(self._producer)


class Relay:
    """Publishes one shard of a log, as long as it has the lease: others that stand
    beside it wait.
    """

    def __init__(
        self, source: PostgresLog, shard: str, partition: int, publisher: Publisher
    ) -> None:
        self.source = source
        self.shard = shard
        self.partition = partition
        self.publisher = publisher
        self.sent: int | None = (
            None  # Up to where everything is published; unknown while another relay has the lease.
        )
        self._generation = Generation(0)
        self._announced = BEGINNING
        self._told = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            heard = self.source.notifier.count(self.source.name, self.shard)
            try:
                if await self.step():
                    continue
                seconds = QUIET_SECONDS
                self._told = ""
            except (Unavailable, Halted) as fault:
                self.sent = None
                seconds = AGAIN_SECONDS
                if str(fault) != self._told:
                    log.warning(
                        "%s/%s is not published: %s; it goes on by itself",
                        self.source.name,
                        self.shard,
                        fault,
                    )
                self._told = str(fault)
            await self.source.notifier.wait(self.source.name, self.shard, heard, seconds)

    async def step(self) -> int:
        """Publish the next rows, or how far time has passed; how many rows that were."""
        source, shard, cluster = self.source, self.shard, self.publisher.cluster
        mark, generation = await source.head(shard)
        if (
            generation != self._generation
        ):  # What was published of another one says nothing about this one.
            self.sent, self._generation, self._announced = None, generation, BEGINNING
        if self.sent is None or mark.position <= self.sent:
            self.sent = await self._asked(TAKE)
        if self.sent is None:
            return 0
        stamp = (GENERATION, str(generation.number).encode())
        entries = await source.entries(shard, self.sent, ROWS) if mark.position > self.sent else []
        if entries and generation == await source.generation(shard):
            records = [(shard.encode(), enveloped(source.name, shard, each)) for each in entries]
            await self.publisher.publish(
                cluster.topic(source.name), self.partition, records, [CONTENT_TYPE, stamp]
            )
            self.sent = await self._asked(ADVANCE, entries[-1].position)
        elif mark.watermark > self._announced:
            value = msgspec.json.encode(
                Mark(generation.number, source.name, mark.position, shard, mark.watermark)
            )
            key = f"{source.name}/{shard}".encode()
            await self.publisher.publish(
                cluster.time, self.partition, [(key, value)], [JSON, stamp]
            )
            self._announced = mark.watermark
        return len(entries)

    async def _asked(self, sql: str, *more: int) -> int | None:
        """What is published, where this relay has the lease."""
        source = self.source
        found = await source.database.fetch(
            sql.format(schema=source.schema), self.shard, source.owner, LEASE_SECONDS, *more
        )
        return found[0]["pos"] if found else None


async def unpublished(source: PostgresLog, shard: str) -> int:
    """How many rows of a log wait to be published, by whichever relay. Raises Unavailable."""
    found = await source.database.fetch(
        f"SELECT l.pos - coalesce(s.pos, 0) AS lag FROM {source.schema}.shard l "  # noqa: S608
        f"LEFT JOIN {source.schema}.sent s USING (shard) WHERE shard = $1",
        shard,
    )
    return int(found[0]["lag"]) if found else 0
