"""The topics of Kafka: how they are named, what they must be like, and how they are made and
checked.

A district's number in intake's list is its partition in every topic. Positions are what counts;
offsets are never stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, NamedTuple

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidPartitionsError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    for_code,
)

from events.errors import Halted, Unavailable
from events.instants import Instant

Headers = list[tuple[str, bytes]]

OWN = "gridcall"
VISIBLE_SECONDS = 60
LET_GO_SECONDS = 5
# Of each topic, where there are so many brokers; then what is acknowledged lies on two at least.
REPLICAS = 3
CONTENT_TYPE = ("content-type", b"application/cloudevents+json; charset=UTF-8")
JSON = ("content-type", b"application/json")
GENERATION = "generation"
FOR_EVER = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
A_WEEK = {"retention.ms": str(7 * 24 * 3600 * 1000), "cleanup.policy": "delete"}
NEWEST = {"cleanup.policy": "compact", "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1"}


class Cluster(NamedTuple):
    """The brokers, as HOST:PORT,…, and what the names of a system's topics begin with there."""

    brokers: str
    prefix: str = OWN

    @classmethod
    def named(cls, text: str) -> Cluster:
        """HOST:PORT,… or, where several systems share the brokers, HOST:PORT,…/PREFIX."""
        brokers, slash, prefix = text.partition("/")
        return cls(brokers, prefix) if slash else cls(brokers)

    def topic(self, log: str) -> str:
        """The topic that carries a log."""
        return f"{self.prefix}.{log}"

    @property
    def time(self) -> str:
        """The topic of the watermarks."""
        return f"{self.prefix}.time"

    def shared_topic(self, name: str) -> str:
        """Return the topic that other systems know by this name; it has no prefix unless several
        share it.
        """
        return name if self.prefix == OWN else f"{self.prefix}.{name}"


class Mark(msgspec.Struct, frozen=True, rename={"position": "pos", "watermark": "w"}):
    """A watermark on the topic of time: of this log and district, nothing more came up to `pos`
    before the instant `w`.
    """

    generation: int
    log: str
    position: int
    shard: str
    watermark: Instant


mark_of = msgspec.json.Decoder(Mark).decode


class Topic(NamedTuple):
    """What a topic should be like."""

    name: str
    partitions: int
    settings: dict[str, str]


class Step(NamedTuple):
    """What is to be done about a topic: `make` it, add `partitions`, or nothing but to tell an
    operator what `differs`.
    """

    topic: str
    what: str
    why: str


def log_topics(cluster: Cluster, logs: Iterable[str], shards: int) -> list[Topic]:
    """Return the topics of logs and of time for a number of shards; partitions are
    never removed.
    """
    partitions = max(1, shards)
    return [
        *(Topic(cluster.topic(log), partitions, FOR_EVER) for log in logs),
        Topic(cluster.time, partitions, NEWEST),
    ]


