"""Keeps the facts of a district in assessment's database, as new as `cases` and `calls` are.

The owner of the district's lease merges the next rows of a log, and says how far that log is merged in the same transaction: no
row is merged twice, whoever died meanwhile and whatever answer was lost. What is merged cannot be taken out again: where a log
has become another generation, all facts are forgotten, and merged anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

import asyncpg
import msgspec

from assessment.core.facts import Fact, Facts, Key, merge_into, merged
from eventlog.core.log import Source
from eventlog.core.row import Row
from eventlog.postgres.log import LEASE_SECONDS, RENEW, PostgresLog
from eventlog.postgres.pool import Database
from events.catalogue import PoliciesAdopted
from events.errors import Conflict, Halted
from events.instants import BEGINNING, Instant

FEW = 1_000  # Rows: after fewer, what comes next is waited for,
REST_SECONDS = 0.25  # so long: what comes together is merged together, for half of it speaks of the same facts.
PART = 250  # Rows: the other services of a process are not held up by more.
HOLD = RENEW.format(schema="assessment")
MERGED = "SELECT log, pos, generation FROM assessment.merged WHERE shard = $1"
GO_ON = """
UPDATE assessment.merged SET pos = $4, zone = coalesce($5, zone) WHERE shard = $1 AND log = $2 AND pos = $3 RETURNING pos
"""
BEGIN = "INSERT INTO assessment.merged (shard, log, pos, generation) VALUES ($1, $2, 0, $3)"
FORGET = (
    "DELETE FROM assessment.fact WHERE shard = $1",
    "DELETE FROM assessment.merged WHERE shard = $1",
)
KNOWN = """
SELECT k."case", k.episode, k.worker, f.fact FROM unnest($2::text[], $3::int[], $4::text[]) AS k ("case", episode, worker)
JOIN assessment.fact f ON f.shard = $1 AND f.worker = k.worker AND f."case" = k."case" AND f.episode = k.episode
"""
KEEP = """
INSERT INTO assessment.fact (shard, "case", episode, worker, fact)
SELECT $1, k.* FROM unnest($2::text[], $3::int[], $4::text[], $5::bytea[]) AS k
ON CONFLICT (shard, worker, "case", episode) DO UPDATE SET fact = excluded.fact
"""
FACTS = 'SELECT "case", episode, worker, fact FROM assessment.fact WHERE shard = $1'
OF_WORKER = f"{FACTS} AND worker = $2"
UNTIL = "SELECT ts FROM assessment.shard WHERE shard = $1"
ZONE = "SELECT zone FROM assessment.merged WHERE shard = $1 AND log = 'cases'"

packed = msgspec.json.Encoder().encode
unpacked = msgspec.json.Decoder(Fact).decode


class Assessor:
    """Merges the rows of both logs of a district, and passes time on when they have no more before an instant.

    `sink` is assessment's own log, whose lease says who does it; it is of the generation of `calls`, the later log.
    """

    def __init__(
        self, district: str, cases: Source, calls: Source, sink: PostgresLog, batch: int
    ) -> None:
        self.district = district
        self.logs = {each.name: each for each in (cases, calls)}
        self.source = calls
        self.sink = sink
        self.batch = batch
        self.read = dict.fromkeys(self.logs, 0)
        self._rests_until = 0.0

    async def replay(self) -> None:
        """Go on after what is merged. Nothing is, where a log is not the one that it was."""
        generations = {
            name: (await log.generation(self.district)).number for name, log in self.logs.items()
        }
        found = {
            name: (position, number)
            for name, position, number in await self.sink.database.fetch(MERGED, self.district)
        }
        if {name: number for name, (_, number) in found.items()} != generations:
            await self.sink.database.on_connection(partial(self._begin_anew, generations))
            found.clear()
        self.read = {name: found.get(name, (0, 0))[0] for name in self.logs}

    async def step(self) -> int:
        """Merge the next rows of both logs, for they often speak of the same facts; how many of one of them at most."""
        await asyncio.sleep(max(0.0, self._rests_until - monotonic()))
        found = [
            await log.read(self.district, self.read[name], self.batch)
            for name, log in self.logs.items()
        ]
        if any(found):
            await self.sink.database.on_connection(
                partial(self._merge, [rows for rows in found if rows])
            )
            self.read |= {rows[-1].log: rows[-1].position for rows in found if rows}
        most = max(map(len, found))
        self._rests_until = monotonic() + REST_SECONDS if 0 < most < min(FEW, self.batch) else 0.0
        return most

    async def advance_time(self) -> None:
        """Say how far time has passed, for whoever takes figures: what both logs have before that is merged."""
        marks = {name: await log.watermark(self.district) for name, log in self.logs.items()}
        for name, position in self.read.items():
            if marks[name].position < position:
                raise Halted(
                    f"{name}/{self.district} ends at {marks[name].position}, but {position} was read before"
                )
        if all(marks[name].position == position for name, position in self.read.items()):
            watermark = min(mark.watermark for mark in marks.values())
            await self.sink.announce(self.district, watermark, self.read[self.source.name])

    async def _begin_anew(
        self, generations: Mapping[str, int], connection: asyncpg.Connection[Any]
    ) -> None:
        async with connection.transaction():
            await self._hold(connection)
            for sql in FORGET:
                await connection.execute(sql, self.district)
            for name, number in generations.items():
                await connection.execute(BEGIN, self.district, name, number)

    async def _merge(
        self, found: Sequence[Sequence[Row]], connection: asyncpg.Connection[Any]
    ) -> None:
        """In one transaction: these rows of each log are merged, and it is said that they are."""
        said: dict[Key, Fact] = {}
        for rows in found:
            for start in range(0, len(rows), PART):
                merge_into(said, rows[start : start + PART])
                await asyncio.sleep(0)
        keys = [list(column) for column in zip(*said, strict=True)] or [[], [], []]
        async with connection.transaction():
            await self._hold(connection)
            for rows in found:
                name, before = rows[0].log, rows[0].position - 1
                if not await connection.fetch(
                    GO_ON, self.district, name, before, rows[-1].position, zone_of(rows)
                ):
                    raise Conflict(f"{name}/{self.district} is not merged up to {before}")
            for known in await connection.fetch(KNOWN, self.district, *keys):
                key = key_of(known)
                said[key] = merged(unpacked(known["fact"]), said[key])
            await connection.execute(
                KEEP, self.district, *keys, [packed(fact) for fact in said.values()]
            )

    async def _hold(self, connection: asyncpg.Connection[Any]) -> None:
        """Stay the owner until the transaction ends. Raises Conflict where somebody else is."""
        if not await connection.fetch(
            HOLD, self.district, self.sink.epoch(self.district), LEASE_SECONDS
        ):
            raise Conflict(f"{self.sink.name}/{self.district} has another owner")


def zone_of(rows: Sequence[Row]) -> str | None:
    """The zone of the policies adopted last in these rows."""
    return next(
        (row.event.zone for row in reversed(rows) if isinstance(row.event, PoliciesAdopted)), None
    )


def key_of(kept: asyncpg.Record) -> Key:
    """The key of a kept fact."""
    return Key(kept["case"], kept["episode"], kept["worker"])


class Known(NamedTuple):
    """The facts of one worker, as far as time has passed, and the zone in which months are told."""

    facts: Facts
    zone: str
    until: Instant


async def known_of(database: Database, district: str, worker: str) -> Known:
    """What is known of a worker, at one instant of the database."""

    async def asked(connection: asyncpg.Connection[Any]) -> Known:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            facts = {
                key_of(kept): unpacked(kept["fact"])
                for kept in await connection.fetch(OF_WORKER, district, worker)
            }
            zone, until = (
                await connection.fetchval(ZONE, district),
                await connection.fetchval(UNTIL, district),
            )
            return Known(facts, zone or "UTC", BEGINNING if until is None else until)

    return await database.on_connection(asked)
