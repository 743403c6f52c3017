"""Faults of a topic, a relay or a broker: no row is lost, and none is taken twice."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from eventlog.codec import envelope
from eventlog.core.row import Row, Watermark
from eventlog.kafka import follower, relay, shard_buffer
from eventlog.kafka.administration import Step, apply, plan
from eventlog.kafka.client import administrator
from eventlog.kafka.publisher import Publisher
from eventlog.kafka.reader import KafkaLog
from eventlog.kafka.relay import Relay
from eventlog.kafka.shard_buffer import ShardBuffer
from eventlog.kafka.topics import CONTENT_TYPE, GENERATION, Cluster, Headers, log_topics
from eventlog.notifier import Notifier
from eventlog.postgres.generation import DatabaseCheck
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.outbox import advance_published, count_unpublished, take_published
from eventlog.postgres.pool import open_database
from events.errors import Conflict, Unavailable
from events.instants import BEGINNING
from events.topology import LOGS, UPSTREAM, WRITER
from gridcall.host.topics import system_topics
from gridcall.simulation.background_tasks import BackgroundTasks
from gridcall.simulation.pipelines.kafka import KafkaPipeline
from tests.contract.log_contract import SHARD, visit
from tests.harness.broker import running_broker
from tests.harness.kafka import PARTITIONS_MAX, Kafka, Topics, make_topics, over_kafka
from tests.harness.waiting import wait_for_condition

GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
TOPIC, TIME = Cluster("").topic("intake"), Cluster("").time


async def append_rows(kafka: Kafka, count: int) -> int:
    """Append rows. Return the last position."""
    rows = await kafka.writer.append(SHARD, [visit(number, number) for number in range(count)])
    return rows[-1].position


async def wait_until_published(kafka: Kafka) -> None:
    async def all_is() -> bool:
        return await count_unpublished(kafka.writer, SHARD) == 0

    await wait_for_condition(all_is)


async def headers_of(kafka: Kafka) -> Headers:
    """Return the headers that a relay makes."""
    return [CONTENT_TYPE, (GENERATION, str((await kafka.writer.generation(SHARD)).number).encode())]


def positions_of(rows: list[Row]) -> list[int]:
    return [row.position for row in rows]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_buffer, "SILENCE_SECONDS", 0.5)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no reader ask because of silence."""
    monkeypatch.setattr(shard_buffer, "SILENCE_SECONDS", 1e6)


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
async def test_no_time_passes_in_the_midst_of_a_decision(
    database: str, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that is due at its start runs out after the whole decision."""
    monkeypatch.setattr(relay, "ROWS_MAX", 2)

    async with over_kafka(database, topics, relayed=False) as kafka:
        assert await append_rows(kafka, 3) == 3
        await kafka.reader.read(SHARD, 0, 1)
        assert await kafka.relay.step() == 2
        assert positions_of(await kafka.read(0, 2)) == [1, 2]
        assert await kafka.reader.watermark(SHARD) == Watermark(2, BEGINNING)
        kafka.publish()
        assert positions_of(await kafka.read(2, 3)) == [3]

        async def time_has_passed() -> bool:
            return await kafka.reader.watermark(SHARD) == Watermark(3, 2)

        await wait_for_condition(time_has_passed)


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


# ── Each rule is needed: without it, the same story goes wrong ─────────────────────────────────


def takes_whatever_comes(shard: ShardBuffer, row: Row) -> bool:
    """The gap rule, taken away."""
    if row.position <= shard.last:
        return False
    shard.rows.append(row)
    shard.last = row.position
    return True


def takes_everything(shard: ShardBuffer, row: Row) -> bool:
    """The rule that what was taken is dropped, taken away."""
    shard.rows.append(row)
    shard.last = row.position
    return True


async def marks_before_it_publishes(relay: Relay) -> int:
    """The relay's order, taken away."""
    source, shard = relay.source, relay.shard
    relay.published = relay.published or await take_published(source, shard) or 0
    entries = await source.entries(shard, relay.published, 1000)
    if entries:
        relay.published = await advance_published(source, shard, entries[-1].position)
        raise asyncio.CancelledError  # It dies here; the next one begins behind.
    return 0


async def positions_read(kafka: Kafka) -> list[int]:
    """Publish 1 to 4, then 3 to 10 without 6. Return the positions that a reader takes."""
    await append_rows(kafka, 10)
    publisher = kafka.relay.publisher
    records = [(SHARD.encode(), envelope(row)) for row in await kafka.writer.read(SHARD, 0, 10)]
    for part in (records[:4], records[2:5] + records[6:]):
        await publisher.publish(TOPIC, kafka.topics.partition, part, await headers_of(kafka))
    taken: list[Row] = []
    while not taken or taken[-1].position < 10:
        rows = await kafka.reader.read(SHARD, taken[-1].position if taken else 0, 100)
        taken += rows or list(kafka.reader._buffers[SHARD].rows)
        await asyncio.sleep(0.02)
    return positions_of(taken)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("weakened", "right"),
    [(None, True), (takes_whatever_comes, False), (takes_everything, False)],
    ids=["rule", "gap", "again"],
)
async def test_the_rule_of_one_integer_is_needed(
    database: str, topics: Topics, monkeypatch: pytest.MonkeyPatch, weakened: Any, right: bool
) -> None:
    if weakened:
        monkeypatch.setattr(ShardBuffer, "add", weakened)
    async with over_kafka(database, topics, relayed=False) as kafka:
        async with asyncio.timeout(20):
            assert (await positions_read(kafka) == list(range(1, 11))) is right


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("weakened", [False, True])
async def test_the_rule_of_generations_is_needed(
    database: str, topics: Topics, monkeypatch: pytest.MonkeyPatch, weakened: bool
) -> None:
    """A row of a database that is gone has the next position and other content."""

    if weakened:
        monkeypatch.setattr(ShardBuffer, "accepts", lambda *_: True)
    async with over_kafka(database, topics, relayed=False) as kafka:
        last = await append_rows(kafka, 5)
        other = (await kafka.writer.read(SHARD, last - 1, 1))[0]._replace(
            position=last + 1, time=777
        )
        old = [CONTENT_TYPE, (GENERATION, b"1")]
        publisher, records = kafka.relay.publisher, [(SHARD.encode(), envelope(other))]
        while await kafka.relay.step():
            pass
        await publisher.publish(TOPIC, kafka.topics.partition, records, old)
        true = (await kafka.writer.append(SHARD, [visit(6, 6)]))[0]
        kafka.publish()
        taken = (await kafka.read(last, last + 1))[0]
        assert (taken == other) is weakened
        assert (taken == true) is not weakened


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("weakened", [False, True])
async def test_the_relay_marks_what_was_acknowledged(
    database: str, topics: Topics, monkeypatch: pytest.MonkeyPatch, weakened: bool
) -> None:
    """A relay dies while it publishes, and another one goes on; nobody asks the writer."""

    async with over_kafka(database, topics, relayed=False) as kafka:
        await append_rows(kafka, 10)
        with monkeypatch.context() as patched, suppress(asyncio.CancelledError):
            if weakened:
                patched.setattr(Relay, "step", marks_before_it_publishes)
            else:
                patched.setattr(Publisher, "publish", dies)
            await kafka.relay.step()
        await kafka.knows_the_generation()
        kafka.recorded.unavailable = True
        kafka.relay.published = None
        kafka.publish()
        await kafka.reader.read(SHARD, 0, 1)
        await append_rows(kafka, 1)
        await wait_until_published(kafka)

        async def is_seen() -> bool:
            return (
                bool(kafka.recorded.requests)
                or (await kafka.reader.watermark(SHARD)).position == 11
            )

        await wait_for_condition(is_seen)
        assert (await kafka.reader.watermark(SHARD)).position == (0 if weakened else 11)


async def dies(*_: object) -> None:
    raise asyncio.CancelledError


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


def test_there_are_more_partitions_than_tests(topics: Topics) -> None:
    assert topics.partition < PARTITIONS_MAX - 2


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
