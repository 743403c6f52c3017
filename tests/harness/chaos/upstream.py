"""An upstream system that publishes to Kafka during a campaign."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from intake.inbound.cloudevents import ISSUE_TYPE

PUBLISHED_PER_SECOND = 20
POISON = 0.02
UPSTREAM = "city-12345"
HEADERS = [("content-type", b"application/cloudevents+json")]


class Upstream:
    """A publisher of hotline issues. It sends some twice and some poison, and reads the answers."""

    def __init__(self, brokers: str, chance: random.Random) -> None:
        self.brokers = brokers
        self.chance = chance
        self.published: set[str] = set()
        self.poison: set[bytes] = set()
        self.answers: dict[str, dict[str, Any]] = {}  # The first answer to each event.

    async def run(self, over: asyncio.Event, issue: Callable[[str], dict[str, Any]]) -> None:
        """Publish at an even rate."""
        count = 0
        while not over.is_set():
            values = []
            for _ in range(PUBLISHED_PER_SECOND // 2):
                count += 1
                again = self.chance.random() < 0.05 and self.published
                reference = self.chance.choice(sorted(self.published)) if again else f"k{count}"
                if self.chance.random() < POISON:
                    values.append(b"poison %d" % count)
                    self.poison.add(values[-1])
                elif not again:
                    event = {
                        "specversion": "1.0",
                        "id": reference,
                        "source": UPSTREAM,
                        "type": ISSUE_TYPE,
                    }
                    values.append(json.dumps(event | {"data": issue(reference)}).encode())
                    self.published.add(reference)
            await self._publish_until_acknowledged(values)
            await asyncio.sleep(0.5)

    async def _publish_until_acknowledged(self, values: Sequence[bytes]) -> None:
        """Publish values until the broker has acknowledged all of them."""
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.brokers, acks="all", request_timeout_ms=3000
            )
            try:
                async with asyncio.timeout(10):
                    await producer.start()
                    sent = [
                        await producer.send("inbound.hotline", value, partition=0, headers=HEADERS)
                        for value in values
                    ]
                    await asyncio.gather(*sent)
                    return
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(0.2)
            finally:
                ending = asyncio.create_task(producer.stop())
                await asyncio.wait([ending], timeout=3)
                ending.cancel()

    async def read_answers(self) -> None:
        """Read all answers."""
        consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=self.brokers, auto_offset_reset="earliest"
        )
        partition = TopicPartition("receipts.hotline", 0)
        consumer.assign([partition])
        await consumer.start()
        try:
            (end,) = (await consumer.end_offsets([partition])).values()
            while await consumer.position(partition) < end:
                for record in (await consumer.getmany(timeout_ms=1000)).get(partition, ()):
                    answer = json.loads(record.value)
                    if "causationid" in answer:
                        self.answers.setdefault(answer["causationid"], answer["data"])
        finally:
            await consumer.stop()
