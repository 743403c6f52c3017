"""Publishes records to Kafka, in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from eventlog.kafka.client import KAFKA, close_client, connection, is_cancelled
from eventlog.kafka.topics import Cluster, Headers
from eventlog.tracing import TRACEPARENT
from events.errors import Unavailable

BATCH_BYTES = 1 << 18
PUBLISH_SECONDS = 30
NO_TRACES: Mapping[int, str] = MappingProxyType({})


class Publisher:
    """A producer that is thrown away when it fails.

    The fate of its batches is not known then, and their records are published again.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._producer: Any = None
        self._starting = asyncio.Lock()

    async def publish(
        self,
        topic: str,
        partition: int,
        records: Sequence[tuple[bytes, bytes]],
        headers: Headers,
        traces: Mapping[int, str] = NO_TRACES,
    ) -> None:
        """Publish records (key, value); return when all are acknowledged. Raises Unavailable.

        `traces` has the contexts of some records, by their numbers from 0.
        """
        producer: Any = None
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                producer = await self._start()
                await self._send(producer, topic, partition, records, headers, traces)
        except (KafkaError, OSError, TimeoutError, asyncio.CancelledError) as fault:
            if is_cancelled():
                raise
            await self._throw_away(producer)
            raise Unavailable(
                f"Kafka at {self.cluster} does not take {topic}/{partition}: {fault!r}",
                about=KAFKA,
            ) from fault

    async def close(self) -> None:
        """Close the producer. The next relay publishes what was not acknowledged."""
        await self._throw_away(self._producer)

    async def _send(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        partition: int,
        records: Sequence[tuple[bytes, bytes]],
        headers: Headers,
        traces: Mapping[int, str],
    ) -> None:
        if partition not in await producer.partitions_for(topic):
            raise Unavailable(
                f"{topic} has no partition {partition}: "
                f"gridcall topics apply --districts {partition + 1}",
                about=KAFKA,
            )
        acknowledgements, batch = [], producer.create_batch()
        for number, (key, value) in enumerate(records):
            own = headers_of(headers, traces.get(number))
            if batch.append(timestamp=None, key=key, value=value, headers=own) is None:
                acknowledgements.append(
                    await producer.send_batch(batch, topic, partition=partition)
                )
                batch = producer.create_batch()
                batch.append(timestamp=None, key=key, value=value, headers=own)
        acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
        for each in acknowledgements:
            await each

    async def _start(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer: Any = AIOKafkaProducer(
                    **connection(self.cluster),
                    acks="all",
                    max_batch_size=BATCH_BYTES,
                    request_timeout_ms=10_000,
                    metadata_max_age_ms=10_000,
                )
                try:
                    await producer.start()
                except BaseException:
                    await close_client(producer.stop())
                    raise
                self._producer = producer
            return self._producer

    async def _throw_away(self, producer: AIOKafkaProducer | None) -> None:
        if producer is not None and producer is self._producer:
            self._producer = None
            await close_client(producer.stop())


def headers_of(common: Headers, context: str | None) -> Headers:
    """Return the headers of a record: the common ones, and the context of its trace."""
    return [*common, (TRACEPARENT, context.encode())] if context else common
