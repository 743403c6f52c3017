"""The heads of a log as its readers know them: the newest records on its topic and on `time`.

A database that is behind them was restored, or is another one. Any process can read them, so that
one with an empty data folder knows them too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from eventlog.codec import read_envelope
from eventlog.kafka.client import (
    KAFKA,
    administrator,
    close_client,
    connection,
    is_cancelled,
    partition_counts,
)
from eventlog.kafka.follower import Record, generation_of, read_or_none
from eventlog.kafka.topics import Cluster, read_mark
from eventlog.postgres.generation import Head
from events.errors import Unavailable

# From the end of a partition: a mark of each log comes every second, and a relay that wakes late
# repeats at most a batch of rows.
MARKS_BACK, ROWS_BACK = 5_000, 1_000
READ_SECONDS = 20


async def published_heads(cluster: Cluster, log: str) -> dict[str, Head]:
    """Return the newest published head of each shard of a log. Raises Unavailable."""
    backs = {cluster.time: MARKS_BACK, cluster.topic(log): ROWS_BACK}
    async with administrator(cluster) as client:
        counts = await partition_counts(client, backs)
    partitions = [
        TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)
    ]
    heads: dict[str, Head] = {}
    for record in await read_ends(cluster, {each: backs[each.topic] for each in partitions}):
        for shard, head in heads_in(record, log):
            heads[shard] = max(head, heads.get(shard, head))
    return heads


async def read_ends(cluster: Cluster, backs: dict[TopicPartition, int]) -> list[Record]:
    """Return the last records of partitions: so many of each, or all. Raises Unavailable."""
    if not backs:
        return []
    consumer = AIOKafkaConsumer(
        **connection(cluster), enable_auto_commit=False, request_timeout_ms=10_000
    )
    try:
        async with asyncio.timeout(READ_SECONDS):
            await consumer.start()
            consumer.assign(list(backs))
            return await read_assigned(consumer, backs)
    except (KafkaError, OSError, TimeoutError, asyncio.CancelledError) as fault:
        if is_cancelled():
            raise
        raise Unavailable(f"Kafka at {cluster} is not read: {fault!r}", KAFKA) from fault
    finally:
        await close_client(consumer.stop())


async def read_assigned(
    consumer: AIOKafkaConsumer, backs: dict[TopicPartition, int]
) -> list[Record]:
    """Return the last records of the partitions of a consumer."""
    first = await consumer.beginning_offsets(list(backs))
    ends = await consumer.end_offsets(list(backs))
    unread = {each for each in backs if ends[each] > first[each]}
    for partition in backs:
        consumer.seek(partition, max(first[partition], ends[partition] - backs[partition]))
    records: list[Record] = []
    while unread:
        for batch in (await consumer.getmany(*unread, timeout_ms=500)).values():
            records += batch
        for partition in tuple(unread):
            # Compaction may have removed the last records, so that the position counts.
            if await consumer.position(partition) >= ends[partition]:
                unread.remove(partition)
    return records


def heads_in(record: Record, log: str) -> Iterator[tuple[str, Head]]:
    """Yield the shard and the head that a record of `time` or of the log names."""
    if mark := read_or_none(read_mark, record.value):
        if mark.log == log:
            yield mark.shard, Head(mark.generation, mark.position, mark.watermark)
        return
    row = read_or_none(read_envelope, record.value)
    generation = read_or_none(generation_of, record.headers)
    if row and generation and row.log == log:
        yield row.shard, Head(generation, row.position, row.time)
