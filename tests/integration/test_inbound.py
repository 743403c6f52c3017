"""Records of inbound.LINE enter like a POST and are answered, whatever happens to the topic."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import count

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete

from eventlog.kafka.administration import apply, remove
from eventlog.kafka.client import administrator
from eventlog.kafka.topics import Cluster
from eventlog.notifier import Notifier
from eventlog.postgres.pool import open_database
from gridcall.host.topics import system_topics
from intake.acceptor import Acceptor
from intake.api_keys import ON_KAFKA, ApiKey, ApiKeys
from intake.inbound import consumer as inbound
from intake.inbound.cloudevents import ISSUE_TYPE
from intake.inbound.topics import INBOUND, line_topic
from intake.store import IntakeStore
from intake.submissions import IssueSubmission
from tests.harness.broker import Broker
from tests.harness.commands import run_on_database
from tests.harness.exampleville import issue
from tests.harness.published_schema import payload_validator
from tests.harness.upstream import DISTRICT, SOURCE, STRUCTURED, Upstream

PREFIXES = count()


@pytest.fixture
async def upstream(
    broker: Broker, database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Upstream]:
    """Return an upstream system with a producer and a key. Intake looks often."""
    monkeypatch.setattr(inbound, "POLL_MS", 100)
    cluster = Cluster(broker.address, f"inbound{next(PREFIXES)}")
    await apply(cluster, system_topics(cluster, 1))
    producer = AIOKafkaProducer(
        bootstrap_servers=cluster.brokers, acks="all", metadata_max_age_ms=1000
    )
    async with open_database(database, size=6) as pool:
        await IntakeStore(pool).add_district(DISTRICT)
        await ApiKeys(pool).add(DISTRICT, SOURCE, [ON_KAFKA[2]])
        await producer.start()
        made = Upstream(cluster, database, pool, producer)
        try:
            yield made
        finally:
            await made.stop()
            await producer.stop()
            await remove(cluster, system_topics(cluster, 1))


async def test_an_issue_enters_like_a_post_and_is_answered(upstream: Upstream) -> None:
    upstream.intake()
    await upstream.publish("R-1")
    binary = {"specversion": "1.0", "id": "u-2", "source": SOURCE, "type": ISSUE_TYPE}
    headers = [
        ("content-type", b"application/json"),
        *((f"ce_{name}", text.encode()) for name, text in binary.items()),
    ]
    await upstream.raw(json.dumps(issue("R-2")).encode(), headers)
    await upstream.publish("R-1")
    await upstream.publish("R-2", category="Graffiti")
    first, second, repeated, other = answers = await upstream.receipts(4)
    for answer in answers:
        payload_validator("receipt").validate(answer)
    assert [each["data"]["status"] for each in (first, second, repeated, other)] == [
        202,
        202,
        200,
        409,
    ]
    assert (first["causationid"], second["causationid"], first["subject"]) == (
        "u-R-1",
        "u-2",
        "R-1",
    )
    assert first["data"]["tracking"] == repeated["data"]["tracking"]
    assert [first["data"]["position"], second["data"]["position"]] == [1, 2]
    assert await upstream.wait_for_accepted(2) == ["R-1", "R-2"]
    key = ApiKey("", DISTRICT, SOURCE, frozenset())
    item, _ = IssueSubmission(key, "hotline").read(json.dumps(issue("R-1")).encode())
    (posted,) = await Acceptor(upstream.database, Notifier()).accept(DISTRICT, [item])
    assert (posted.fresh, posted.code) == (False, first["data"]["tracking"]), (
        "by whichever way it comes, it is one"
    )


async def test_poison_becomes_dead_letters_and_blocks_no_other_record(
    upstream: Upstream,
) -> None:
    poison: tuple[bytes | None, ...] = (
        None,
        b"",
        b"{",
        b"\xff\0",
        b"[" * 100_000,
        b'{"a": 1, "a": 2}',
        b"x" * 500_000,
    )
    for value in poison:
        await upstream.raw(value)
    await upstream.publish("R-1", colour="red")
    await upstream.publish("R-2")
    upstream.intake()
    assert await upstream.wait_for_accepted(1) == ["R-2"]
    letters = await upstream.wait_for_dead_letters(len(poison) + 1)
    assert [each.place for each in letters] == list(range(len(poison) + 1))
    values = [each.record and each.record.value for each in letters[:6]]
    assert values == [*poison[:4], (poison[4] or b"")[:65_536], poison[5]]
    assert [each.is_whole for each in letters] == [
        True,
        True,
        True,
        True,
        False,
        True,
        False,
        True,
    ]
    assert "colour" in letters[-1].reason
    receipts = await upstream.receipts(len(poison) + 2)
    assert [each["data"]["status"] >= 400 for each in receipts] == [True] * (len(poison) + 1) + [
        False
    ]


async def test_an_intake_that_is_killed_before_its_progress_is_stored_does_the_same_again(
    upstream: Upstream,
) -> None:
    await upstream.publish(*(f"R-{number}" for number in range(50)))
    await upstream.raw(b"poison")
    upstream.intake()
    await upstream.wait_for_progress(51)
    await upstream.stop()
    await upstream.database.fetch("UPDATE intake.inbound SET next = 0, digest = ''")
    upstream.intake("b")
    again = (await upstream.receipts(102))[51:]
    assert {each["data"]["status"] for each in again} == {200, 422}
    assert await upstream.wait_for_accepted(50) == [f"R-{number}" for number in range(50)]
    assert len(await upstream.store.dead_letters()) == 1


async def test_one_intake_reads_and_another_takes_over(upstream: Upstream) -> None:
    """The first one's lease outlasts the test, however slow this is. So its end is declared."""
    owner, lease_end = "SELECT owner FROM intake.inbound", "UPDATE intake.inbound SET leased_until"
    upstream.intake("a", lease_seconds=3600)
    await upstream.publish("R-0")
    await upstream.wait_for_accepted(1)
    first, publisher = upstream.readers.pop()
    upstream.intake("b")
    await upstream.publish("R-1")
    await upstream.wait_for_accepted(2)
    assert await upstream.store.lease_partitions("hotline", 1, "b", 1.5) == {}
    first.cancel()
    await upstream.publish("R-2")
    assert [row["owner"] for row in await upstream.database.fetch(owner)] == ["a"]
    await upstream.database.fetch(f"{lease_end} = '-infinity'")
    assert await upstream.wait_for_accepted(3) == ["R-0", "R-1", "R-2"]
    assert [row["owner"] for row in await upstream.database.fetch(owner)] == ["b"]
    assert len(await upstream.receipts(3)) == 3
    await publisher.close()


