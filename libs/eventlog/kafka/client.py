"""Clients of aiokafka: how they connect, administration, closing, cancellation."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from eventlog.kafka.topics import Cluster
from events.errors import Unavailable

CLOSE_SECONDS = 5
SASL_MECHANISM = "SCRAM-SHA-512"
KAFKA = "Kafka"  # As outages name it.


def connection(cluster: Cluster) -> dict[str, Any]:
    """Return the options by which each client connects: brokers, TLS and user.

    The name in a broker's certificate must be that of its address. Raises OSError for a file of
    authorities that cannot be read.
    """
    ca, user, password = cluster.access.ca, cluster.access.user, cluster.access.password
    options: dict[str, Any] = {"bootstrap_servers": cluster.brokers}
    if ca:
        options["ssl_context"] = ssl.create_default_context(cafile=ca)
        options["security_protocol"] = "SASL_SSL" if user else "SSL"
    if user:
        options["sasl_mechanism"] = SASL_MECHANISM
        options["sasl_plain_username"] = user
        options["sasl_plain_password"] = password
    return options


@asynccontextmanager
async def administrator(cluster: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open a client that makes and describes topics. Raises Unavailable if no broker answers."""
    client = AIOKafkaAdminClient(**connection(cluster), request_timeout_ms=15_000)
    try:
        await client.start()
        yield client
    except (KafkaError, OSError) as fault:
        raise Unavailable(
            f"Kafka at {cluster} cannot be reached: {fault!r}", about=KAFKA
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
