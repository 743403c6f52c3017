"""Clients of aiokafka: administration, closing, cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from eventlog.kafka.topics import Cluster
from events.errors import Unavailable

CLOSE_SECONDS = 5
KAFKA = "Kafka"  # As outages name it.


@asynccontextmanager
async def administrator(cluster: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open a client that makes and describes topics. Raises Unavailable if no broker answers."""
    client = AIOKafkaAdminClient(bootstrap_servers=cluster.brokers, request_timeout_ms=15_000)
    try:
        await client.start()
        yield client
    except (KafkaError, OSError) as fault:
        raise Unavailable(
            f"Kafka at {cluster.brokers} cannot be reached: {fault!r}", about=KAFKA
        ) from fault
    finally:
        await close_client(client.close())


async def close_client(closing: Coroutine[Any, Any, None]) -> None:
    """Close a client, but wait only a moment: an unreachable broker may never answer.

    The closing is a task of its own, because aiokafka lets the cancellation of its own tasks escape
    to the caller.
    """
    task = asyncio.create_task(closing)
    await asyncio.wait([task], timeout=CLOSE_SECONDS)
    task.cancel()


def is_cancelled() -> bool:
    """Tell whether this task is to end. Another CancelledError is a fault of a task of aiokafka."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def partition_counts(client: AIOKafkaAdminClient, topics: Collection[str]) -> dict[str, int]:
    """Return the number of partitions of each topic that exists."""
    existing = sorted(set(topics) & set(await client.list_topics()))
    if not existing:
        return {}
    described = await client.describe_topics(existing)
    return {each["topic"]: len(each["partitions"]) for each in described}