async def test_a_topic_that_is_replaced_is_read_from_its_beginning(
    upstream: Upstream,
) -> None:
    """A shorter topic than what was read, and a longer one."""

    topics = [
        each
        for each in system_topics(upstream.cluster, 1)
        if each.name == line_topic(upstream.cluster, INBOUND, "hotline")
    ]
    upstream.intake()
    await upstream.publish("R-1", "R-2", "R-3")
    await upstream.wait_for_progress(3)
    await upstream.stop()
    expected = ["R-1", "R-2", "R-3"]
    for name, size in (("shorter", 1), ("longer", 6)):
        await remove(upstream.cluster, topics)
        await apply(upstream.cluster, topics)
        more = [f"{name}-{number}" for number in range(size)]
        await upstream.publish(*more)
        expected += more
        upstream.intake()
        assert await upstream.wait_for_accepted(len(expected)) == expected
        await upstream.wait_for_progress(size)
        await upstream.stop()
    assert await upstream.store.dead_letters() == []


async def test_a_partition_that_is_added_is_read_too(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "METADATA_MS", 500)

    upstream.intake()
    await upstream.publish("R-1")
    await upstream.wait_for_accepted(1)
    topic = line_topic(upstream.cluster, INBOUND, "hotline")
    async with administrator(upstream.cluster) as client:
        await client.create_partitions({topic: NewPartitions(2)})
    event = {
        "specversion": "1.0",
        "id": "u",
        "source": SOURCE,
        "type": ISSUE_TYPE,
        "data": issue("R-2"),
    }
    await upstream.producer.client.force_metadata_update()
    await upstream.producer.send_and_wait(
        topic, json.dumps(event).encode(), partition=1, headers=STRUCTURED
    )
    assert await upstream.wait_for_accepted(2) == ["R-1", "R-2"]


