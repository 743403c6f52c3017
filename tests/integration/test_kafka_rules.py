"""Each rule of a relay and its reader is needed: without it, the same story goes wrong."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from eventlog.codec import envelope
from eventlog.core.row import Row, Watermark
from eventlog.kafka import relay
from eventlog.kafka.publisher import Publisher
from eventlog.kafka.relay import Relay
from eventlog.kafka.shard_buffer import ShardBuffer
from eventlog.kafka.topics import CONTENT_TYPE, GENERATION
from eventlog.postgres.outbox import advance_published, take_published
from events.instants import BEGINNING
from tests.contract.log_contract import SHARD, visit
from tests.harness.kafka import (
    PARTITIONS_MAX,
    TOPIC,
    Kafka,
    Topics,
    append_rows,
    headers_of,
    over_kafka,
    positions_of,
    wait_until_published,
)
from tests.harness.waiting import wait_for_condition


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


def test_there_are_more_partitions_than_tests(topics: Topics) -> None:
    assert topics.partition < PARTITIONS_MAX - 2
