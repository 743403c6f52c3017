"""A relay and a reader over a broker: no row is lost, and none is taken twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer

from eventlog.codec import envelope
from eventlog.kafka import follower
from eventlog.kafka.administration import Step, apply, plan
from eventlog.kafka.publisher import Publisher
from eventlog.kafka.reader import KafkaLog
from eventlog.kafka.relay import Relay
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import open_database
from events.topology import WRITER
from gridcall.host.topics import system_topics
from gridcall.simulation.background_tasks import BackgroundTasks
from gridcall.simulation.pipelines.kafka import KafkaPipeline
from tests.contract.log_contract import SHARD, visit
from tests.harness.broker import running_broker
from tests.harness.kafka import (
    TIME,
    TOPIC,
    Topics,
    append_rows,
    headers_of,
    over_kafka,
    positions_of,
    wait_until_published,
)
from tests.harness.waiting import wait_for_condition

GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


@pytest.mark.usefixtures("patient")
async def test_rows_come_over_kafka_and_nobody_asks_the_writer(
    database: str, topics: Topics
) -> None:
    async with over_kafka(database, topics) as kafka:
        await append_rows(kafka, 2999)
        await kafka.knows_the_generation()
        kafka.recorded.unavailable = True
        assert positions_of(await kafka.read(0, await append_rows(kafka, 1))) == list(
            range(1, 3001)
        )
        assert positions_of(await kafka.read(3000, await append_rows(kafka, 1))) == [3001]
        assert kafka.recorded.requests == []


@pytest.mark.usefixtures("patient")
async def test_a_reader_that_comes_late_begins_at_its_next_row(
    database: str, topics: Topics
) -> None:
    async with over_kafka(database, topics) as kafka:
        last = await append_rows(kafka, 2000)
        await wait_until_published(kafka)
        assert positions_of(await kafka.read(1990, last)) == list(range(1991, 2001))
        assert not [what for what in kafka.recorded.requests if what == "read"]


@pytest.mark.usefixtures("patient")
async def test_doubled_and_zombie_relays_harm_nobody(database: str, topics: Topics) -> None:
    """Each of three relays believes that nothing was published."""

    async with over_kafka(database, topics) as kafka:
        last = await append_rows(kafka, 500)
        publishers = [Publisher(topics.broker.cluster) for _ in range(3)]
        for publisher in publishers:
            await Relay(kafka.writer, SHARD, topics.partition, publisher).step()
            await kafka.writer.database.fetch("UPDATE intake.sent SET pos = 0")
        for publisher in publishers:
            await publisher.close()
        assert positions_of(await kafka.read(0, last)) == list(range(1, last + 1))


@pytest.mark.usefixtures("patient")
async def test_a_gap_asks_the_writer_and_waits_for_it(database: str, topics: Topics) -> None:
    async with over_kafka(database, topics, relayed=False) as kafka:
        await append_rows(kafka, 10)
        await kafka.writer.database.fetch(
            "INSERT INTO intake.sent VALUES ($1, 7, 'somebody', '-infinity')", SHARD
        )
        await kafka.knows_the_generation()
        kafka.recorded.unavailable = True
        kafka.publish()
        await kafka.reader.read(SHARD, 0, 1)

        async def is_seen() -> bool:
            return bool(kafka.recorded.requests)

        await wait_for_condition(is_seen)
        assert await kafka.reader.read(SHARD, 0, 10) == []
        kafka.recorded.unavailable = False
        assert positions_of(await kafka.read(0, 10)) == list(range(1, 11))


@pytest.mark.usefixtures("impatient")
async def test_silence_asks_the_writer(database: str, topics: Topics) -> None:
    async with over_kafka(database, topics, relayed=False) as kafka:
        last = await append_rows(kafka, 10)
        assert positions_of(await kafka.read(0, last)) == list(range(1, 11))


@pytest.mark.usefixtures("patient")
async def test_a_record_that_cannot_be_read_is_a_gap(database: str, topics: Topics) -> None:
    async with over_kafka(database, topics, relayed=False) as kafka:
        rows = await kafka.writer.append(SHARD, [visit(number, number) for number in range(3)])
        producer = AIOKafkaProducer(bootstrap_servers=topics.broker.address)
        await producer.start()
        for body in (
            envelope(rows[0]),
            b"not JSON",
            None,
            b"[" * 9000,
            b'{"id":"intake/city/2"}',
            envelope(rows[2]),
        ):
            await producer.send_and_wait(
                TOPIC,
                body,
                partition=topics.partition,
                key=b"city",
                headers=await headers_of(kafka),
            )
            await producer.send_and_wait(TIME, body, partition=topics.partition, key=b"intake/city")
        await producer.send_and_wait(
            TOPIC, envelope(rows[1]), partition=topics.partition, headers=[("generation", None)]
        )
        await producer.stop()
        assert positions_of(await kafka.read(0, 3)) == [1, 2, 3]
        assert "read" in kafka.recorded.requests


async def test_a_relay_waits_while_another_one_has_the_lease(database: str, topics: Topics) -> None:
    """The second relay takes over within the lease of one that has ended."""

    async with (
        over_kafka(database, topics, relayed=False) as kafka,
        open_database(database, size=2) as other,
    ):
        publisher = Publisher(topics.broker.cluster)
        second = Relay(
            PostgresLog("intake", "intake", other, Notifier(), "b"),
            SHARD,
            topics.partition,
            publisher,
        )
        await append_rows(kafka, 3)
        assert await kafka.relay.step() == 3
        await kafka.writer.database.fetch(
            "UPDATE intake.sent SET leased_until = clock_timestamp() + interval '0.3 s'"
        )
        await kafka.writer.announce(SHARD, 20_000)
        assert await kafka.relay.step() == 0
        await asyncio.sleep(0.4)
        await append_rows(kafka, 1)
        assert await second.step() == 0, "the first one has renewed its lease"
        await kafka.writer.database.fetch("UPDATE intake.sent SET leased_until = clock_timestamp()")
        assert await second.step() == 1
        assert await kafka.relay.step() == 1, "it does not know yet, and a repeat harms nobody"
        assert await kafka.relay.step() == 0
        await publisher.close()


async def test_topics_are_planned_made_and_checked(tmp_path: Path) -> None:
    with running_broker(tmp_path) as broker:
        cluster = broker.cluster
        topics = system_topics(cluster, 2)
        assert {step.what for step in await plan(cluster, topics)} == {"make"}
        await apply(cluster, topics)
        assert await plan(cluster, topics) == []
        grown = await apply(cluster, system_topics(cluster, 3))
        assert {step.what for step in grown} == {"partitions"}
        assert await plan(cluster, system_topics(cluster, 3)) == []
        assert await plan(cluster, topics) == [], "partitions never become fewer"
        lasting = [
            topic._replace(settings={**topic.settings, "retention.ms": "60000"})
            for topic in topics[:1]
        ]
        assert await apply(cluster, lasting) == [
            Step("gridcall.intake", "differs", "retention.ms is -1, and should be 60000")
        ]


@pytest.mark.usefixtures("patient")
async def test_kafkas_own_tool_shows_how_far_a_log_is_read(
    database: str, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group has no members: who reads what is decided by leases."""
    monkeypatch.setattr(follower, "GROUP_SECONDS", 0.2)
    group = f"group{topics.partition}"

    async with over_kafka(database, topics) as kafka:
        last = await append_rows(kafka, 100)
        await wait_until_published(kafka)
        reader = KafkaLog(
            "intake",
            kafka.topics.broker.cluster,
            lambda _: topics.partition,
            kafka.recorded,
            Notifier(),
            group,
        )
        following = asyncio.create_task(reader.run())

        async def is_read() -> bool:
            return bool(await reader.read(SHARD, last - 1, 1))

        await wait_for_condition(is_read)

        async def is_shown() -> bool:
            words = ("--bootstrap-server", topics.broker.address, "--describe", "--group", group)
            said = await asyncio.to_thread(topics.broker.do, "tool", GROUPS, *words)
            lines = [line.split() for line in said.splitlines() if f"{TOPIC} " in line]
            return [line[2:6] for line in lines] == [[str(topics.partition), "100", "100", "0"]]

        await wait_for_condition(is_shown)
        following.cancel()


async def test_a_run_of_simulate_does_not_end_before_its_last_row_is_published(
    database: str, topics: Topics
) -> None:
    async with over_kafka(database, topics, relayed=False) as kafka:
        last = await append_rows(kafka, 5)
        logs = {
            "intake": kafka.writer,
            **{
                log: PostgresLog(log, WRITER[log], kafka.writer.database, Notifier())
                for log in ("cases", "calls")
            },
        }
        run = KafkaPipeline({}, logs, SHARD, cast(Any, None), BackgroundTasks(), rows_ahead=100)
        ending = asyncio.create_task(run.wait_until_published())
        assert not (await asyncio.wait([ending], timeout=0.3))[0]
        assert await kafka.relay.step() == last
        await asyncio.wait_for(ending, 10)