@asynccontextmanager
async def administrator(cluster: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client that makes and describes topics. Raises Unavailable where no broker answers."""
    client = AIOKafkaAdminClient(bootstrap_servers=cluster.brokers, request_timeout_ms=15_000)
    try:
        await client.start()
        yield client
    except (KafkaError, OSError) as fault:
        raise Unavailable(f"Kafka at {cluster.brokers} cannot be reached: {fault!r}") from fault
    finally:
        await let_go(client.close())


async def let_go(ending: Coroutine[Any, Any, None]) -> None:
    """Close a client, but wait for it no longer than a moment: a broker that is away may never take
    leave.

    In a task of its own, for aiokafka lets the cancellation of its own tasks escape to whoever
    closes it.
    """
    task = asyncio.create_task(ending)
    await asyncio.wait([task], timeout=LET_GO_SECONDS)
    task.cancel()


def is_ending() -> bool:
    """Whether this task is to end: a CancelledError may also be of a task of aiokafka's, and is a
    fault of the broker then.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def counted(client: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, int]:
    """How many partitions each topic has; those that are not there are left out."""
    there = sorted(set(names) & set(await client.list_topics()))
    return (
        {each["topic"]: len(each["partitions"]) for each in await client.describe_topics(there)}
        if there
        else {}
    )


async def plan(cluster: Cluster, topics: Sequence[Topic]) -> list[Step]:
    """What differs between these topics and the broker's."""
    async with administrator(cluster) as client:
        counts = await counted(client, {topic.name for topic in topics})
        settings = await settings_of(client, sorted(counts))
    steps = []
    for topic in topics:
        if topic.name not in counts:
            steps.append(
                Step(topic.name, "make", f"it is not there; {topic.partitions} partitions")
            )
            continue
        if counts[topic.name] < topic.partitions:
            steps.append(
                Step(topic.name, "partitions", f"{counts[topic.name]} → {topic.partitions}")
            )
        for name, value in topic.settings.items():
            found = settings[topic.name].get(name)
            if found != value:
                steps.append(
                    Step(topic.name, "differs", f"{name} is {found}, and should be {value}")
                )
    return steps


async def settings_of(
    client: AIOKafkaAdminClient, topics: Sequence[str]
) -> dict[str, dict[str, str]]:
    """The settings of topics, by name."""
    found: dict[str, dict[str, str]] = {}
    if topics:
        for answer in await client.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
        ):
            for _, _, _, name, entries in answer.resources:
                found[name] = {entry[0]: entry[1] for entry in entries}
    return found


async def apply(cluster: Cluster, topics: Sequence[Topic]) -> list[Step]:
    """Make what is not there and add partitions that lack; the steps. What `differs` is left to an
    operator.

    Raises Halted where the broker refuses, Unavailable where it cannot be reached.
    """
    steps = todo = await plan(cluster, topics)
    over = monotonic() + VISIBLE_SECONDS
    async with administrator(cluster) as client:
        while todo := [step for step in todo if step.what != "differs"]:
            if monotonic() > over:
                raise Unavailable(
                    f"the broker took {todo[0].topic} and does not show it after {VISIBLE_SECONDS} s; apply again"
                )
            by_what = {
                what: {step.topic for step in todo if step.what == what}
                for what in ("make", "partitions")
            }
            await make(client, [topic for topic in topics if topic.name in by_what["make"]])
            for topic in topics:
                if topic.name in by_what["partitions"]:
                    with suppress(
                        InvalidPartitionsError
                    ):  # It has them, and does not show them yet.
                        await client.create_partitions(
                            {topic.name: NewPartitions(topic.partitions)}
                        )
            await asyncio.sleep(
                0.1
            )  # A broker takes a moment to show what was made, and announces nothing.
            todo = await plan(cluster, topics)
    return steps


async def make(client: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    """Make topics. Raises Halted where the broker refuses."""
    replicas = min(REPLICAS, len((await client.describe_cluster())["brokers"]))
    durable = {"min.insync.replicas": "2"} if replicas == REPLICAS else {}
    new = [
        NewTopic(each.name, each.partitions, replicas, topic_configs=each.settings | durable)
        for each in topics
    ]
    for name, code, *why in (await client.create_topics(new)).topic_errors if new else ():
        if code not in (NoError.errno, TopicAlreadyExistsError.errno):
            raise Halted(
                f"the broker does not make {name}: {for_code(code).__name__} {why[0] if why else ''}"
            )


async def remove(cluster: Cluster, topics: Sequence[Topic]) -> None:
    """Remove those that are there, and all that is in them."""
    async with administrator(cluster) as client:
        names = {topic.name for topic in topics}
        if there := names & set(await client.list_topics()):
            await client.delete_topics(sorted(there))
        async with asyncio.timeout(VISIBLE_SECONDS):
            while names & set(await client.list_topics()):
                await asyncio.sleep(
                    0.1
                )  # A broker takes a moment to forget them, and announces nothing.
