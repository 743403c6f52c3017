"""A log, its relay and its reader over a real broker, in one process. Each can fail alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from eventlog.core.row import Generation, Head, Row, Watermark
from eventlog.kafka.administration import apply
from eventlog.kafka.publisher import Publisher
from eventlog.kafka.reader import KafkaLog
from eventlog.kafka.relay import Relay
from eventlog.kafka.topics import CONTENT_TYPE, GENERATION, Cluster, Headers
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.outbox import count_unpublished
from eventlog.postgres.pool import open_database
from events.errors import Unavailable
from gridcall.host.topics import system_topics
from tests.contract.log_contract import SHARD, visit
from tests.harness.broker import Broker
from tests.harness.waiting import wait_for_condition

PARTITIONS = count()
PARTITIONS_MAX = 60
PATIENCE_SECONDS = 40
TOPIC, TIME = Cluster("").topic("intake"), Cluster("").time


class Topics(NamedTuple):
    """A broker, and the partition that a test has to itself in every topic."""

    broker: Broker
    partition: int


async def make_topics(cluster: Cluster, partitions: int = 1) -> None:
    """The topics, with a partition for each test."""
    await apply(cluster, system_topics(cluster, partitions))


@dataclass
class RecordedLog:
    """The writer's log as its reader meets it. It records each request, and may be unavailable."""

    log: PostgresLog
    name: str = "intake"
    unavailable: bool = False
    requests: list[str] = field(default_factory=list)

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        self._record("read")
        return await self.log.read(shard, after, limit)

    async def row(self, shard: str, position: int) -> Row | None:
        self._record("row")
        return await self.log.row(shard, position)

    async def watermark(self, shard: str) -> Watermark:
        self._record("watermark")
        return await self.log.watermark(shard)

    async def generation(self, shard: str) -> Generation:
        self._record("generation")
        return await self.log.generation(shard)

    async def head(self, shard: str) -> Head:
        self._record("head")
        return await self.log.head(shard)

    def _record(self, what: str) -> None:
        self.requests.append(what)
        if self.unavailable:
            raise Unavailable("the writer is unavailable")


@dataclass
class Kafka:
    """All of it. `relay` is not running by itself before `publish`."""

    topics: Topics
    writer: PostgresLog
    recorded: RecordedLog
    relay: Relay
    reader: KafkaLog
    notifier: Notifier
    tasks: list[asyncio.Task[Any]]

    def publish(self) -> asyncio.Task[Any]:
        """Let the relay run."""
        task = asyncio.create_task(self.relay.run())
        self.tasks.append(task)
        return task

    async def knows_the_generation(self) -> None:
        """Let the reader ask the writer once for the generation."""
        await self.reader.watermark(SHARD)
        self.recorded.requests.clear()

    async def read(self, after: int, upto: int) -> list[Row]:
        """All rows after one position up to another one, as soon as they are there."""
        rows: list[Row] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while after + len(rows) < upto:
                count = self.notifier.count("intake", SHARD)
                more = await self.reader.read(SHARD, after + len(rows), 1000)
                rows += more
                if not more:
                    await self.notifier.wait("intake", SHARD, count, 1.0)
        return rows


@asynccontextmanager
async def over_kafka(url: str, topics: Topics, *, relayed: bool = True) -> AsyncIterator[Kafka]:
    """A writer, a relay and a reader; `relayed`: the relay runs."""
    async with open_database(url, size=3) as database, open_database(url, size=3) as other:
        notifier, cluster = Notifier(), topics.broker.cluster
        writer = PostgresLog("intake", "intake", database, Notifier(), "a")
        publisher = Publisher(cluster)
        relay = Relay(writer, SHARD, topics.partition, publisher)
        recorded = RecordedLog(PostgresLog("intake", "intake", other, Notifier()))
        reader = KafkaLog(
            "intake", cluster, lambda shard: topics.partition + (shard != SHARD), recorded, notifier
        )
        kafka = Kafka(
            topics, writer, recorded, relay, reader, notifier, [asyncio.create_task(reader.run())]
        )
        if relayed:
            kafka.publish()
        try:
            yield kafka
        finally:
            for task in kafka.tasks:
                task.cancel()
            ended = await asyncio.gather(*kafka.tasks, return_exceptions=True)
            await publisher.close()
            faults = [fault for fault in ended if isinstance(fault, Exception)]
            assert not faults, faults


async def append_rows(kafka: Kafka, count: int) -> int:
    """Append rows. Return the last position."""
    rows = await kafka.writer.append(SHARD, [visit(number, number) for number in range(count)])
    return rows[-1].position


async def wait_until_published(kafka: Kafka) -> None:
    async def all_is() -> bool:
        return await count_unpublished(kafka.writer, SHARD) == 0

    await wait_for_condition(all_is)


def positions_of(rows: list[Row]) -> list[int]:
    return [row.position for row in rows]


async def headers_of(kafka: Kafka) -> Headers:
    """Return the headers that a relay makes."""
    return [CONTENT_TYPE, (GENERATION, str((await kafka.writer.generation(SHARD)).number).encode())]


class CaughtUpReader:
    """The reader, read only when it has the rows of the writer."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        head = (await self.kafka.writer.watermark(shard)).position
        await self.kafka.reader.read(shard, min(after, head), 1)

        async def has_it() -> bool:
            return (await self.kafka.reader.watermark(shard)).position >= head

        await wait_for_condition(has_it)
        return await self.kafka.reader.read(shard, after, limit)

    async def row(self, shard: str, position: int) -> Row | None:
        return await self.kafka.reader.row(shard, position)

    async def watermark(self, shard: str) -> Watermark:
        wanted = await self.kafka.writer.watermark(shard)
        await self.kafka.reader.read(shard, 0, 1)

        async def has_it() -> bool:
            return await self.kafka.reader.watermark(shard) == wanted

        await wait_for_condition(has_it)
        return await self.kafka.reader.watermark(shard)
