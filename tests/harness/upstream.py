"""A line's own system that publishes issues on Kafka."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from eventlog.kafka.publisher import Publisher
from eventlog.kafka.topics import Cluster
from eventlog.notifier import Notifier
from intake.acceptor import Acceptor
from intake.inbound.cloudevents import ISSUE_TYPE
from intake.inbound.consumer import LineConsumer
from intake.inbound.dead_letters import DeadLetter
from intake.inbound.topics import INBOUND, RECEIPTS, line_topic
from intake.store import InboundStore
from tests.harness.exampleville import issue
from tests.harness.waiting import wait_for_condition

DISTRICT, SOURCE = "exampleville", "city-12345"
STRUCTURED = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


class Upstream:
    """A line's own system with a broker, and what intake made of what it published."""

    def __init__(
        self, cluster: Cluster, url: str, database: Any, producer: AIOKafkaProducer
    ) -> None:
        self.cluster = cluster
        self.url = url
        self.database = database
        self.producer = producer
        self.store = InboundStore(database)
        self.readers: list[tuple[asyncio.Task[None], Publisher]] = []

    def intake(self, owner: str = "a", lease_seconds: float = 1.5) -> None:
        """Let an intake read the topic, until it is stopped."""
        publisher, acceptor = Publisher(self.cluster), Acceptor(self.database, Notifier())
        made = LineConsumer(
            "hotline",
            self.cluster,
            self.database,
            acceptor,
            publisher,
            owner,
            lease_seconds=lease_seconds,
        )
        self.readers.append((asyncio.create_task(made.run()), publisher))

    async def stop(self) -> None:
        """End all of them."""
        for task, publisher in self.readers:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await publisher.close()
        self.readers.clear()

    async def publish(self, *references: str, **more: Any) -> None:
        """Issues in structured mode, one a record."""
        for reference in references:
            event = {
                "specversion": "1.0",
                "id": f"u-{reference}",
                "source": SOURCE,
                "type": ISSUE_TYPE,
            }
            await self.raw(json.dumps(event | {"data": issue(reference, **more)}).encode())

    async def raw(self, value: bytes | None, headers: list[tuple[str, bytes]] = STRUCTURED) -> None:
        """Any record."""
        topic = line_topic(self.cluster, INBOUND, "hotline")
        await self.producer.send_and_wait(topic, value, key=b"k", partition=0, headers=headers)

    async def receipts(self, wanted: int) -> list[dict[str, Any]]:
        """Return so many receipts, from the first one on."""
        consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=self.cluster.brokers, auto_offset_reset="earliest"
        )
        consumer.assign([TopicPartition(line_topic(self.cluster, RECEIPTS, "hotline"), 0)])
        await consumer.start()
        receipts: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(40):
                while len(receipts) < wanted:
                    receipts.append(json.loads((await consumer.getone()).value))
        finally:
            await consumer.stop()
        return receipts

    async def wait_for_accepted(self, wanted: int) -> list[str]:
        """The references in intake's log, as soon as there are so many."""
        sql = "SELECT data FROM intake.log WHERE type = 'gridcall.issue-reported.v1' ORDER BY pos"

        async def is_there() -> bool:
            return len(await self.database.fetch(sql)) >= wanted

        await wait_for_condition(is_there)
        return [json.loads(row["data"])["reference"] for row in await self.database.fetch(sql)]

    async def wait_for_progress(self, offset: int) -> None:
        """Wait until everything before an offset is behind intake."""

        async def is_passed() -> bool:
            rows = await self.database.fetch("SELECT next FROM intake.inbound")
            return bool(rows and rows[0]["next"] >= offset)

        await wait_for_condition(is_passed)

    async def wait_for_dead_letters(self, wanted: int) -> list[DeadLetter]:
        """Return the dead letters, as soon as there are so many."""

        async def is_there() -> bool:
            return len(await self.store.dead_letters()) >= wanted

        await wait_for_condition(is_there)
        return await self.store.dead_letters()
