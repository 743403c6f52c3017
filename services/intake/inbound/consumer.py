"""Reads `inbound.<line>`: what an upstream system publishes there enters like a POST, and is answered on `receipts.<line>`.

A batch is accepted, answered, and only then passed; whoever is killed in between does the same again, and the identity of an
issue makes it one. So the place that is kept is a hint: a topic that was made anew, or another cluster, is known by the last
record's digest, and is read from its beginning. One intake reads a partition, by a lease; a zombie harms nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from eventlog.kafka.relay import Publisher
from eventlog.kafka.topics import CONTENT_TYPE, Cluster, administrator, counted, is_ending, let_go
from eventlog.postgres.generation import NewGeneration
from eventlog.postgres.pool import Database
from events.catalogue import Line
from events.errors import Unavailable
from httpedge.problems import Problem
from intake.acceptor import Acceptor, Busy, ClockLeapt
from intake.api_keys import Keys
from intake.core.submission import Item
from intake.inbound.cloudevents import Record, read, receipt, sent
from intake.inbound.dead_letters import Quarantine, Refused, columns
from intake.inbound.topics import INBOUND, RECEIPTS, line_topic
from intake.ingest_endpoint import COMMIT_ITEMS_MAX
from intake.refusals import conflict
from intake.results import Result, result_of

LEASE_SECONDS = 5.0
LOOK_MS = 1000
METADATA_MS = 10_000  # So late another partition is seen.
AGAIN_SECONDS = 1.0
LACKING_SECONDS = 5.0
AGAIN_RECORDS = 100
TAKE = """
INSERT INTO intake.inbound AS i (line, partition, owner, leased_until)
SELECT $1, partition, $3, clock_timestamp() + make_interval(secs => $4) FROM generate_series(0, $2 - 1) AS partition
ON CONFLICT (line, partition) DO UPDATE SET owner = excluded.owner, leased_until = excluded.leased_until
WHERE i.owner = excluded.owner OR i.leased_until < clock_timestamp() RETURNING partition, next, digest
"""
PASSED = """
WITH passed AS (
  UPDATE intake.inbound SET next = $4, digest = $5 WHERE line = $1 AND partition = $2 AND owner = $3 RETURNING line
)
INSERT INTO intake.quarantine (line, partition, place, problem, digest, key, headers, value, size)
SELECT line, refused.* FROM passed, unnest($6::integer[], $7::bigint[], $8::bytea[], $9::bytea[], $10::bytea[], $11::bytea[],
  $12::bytea[], $13::bigint[]) AS refused