async def test_what_the_broker_deleted_before_it_was_read_becomes_a_dead_letter(
    upstream: Upstream,
) -> None:
    upstream.intake()
    await upstream.publish("R-0")
    await upstream.wait_for_progress(1)
    await upstream.stop()
    await upstream.publish(*(f"R-{number}" for number in range(1, 10)))
    partition = TopicPartition(line_topic(upstream.cluster, INBOUND, "hotline"), 0)
    async with administrator(upstream.cluster) as client:
        await client.delete_records({partition: RecordsToDelete(5)})
    upstream.intake()
    assert await upstream.wait_for_accepted(6) == ["R-0", "R-5", "R-6", "R-7", "R-8", "R-9"]
    (letter,) = await upstream.wait_for_dead_letters(1)
    assert (letter.place, letter.record, letter.is_whole) == (1, None, False)
    assert "1 to 4" in letter.reason


async def test_what_a_restored_database_has_lost_is_read_again(upstream: Upstream) -> None:
    """The topic keeps a week: an upstream on Kafka need not send again."""
    tables = ("log", "identity", "shard", "inbound")

    upstream.intake()
    await upstream.publish("R-1", "R-2")
    await upstream.wait_for_progress(2)
    await upstream.stop()
    for table in tables:
        await upstream.database.fetch(
            f"CREATE TABLE backup_{table} AS SELECT * FROM intake.{table}"
        )
    upstream.intake()
    await upstream.publish("R-3", "R-4")
    await upstream.receipts(4)
    await upstream.stop()
    for table in tables:
        await upstream.database.fetch(f"DELETE FROM intake.{table}")
        await upstream.database.fetch(f"INSERT INTO intake.{table} SELECT * FROM backup_{table}")
    assert await upstream.wait_for_accepted(2) == ["R-1", "R-2"]
    upstream.intake()
    assert await upstream.wait_for_accepted(4) == ["R-1", "R-2", "R-3", "R-4"]


async def test_an_operator_lists_shows_retries_and_discards(
    upstream: Upstream, database: str
) -> None:
    async def run(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(run_on_database, database, "quarantine", *words)
        return done.returncode, done.stdout

    assert await run("list") == (0, "")
    upstream.intake()
    await upstream.publish("R-1", district="elsewhere")
    await upstream.raw(b'{"\\u001b[31m": 1, "\\u001b[31m": "poison \xc2\x9b"}')
    await upstream.wait_for_dead_letters(2)
    status, text = await run("list", "--json")
    first, second = json.loads(text)
    assert (status, first["line"], first["offset"], second["offset"]) == (0, "hotline", 0, 1)
    assert "elsewhere" in first["reason"]
    for words in (("list",), ("show", str(second["id"]))):
        status, text = await run(*words)
        assert status == 0
        assert all(each.isprintable() or each == "\n" for each in text), (
            "a sender steers no terminal"
        )
    assert "poison" in text
    assert (await run("retry", str(first["id"])))[0] == 1, (
        "its source may still not publish for that district"
    )
    await IntakeStore(upstream.database).add_district("elsewhere")
    await ApiKeys(upstream.database).add("elsewhere", SOURCE, [ON_KAFKA[2]])
    await asyncio.sleep(2.1)  # So long a source is believed to be unknown.
    assert await run("retry", str(first["id"])) == (0, "1 of 1 accepted\n")
    assert await upstream.wait_for_accepted(1) == ["R-1"]
    assert [each["data"]["status"] for each in await upstream.receipts(4)] == [
        403,
        422,
        403,
        202,
    ]
    assert await run("discard", "--line", "hotline") == (0, "1 discarded\n")
    assert await run("list") == (0, "")
    assert (await run("show", "999"))[0] == 2
