"""Assessment's tables: the merged position of each log, and the facts, one row for each key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import asyncpg
import msgspec

from assessment.core.facts import Fact, Facts, Key, merge
from eventlog.postgres.lease import LEASE_SECONDS
from eventlog.postgres.pool import Database
from eventlog.postgres.statements import RENEW
from events.errors import Conflict
from events.instants import BEGINNING, Instant

HOLD = RENEW.format(schema="assessment")
MERGED = "SELECT log, pos, generation FROM assessment.merged WHERE shard = $1"
ADVANCE = """
UPDATE assessment.merged SET pos = $4, zone = coalesce($5, zone)
WHERE shard = $1 AND log = $2 AND pos = $3 RETURNING pos
"""
BEGIN = "INSERT INTO assessment.merged (shard, log, pos, generation) VALUES ($1, $2, 0, $3)"
FORGET = (
    "DELETE FROM assessment.fact WHERE shard = $1",
    "DELETE FROM assessment.merged WHERE shard = $1",
)
STORED = """
SELECT k."case", k.episode, k.worker, f.fact
FROM unnest($2::text[], $3::int[], $4::text[]) AS k ("case", episode, worker)
JOIN assessment.fact f
  ON f.shard = $1 AND f.worker = k.worker AND f."case" = k."case" AND f.episode = k.episode
"""
STORE = """
INSERT INTO assessment.fact (shard, "case", episode, worker, fact)
SELECT $1, k.* FROM unnest($2::text[], $3::int[], $4::text[], $5::bytea[]) AS k
ON CONFLICT (shard, worker, "case", episode) DO UPDATE SET fact = excluded.fact
"""
FACTS = 'SELECT "case", episode, worker, fact FROM assessment.fact WHERE shard = $1'
FACTS_OF_WORKER = f"{FACTS} AND worker = $2"
UNTIL = "SELECT ts FROM assessment.shard WHERE shard = $1"
ZONE = "SELECT zone FROM assessment.merged WHERE shard = $1 AND log = 'cases'"
DISTRICTS = "SELECT shard FROM assessment.fact UNION SELECT shard FROM assessment.merged"

Connection: TypeAlias = "asyncpg.Connection[Any]"

encode_fact = msgspec.json.Encoder().encode
decode_fact = msgspec.json.Decoder(Fact).decode


class MergedLog(NamedTuple):
    """The last position of a log that is merged, and the number of the log's generation."""

    position: int
    generation: int


class Advance(NamedTuple):
    """The merging of a log from `after` to `position`; `zone` is the one it adopts, if any."""

    log: str
    after: int
    position: int
    zone: str | None


class WorkerFacts(NamedTuple):
    """The facts of one worker up to the instant `until`, and the zone whose months count."""

    facts: Facts
    zone: str
    until: Instant


class FactStore:
    """The facts of all districts of a database. Writing needs the epoch of a district's lease."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def merged_logs(self, district: str) -> dict[str, MergedLog]:
        """Return how far each log is merged."""

        async def read(connection: Connection) -> dict[str, MergedLog]:
            return await merged_logs(connection, district)

        return await self._database.on_connection(read)

    async def restart(self, district: str, epoch: int, generations: Mapping[str, int]) -> None:
        """Forget all facts of a district and begin with these generations of its logs."""

        async def write(connection: Connection) -> None:
            async with connection.transaction():
                await hold(connection, district, epoch)
                for sql in FORGET:
                    await connection.execute(sql, district)
                for log, generation in generations.items():
                    await connection.execute(BEGIN, district, log, generation)

        await self._database.on_connection(write)

    async def merge(
        self, district: str, epoch: int, advances: Sequence[Advance], facts: Facts
    ) -> None:
        """Merge facts into the stored ones and advance their logs, in one transaction.

        Raises Conflict if the lease has another owner, or if a log is merged up to another place.
        """

        async def write(connection: Connection) -> None:
            async with connection.transaction():
                await hold(connection, district, epoch)
                for advance in advances:
                    await advance_log(connection, district, advance)
                await merge_facts(connection, district, facts)

        await self._database.on_connection(write)

    async def worker_facts(self, district: str, worker: str) -> WorkerFacts:
        """Return the facts of a worker, at one instant of the database."""

        async def read(connection: Connection) -> WorkerFacts:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                records = await connection.fetch(FACTS_OF_WORKER, district, worker)
                facts = {key_of(record): decode_fact(record["fact"]) for record in records}
                zone = await connection.fetchval(ZONE, district)
                until = await connection.fetchval(UNTIL, district)
                return WorkerFacts(facts, zone or "UTC", BEGINNING if until is None else until)

        return await self._database.on_connection(read)


async def merged_logs(connection: Connection, district: str) -> dict[str, MergedLog]:
    """Return how far each log of a district is merged."""
    records = await connection.fetch(MERGED, district)
    return {log: MergedLog(position, generation) for log, position, generation in records}


async def stored_zone(connection: Connection, district: str) -> str | None:
    """Return the zone in which the months of a district are counted; None before it began."""
    zone: str | None = await connection.fetchval(ZONE, district)
    return zone


async def stored_districts(connection: Connection) -> set[str]:
    """Return every district of which something is merged."""
    return {record["shard"] for record in await connection.fetch(DISTRICTS)}


async def encoded_facts(connection: Connection, district: str) -> dict[Key, bytes]:
    """Return all facts of a district as they are stored."""
    return {key_of(record): record["fact"] for record in await connection.fetch(FACTS, district)}


async def hold(connection: Connection, district: str, epoch: int) -> None:
    """Stay the owner of a district until the transaction ends. Raises Conflict if others are."""
    if not await connection.fetch(HOLD, district, epoch, LEASE_SECONDS, 0):  # Nothing folded.
        raise Conflict(f"evaluations/{district} has another owner")


async def advance_log(connection: Connection, district: str, advance: Advance) -> None:
    """Record how far a log is merged. Raises Conflict if it was merged up to another place."""
    if not await connection.fetch(ADVANCE, district, *advance):
        raise Conflict(f"{advance.log}/{district} is not merged up to {advance.after}")


async def merge_facts(connection: Connection, district: str, facts: Facts) -> None:
    """Store facts, each merged with the stored one of its key."""
    columns = [list(column) for column in zip(*facts, strict=True)] or [[], [], []]
    stored = {
        key_of(record): decode_fact(record["fact"])
        for record in await connection.fetch(STORED, district, *columns)
    }
    bodies = [
        encode_fact(merge(stored[key], fact) if key in stored else fact)
        for key, fact in facts.items()
    ]
    await connection.execute(STORE, district, *columns, bodies)


def key_of(record: asyncpg.Record) -> Key:
    """Return the key of a stored fact."""
    return Key(record["case"], record["episode"], record["worker"])
