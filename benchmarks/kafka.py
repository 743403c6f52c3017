"""Measure relay and reader over a real broker, beside a client that moves the same bytes."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

from aiokafka import AIOKafkaConsumer, TopicPartition

from embedded.server import start_server
from eventlog.codec import entry_envelope
from eventlog.core.row import Draft
from eventlog.kafka.administration import apply
from eventlog.kafka.publisher import Publisher
from eventlog.kafka.reader import KafkaLog
from eventlog.kafka.relay import Relay
from eventlog.kafka.topics import CONTENT_TYPE, Cluster
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import open_database
from events.catalogue import VisitMade
from gridcall.host.migrations import prepare
from gridcall.host.topics import system_topics
from tests.harness.broker import running_broker

ROWS, ROUNDS, PART = 50_000, 3, 1000


async def rows_per_second(work: Callable[[], Awaitable[None]]) -> float:
    """Return the rows per second of some work."""
    begun = perf_counter()
    await work()
    return ROWS / (perf_counter() - begun)


async def measure(url: str, cluster: Cluster, round_: int) -> dict[str, float]:
    """Measure one round, on a district of its own and a partition for the client alone."""
    shard, bare = f"d{round_}", ROUNDS + round_
    async with open_database(url) as database:
        log, publisher = (
            PostgresLog("intake", "intake", database, Notifier(), "bench"),
            Publisher(cluster),
        )
        for first in range(0, ROWS, PART):
            drafts = [
                Draft(n, f"a{n}", VisitMade(action=f"a{n}", issue="case", by="ann"))
                for n in range(first, first + PART)
            ]
            await log.append(shard, drafts)
        records = [
            (shard.encode(), entry_envelope("intake", shard, each))
            for first in range(0, ROWS, PART)
            for each in await log.entries(shard, first, PART)
        ]
        relay = Relay(log, shard, round_, publisher)
        reader = KafkaLog("intake", cluster, lambda _: round_, log, Notifier())

        async def relay_all() -> None:
            while await relay.step():
                pass

        async def publish_all() -> None:
            for first in range(0, ROWS, PART):
                await publisher.publish(
                    cluster.topic("intake"), bare, records[first : first + PART], [CONTENT_TYPE]
                )

        async def read_all() -> None:
            following, after = asyncio.create_task(reader.run()), 0
            while after < ROWS:
                count = reader.notifier.count("intake", shard)
                rows = await reader.read(shard, after, PART)
                after += len(rows)
                if not rows:
                    await reader.notifier.wait("intake", shard, count, 1.0)
            following.cancel()

        async def consume_all() -> None:
            partition, count = TopicPartition(cluster.topic("intake"), bare), 0
            async with AIOKafkaConsumer(
                bootstrap_servers=cluster.brokers, enable_auto_commit=False
            ) as consumer:
                consumer.assign([partition])
                consumer.seek(partition, 0)
                while count < ROWS:
                    count += sum(
                        map(
                            len, (await consumer.getmany(timeout_ms=500, max_records=PART)).values()
                        )
                    )

        rates = {
            "relay": await rows_per_second(relay_all),
            "publish": await rows_per_second(publish_all),
        }
        rates |= {
            "reader": await rows_per_second(read_all),
            "consume": await rows_per_second(consume_all),
        }
        await publisher.close()
    return rates


def main() -> None:
    """Print the medians of interleaved rounds, and their ratios. `make bench`."""
    with tempfile.TemporaryDirectory() as folder, running_broker(Path(folder) / "kafka") as broker:
        server = start_server(Path(folder))
        url = server.get_uri("kafka")
        asyncio.run(prepare(url))
        asyncio.run(apply(broker.cluster, system_topics(broker.cluster, 2 * ROUNDS)))
        rounds = [asyncio.run(measure(url, broker.cluster, number)) for number in range(ROUNDS)]
        server.cleanup()
    medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    for ours, bare, what in (
        (
            "relay",
            "publish",
            "Postgres → Kafka, beside publishing the same bytes in the same batches",
        ),
        ("reader", "consume", "Kafka → rows in order, beside aiokafka's getmany alone"),
    ):
        ratio = medians[ours] / medians[bare]
        print(f"{what}: {medians[ours]:,.0f} rows/s beside {medians[bare]:,.0f}, {ratio:.2f}")


if __name__ == "__main__":
    main()
