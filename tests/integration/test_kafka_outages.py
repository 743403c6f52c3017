"""A topic, a broker or a database that is gone, or another one: no row is lost or taken twice."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from eventlog.kafka.administration import apply
from eventlog.kafka.client import administrator
from eventlog.kafka.relay import Relay
from eventlog.kafka.topics import log_topics
from eventlog.postgres.generation import DatabaseCheck
from eventlog.postgres.outbox import count_unpublished
from events.errors import Conflict, Unavailable
from events.topology import LOGS, UPSTREAM
from tests.contract.log_contract import SHARD, visit
from tests.harness.broker import running_broker
from tests.harness.kafka import (
    TOPIC,
    Kafka,
    Topics,
    append_rows,
    make_topics,
    over_kafka,
    positions_of,
    wait_until_published,
)
from tests.harness.waiting import wait_for_condition


@pytest.mark.usefixtures("impatient")
async def test_a_district_without_a_partition_is_read_from_its_writer_and_stops_nobody(
    database: str, tmp_path: Path
) -> None:
    with running_broker(tmp_path) as broker:
        await apply(broker.cluster, log_topics(broker.cluster, LOGS, 1))
        async with over_kafka(database, Topics(broker, 0)) as kafka:
            assert positions_of(await kafka.read(0, await append_rows(kafka, 3))) == [1, 2, 3]
            relay = Relay(kafka.writer, "other", 1, kafka.relay.publisher)
            await kafka.writer.append("other", [visit(1, 1)])
            with pytest.raises(
                Unavailable, match=r"has no partition 1: gridcall topics apply --districts 2"
            ):
                await relay.step()
            async with asyncio.timeout(20):
                while not (rows := await kafka.reader.read("other", 0, 9)):
                    await kafka.notifier.wait(
                        "intake", "other", kafka.notifier.count("intake", "other"), 0.2
                    )
            assert positions_of(list(rows)) == [1]
            assert positions_of(await kafka.read(3, await append_rows(kafka, 3))) == [4, 5, 6]
            await apply(
                kafka.topics.broker.cluster, log_topics(kafka.topics.broker.cluster, LOGS, 2)
            )
            await wait_until_published(kafka)


@pytest.mark.usefixtures("impatient")
async def test_retention_that_passed_while_a_reader_was_away(database: str, topics: Topics) -> None:
    async with over_kafka(database, topics) as kafka:
        last = await append_rows(kafka, 50)
        await wait_until_published(kafka)
        async with administrator(topics.broker.cluster) as client:
            await client.delete_records(
                {TopicPartition(TOPIC, topics.partition): RecordsToDelete(before_offset=40)}
            )
        assert positions_of(await kafka.read(0, last)) == list(range(1, last + 1))
        assert "read" in kafka.recorded.requests
        assert positions_of(await kafka.read(last, await append_rows(kafka, 5))) == list(
            range(last + 1, last + 6)
        )


@pytest.mark.usefixtures("impatient")
async def test_a_topic_that_is_deleted_and_created_again(database: str, tmp_path: Path) -> None:
    with running_broker(tmp_path) as broker:
        await make_topics(broker.cluster)
        async with over_kafka(database, Topics(broker, 0)) as kafka:
            last = await append_rows(kafka, 50)
            assert len(await kafka.read(0, last)) == last
            async with administrator(kafka.topics.broker.cluster) as client:
                await client.delete_topics([TOPIC])
            more = await append_rows(kafka, 50)
            assert positions_of(await kafka.read(last, more)) == list(range(last + 1, more + 1))
            await make_topics(kafka.topics.broker.cluster)
            again = await append_rows(kafka, 50)
            assert positions_of(await kafka.read(more, again)) == list(range(more + 1, again + 1))
            await wait_until_published(kafka)


@pytest.mark.usefixtures("impatient")
async def test_another_cluster_at_the_same_address(database: str, tmp_path: Path) -> None:
    """The reader and the relay go on there; what it has not comes from the writer."""

    with running_broker(tmp_path) as broker:
        await make_topics(broker.cluster)
        async with over_kafka(database, Topics(broker, 0)) as kafka:
            last = await append_rows(kafka, 50)
            assert len(await kafka.read(0, last)) == last
            broker = kafka.topics.broker
            broker.do("kill")
            (broker.folder / "data").rename(broker.folder / "gone")
            more = await append_rows(kafka, 10)  # No commit waits for a broker.
            broker.do("start")
            await make_topics(broker.cluster)
            assert positions_of(await kafka.read(last, more)) == list(range(last + 1, more + 1))
            await wait_until_published(kafka)


@pytest.mark.usefixtures("patient")
async def test_a_broker_that_is_away_when_a_reader_looks_for_its_place_is_read_when_it_is_back(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running_broker(tmp_path) as broker:
        await make_topics(broker.cluster)
        async with over_kafka(database, Topics(broker, 0)) as kafka:
            await append_rows(kafka, 1)
            await kafka.read(0, 1)
            await wait_until_published(kafka)
            kafka.topics.broker.do("kill")
            kafka.reader._follower.changed.set()  # As for another district.

            async def it_failed() -> bool:
                return "is not read, its writer is asked" in caplog.text

            await wait_for_condition(it_failed)
            kafka.topics.broker.do("start")
            await kafka.knows_the_generation()
            kafka.recorded.unavailable = True
            assert positions_of(await kafka.read(1, await append_rows(kafka, 5))) == [2, 3, 4, 5, 6]


@pytest.mark.usefixtures("patient")
async def test_a_broker_that_is_killed_holds_nobody_up_and_lag_returns_to_zero(
    database: str, tmp_path: Path
) -> None:
    with running_broker(tmp_path) as broker:
        await make_topics(broker.cluster)
        async with over_kafka(database, Topics(broker, 0)) as kafka:
            last = await append_rows(kafka, 50)
            assert len(await kafka.read(0, last)) == last
            kafka.topics.broker.do("kill")
            more = await append_rows(kafka, 50)
            assert await count_unpublished(kafka.writer, SHARD) == 50
            kafka.topics.broker.do("start")
            assert positions_of(await kafka.read(last, more)) == list(range(last + 1, more + 1))
            await wait_until_published(kafka)
            assert "read" not in kafka.recorded.requests


async def restore(kafka: Kafka, last: int, folder: Path) -> None:
    """Turn the writer's database into an accepted backup that ends at a position."""
    database = kafka.writer.database
    await database.fetch(f"DELETE FROM intake.log WHERE pos > {last}")
    await database.fetch(f"UPDATE intake.shard SET pos = {last}")
    await database.fetch(f"UPDATE intake.sent SET pos = {last}")
    check = DatabaseCheck(folder, "", "intake")
    await database.on_connection(partial(check.accept, upstream=UPSTREAM))
    kafka.writer.forget(SHARD)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("read_up_to", [4, 6, 10])
