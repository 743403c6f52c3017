"""Makes and checks the topics of a system on its brokers."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidPartitionsError,
    NoError,
    TopicAlreadyExistsError,
    for_code,
)

from eventlog.kafka.client import administrator, partition_counts
from eventlog.kafka.topics import Cluster, Topic
from events.errors import Halted, Unavailable

VISIBLE_SECONDS = 60
POLL_SECONDS = 0.1  # A broker takes a moment to show a change, and announces nothing.
REPLICAS = 3  # If there are so many brokers; then an acknowledged record is on two at least.


class Step(NamedTuple):
    """A difference of a topic: `make` it, add `partitions`, or let an operator see what
    `differs`.
    """

    topic: str
    what: str
    why: str


async def plan(cluster: Cluster, topics: Sequence[Topic]) -> list[Step]:
    """Return the differences between these topics and those of the brokers."""
    async with administrator(cluster) as client:
        counts = await partition_counts(client, {topic.name for topic in topics})
        settings = await topic_settings(client, sorted(counts))
    steps = []
    for topic in topics:
        if topic.name in counts:
            steps += differences(topic, counts[topic.name], settings[topic.name])
        else:
            why = f"it is not there; {topic.partitions} partitions"
            steps.append(Step(topic.name, "make", why))
    return steps


def differences(topic: Topic, partitions: int, settings: dict[str, str]) -> list[Step]:
    """Return the differences of a topic that exists. More partitions than needed are none."""
    steps = []
    if partitions < topic.partitions:
        steps.append(Step(topic.name, "partitions", f"{partitions} → {topic.partitions}"))
    for name, value in topic.settings.items():
        if settings.get(name) != value:
            why = f"{name} is {settings.get(name)}, and should be {value}"
            steps.append(Step(topic.name, "differs", why))
    return steps


async def topic_settings(
    client: AIOKafkaAdminClient, topics: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return the settings of topics, by name."""
    settings: dict[str, dict[str, str]] = {}
    if topics:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
        for response in await client.describe_configs(resources):
            for _, _, _, name, entries in response.resources:
                settings[name] = {entry[0]: entry[1] for entry in entries}
    return settings


async def apply(cluster: Cluster, topics: Sequence[Topic]) -> list[Step]:
    """Make the topics and partitions that are missing; return all steps.

    What `differs` is left to an operator. Raises Halted if the broker refuses, and Unavailable if
    it cannot be reached.
    """
    steps = todo = await plan(cluster, topics)
    until = monotonic() + VISIBLE_SECONDS
    async with administrator(cluster) as client:
        while todo := [step for step in todo if step.what != "differs"]:
            if monotonic() > until:
                raise Unavailable(
                    f"the broker accepted {todo[0].topic} but does not show it after "
                    f"{VISIBLE_SECONDS} s; apply again"
                )
            new = {step.topic for step in todo if step.what == "make"}
            grown = {step.topic for step in todo if step.what == "partitions"}
            await make_topics(client, [topic for topic in topics if topic.name in new])
            await add_partitions(client, [topic for topic in topics if topic.name in grown])
            await asyncio.sleep(POLL_SECONDS)
            todo = await plan(cluster, topics)
    return steps


async def make_topics(client: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    """Make topics. Raises Halted if the broker refuses."""
    replicas = min(REPLICAS, len((await client.describe_cluster())["brokers"]))
    durable = {"min.insync.replicas": "2"} if replicas == REPLICAS else {}
    new = [
        NewTopic(each.name, each.partitions, replicas, topic_configs=each.settings | durable)
        for each in topics
    ]
    errors: Sequence[Any] = (await client.create_topics(new)).topic_errors if new else ()
    for name, code, *why in errors:
        if code not in (NoError.errno, TopicAlreadyExistsError.errno):
            reason = f"{for_code(code).__name__} {why[0] if why else ''}"
            raise Halted(f"the broker does not make {name}: {reason}")


async def add_partitions(client: AIOKafkaAdminClient, topics: Collection[Topic]) -> None:
    """Add partitions to topics that have too few."""
    for topic in topics:
        # A broker may have them and not show them yet.
        with suppress(InvalidPartitionsError):
            await client.create_partitions({topic.name: NewPartitions(topic.partitions)})


async def remove(cluster: Cluster, topics: Sequence[Topic]) -> None:
    """Remove those topics that exist, with their records."""
    async with administrator(cluster) as client:
        names = {topic.name for topic in topics}
        if existing := names & set(await client.list_topics()):
            await client.delete_topics(sorted(existing))
        async with asyncio.timeout(VISIBLE_SECONDS):
            while names & set(await client.list_topics()):
                await asyncio.sleep(POLL_SECONDS)