ON CONFLICT DO NOTHING
"""

log = logging.getLogger("gridcall")


class Place(NamedTuple):
    """How far a partition is read: the next offset, and the digest of the record before it (empty: there was none)."""

    next: int
    digest: bytes


class Answer(NamedTuple):
    """What becomes of a record: `cause` is the id of its event, where it has one."""

    cause: str | None
    said: Result | Problem


class TopicReplaced(Exception):
    """The records are not those that were read before: the topic was made anew, or this is another cluster."""


class Inbound:
    """One line's topic, read for all districts."""

    def __init__(
        self,
        line: Line,
        cluster: Cluster,
        database: Database,
        door: Acceptor,
        publisher: Publisher,
        owner: str,
    ) -> None:
        self.line = line
        self.cluster = cluster
        self.topic = line_topic(cluster, INBOUND, line)
        self.lag: dict[int, int] = {}  # Records that wait, by partition that this process reads.
        self._receipts = line_topic(cluster, RECEIPTS, line)
        self._database = database
        self._door = door
        self._keys = Keys(database)
        self._quarantine = Quarantine(database)
        self._publisher = publisher
        self._owner = owner
        self._places: dict[int, Place] = {}
        self._unsure: set[int] = (
            set()
        )  # Partitions whose first record must be the last one that was read.
        self._told = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._read()
            except (
                Unavailable,
                Busy,
                ClockLeapt,
                NewGeneration,
                KafkaError,
                OSError,
                asyncio.CancelledError,
            ) as fault:
                if is_ending():
                    raise
                self._tell(f"{self.topic} is not read: {fault!r}; it goes on by itself")
                await asyncio.sleep(AGAIN_SECONDS)

    def _tell(self, what: str) -> None:
        if what != self._told:
            log.warning("%s", what)
        self._told = what

    # ── Where it reads ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _read(self) -> None:
        """Read what this process has the lease of, until something fails or changes."""
        async with administrator(self.cluster) as client:
            count = (await counted(client, [self.topic])).get(self.topic, 0)
        if not count:
            self._tell(
                f"{self.topic} is not there, so nobody can publish to it: gridcall topics apply"
            )
            await asyncio.sleep(LACKING_SECONDS)
            return
        while not (places := await self._leased(count)):
            await asyncio.sleep(LEASE_SECONDS / 2)  # Nothing announces that a lease has run out.
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.cluster.brokers,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=1 << 20,
            request_timeout_ms=10_000,
            metadata_max_age_ms=METADATA_MS,
        )
        try:
            await consumer.start()
            await self._placed(consumer, places)
            while set(await self._leased(count)) == set(places):
                try:
                    found = await consumer.getmany(timeout_ms=LOOK_MS, max_records=COMMIT_ITEMS_MAX)
                    for partition, records in found.items():
                        await self._take(partition.partition, records)
                except (OffsetOutOfRangeError, TopicReplaced):
                    await self._placed(consumer, await self._leased(count))
                await self._try_again()
                for partition in consumer.assignment():
                    end = consumer.highwater(partition)
                    self.lag[partition.partition] = max(
                        0, (end or 0) - self._places[partition.partition].next
                    )
                count = max(count, len(consumer.partitions_for_topic(self.topic) or ()))
                self._told = ""
        finally:
            self.lag = {}
            await let_go(consumer.stop())

    async def _leased(self, count: int) -> dict[int, Place]:
        """The partitions that this process reads, and how far they are read."""
        found = await self._database.fetch(TAKE, self.line, count, self._owner, LEASE_SECONDS)
        return {row["partition"]: Place(row["next"], row["digest"]) for row in found}

    async def _placed(self, consumer: AIOKafkaConsumer, places: dict[int, Place]) -> None:
        """Begin at the last record that was read, to see that it is the same. What is gone is told in the quarantine."""
        self._places = places
        self._unsure = {partition for partition, place in places.items() if place.digest}
        consumer.assign([TopicPartition(self.topic, number) for number in places])
        assigned = list(consumer.assignment())
        async with asyncio.timeout(10):
            first, end = (
                await consumer.beginning_offsets(assigned),
                await consumer.end_offsets(assigned),
            )
        for partition in assigned:
            number, place = partition.partition, places[partition.partition]
            last = place.next - 1 if place.digest else place.next
            if place.next > end[partition]:
                await self._begun_anew(number)
            elif last < first[partition]:
                self._unsure.discard(number)
                if place.next < first[partition]:
                    await self._lost(number, first[partition])
            consumer.seek(
                partition,
                max(first[partition], self._places[number].next - (number in self._unsure)),
            )

    async def _begun_anew(self, number: int) -> None:
        """Read a partition from its beginning, for other records lie there now."""
        log.warning(
            "%s/%s was made anew, or lies on another cluster: it is read from its beginning",
            self.topic,
            number,
        )
        self._unsure.discard(number)
        await self._pass(number, Place(0, b""))

    async def _lost(self, number: int, first: int) -> None:
        """Tell in the quarantine what the broker deleted before it was read."""
        last, place = self._places[number].next, self._place(number, self._places[number].next)
        detail = f"The broker deleted {last} to {first - 1} before they were read: the upstream must send them again."
        problem = Problem(410, "gone", "Deleted before it was read", detail)
        log.error("%s/%s: %s", self.topic, number, detail)
        await self._pass(
            number, Place(first, b""), [Refused(number, last, None, problem.to_members(place))]
        )

    # ── What it reads ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _take(self, number: int, found: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Accept, answer and pass the next records of a partition. Raises TopicReplaced."""
        records = [(each.offset, Record(each.key, each.value, each.headers)) for each in found]
        if number in self._unsure:
            self._unsure.discard(number)
            known, (offset, first) = self._places[number], records[0]
            if (offset, first.digest) != (known.next - 1, known.digest):
                await self._begun_anew(number)
                raise TopicReplaced
            records = records[1:]
        if records:
            answers = await self.answers([record for _, record in records])
            await self._answer(
                number,
                [offset for offset, _ in records],
                [record for _, record in records],
                answers,
            )
            refused = [
                Refused(number, offset, record, answer.said.to_members(self._place(number, offset)))
                for (offset, record), answer in zip(records, answers, strict=True)
                if isinstance(answer.said, Problem)
            ]
            last, record = records[-1]
            await self._pass(number, Place(last + 1, record.digest), refused)

    async def answers(self, records: Sequence[Record]) -> list[Answer]:
        """Accept what can be accepted, in its order; what is answered to each."""
        answers: list[Answer | None] = [None] * len(records)
        readable: dict[str, list[tuple[int, Item, str]]] = defaultdict(list)
        causes: list[str | None] = [None] * len(records)
        for number, record in enumerate(records):
            try:
                event = sent(record)
                causes[number] = event.id
                allowed = await self._keys.districts_of(event.source, self.line)
                district, item, reference = read(event, self.line, allowed)
                readable[district].append((number, item, reference))
            except Problem as problem:
                answers[number] = Answer(causes[number], problem)
            except (
                ValueError,
                TypeError,
                LookupError,
                RecursionError,
            ):  # A fault of ours stops nobody behind this record.
                log.exception(
                    "a record of %s cannot be read: this is a fault of gridcall", self.topic
                )
                fault = Problem(
                    500,
                    "fault",
                    "A fault of gridcall",
                    "This is a fault of gridcall: please report it.",
                )
                answers[number] = Answer(causes[number], fault)
        for district, items in readable.items():
            accepted = await self._door.accept(district, [item for _, item, _ in items])
            for (number, _, reference), each in zip(items, accepted, strict=True):
                said = result_of(each, reference) if each.same else conflict(reference)
                answers[number] = Answer(causes[number], said)
        return [answer for answer in answers if answer is not None]

    async def _answer(
        self,
        number: int,
        offsets: Iterable[int],
        records: Sequence[Record],
        answers: Sequence[Answer],
    ) -> None:
        """Publish the receipts, each with its record's key."""
        said = [
            receipt(self._place(number, offset), *answer)
            for offset, answer in zip(offsets, answers, strict=True)
        ]
        keyed = [(record.key or b"", body) for record, body in zip(records, said, strict=True)]
        await self._publisher.publish(self._receipts, 0, keyed, [CONTENT_TYPE])

    async def _pass(self, number: int, place: Place, refused: Sequence[Refused] = ()) -> None:
        """Keep how far a partition is read, and what was refused, in one. Whoever has lost the lease keeps nothing."""
        await self._database.fetch(
            PASSED, self.line, number, self._owner, *place, *columns(refused)
        )
        self._places[number] = place

    def _place(self, number: int, offset: int) -> str:
        """The name of a record."""
        return f"{self.topic}/{number}/{offset}"

    async def _try_again(self) -> None:
        """What an operator lets be tried again."""
        if 0 not in self._places:
            return
        while waiting := await self._quarantine.waiting(self.line, AGAIN_RECORDS):
            records = [each.record for each in waiting if each.record is not None]
            assert len(records) == len(waiting), "only what is whole is tried again"
            answers = await self.answers(records)
            for each, record, answer in zip(waiting, records, answers, strict=True):
                await self._answer(each.partition, [each.place], [record], [answer])
                if isinstance(answer.said, Problem):
                    await self._quarantine.still(
                        each.id, answer.said.to_members(self._place(each.partition, each.place))
                    )
                else:
                    await self._quarantine.discard([each.id])