async def test_a_new_generation(
    database: str, topics: Topics, tmp_path: Path, read_up_to: int
) -> None:
    """A reader gets one notice and then the new rows; the old ones on the topic are dropped."""

    async with over_kafka(database, topics) as kafka:
        await append_rows(kafka, 10)
        await wait_until_published(kafka)
        await kafka.read(0, 10)
        await kafka.reader.read(SHARD, read_up_to, 1)
        await restore(kafka, 6, tmp_path)
        new = await kafka.writer.append(SHARD, [visit(number, 1000) for number in range(20, 26)])
        with pytest.raises(Conflict, match="is of another generation than what was read"):
            await kafka.read(10, 13)
        assert await kafka.read(6, 12) == new
        assert positions_of(await kafka.read(0, 12)) == list(range(1, 13))


@pytest.mark.usefixtures("patient")
async def test_a_database_that_is_created_again_is_another_generation(
    database: str, topics: Topics
) -> None:
    """Its topic still has the rows of the previous one, which a new reader drops."""

    async with over_kafka(database, topics) as kafka:
        await append_rows(kafka, 10)
        await wait_until_published(kafka)
        for table in ("log", "shard", "sent"):
            await kafka.writer.database.fetch(f"DELETE FROM intake.{table}")
        kafka.writer.forget(SHARD)
        rows = await kafka.writer.append(SHARD, [visit(number, 1000) for number in range(20, 26)])
        assert await kafka.read(0, 6) == rows
