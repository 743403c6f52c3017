"""Assessment's tables: the merged position of each log, and the facts, one row for each key.

A merge is a read and a write, and the districts of a process share both (shared_statements.py). The
fence of the write is the epoch of the district's lease, and the position of each log. So facts that
were read before are those that are stored, because nobody else has written any since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import asyncpg
import msgspec

from assessment.core.facts import Fact, Facts, Key, merge
from eventlog.postgres.columns import array_columns
from eventlog.postgres.lease import LEASE_SECONDS
from eventlog.postgres.pool import Database
from eventlog.postgres.shared_statements import SharedStatements
from eventlog.postgres.statements import RENEW
from events.errors import Conflict
from events.instants import BEGINNING, Instant

HOLD = RENEW.format(schema="assessment")
MERGED = "SELECT log, pos, generation FROM assessment.merged WHERE shard = $1"
EPOCH = "SELECT epoch FROM assessment.shard WHERE shard = $1"
BEGIN = "INSERT INTO assessment.merged (shard, log, pos, generation) VALUES ($1, $2, 0, $3)"
FORGET = (
    "DELETE FROM assessment.fact WHERE shard = $1",
    "DELETE FROM assessment.merged WHERE shard = $1",
)
STORED = """
SELECT i, f.fact
FROM unnest($1::text[], $2::text[], $3::int[], $4::text[])
  WITH ORDINALITY AS k (shard, "case", episode, worker, i)
JOIN assessment.fact f
  ON f.shard = k.shard AND f.worker = k.worker AND f."case" = k."case" AND f.episode = k.episode
"""
# In a statement of several, `{lock}` leaves out a district that another transaction holds.
MERGE = """
WITH call AS (
  SELECT s.shard, cases_end, calls_end, call.zone,
    s.epoch = call.epoch AND cases.pos = cases_after AND calls.pos = calls_after AS is_held
  FROM unnest(
    $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[]
  ) AS call (name, epoch, cases_after, cases_end, calls_after, calls_end, zone)
  JOIN assessment.shard s ON s.shard = name
  JOIN assessment.merged cases ON cases.shard = name AND cases.log = 'cases'
  JOIN assessment.merged calls ON calls.shard = name AND calls.log = 'calls'
  ORDER BY s.shard FOR UPDATE OF s, cases, calls {lock}
), held AS (
  UPDATE assessment.shard s SET leased_until = clock_timestamp() + make_interval(secs => $1)
  FROM call WHERE s.shard = call.shard AND is_held RETURNING s.shard
), advanced AS (
  UPDATE assessment.merged m SET zone = coalesce(call.zone, m.zone),
    pos = CASE log WHEN 'cases' THEN cases_end ELSE calls_end END
  FROM call WHERE m.shard = call.shard AND is_held
), stored AS (
  INSERT INTO assessment.fact (shard, "case", episode, worker, fact)
  SELECT k.* FROM held
  JOIN unnest($9::text[], $10::text[], $11::int[], $12::text[], $13::bytea[])
    AS k (shard, "case", episode, worker, fact) ON k.shard = held.shard
  ON CONFLICT (shard, worker, "case", episode) DO UPDATE SET fact = excluded.fact
)
SELECT shard, is_held FROM call
"""
FACTS_MAX = 500  # In one statement of several districts.
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
    """The merging of a log from `after` to `position`; `zone` is the one it adopts, if any.

    Both are the same for a log without a new row.
    """

    log: str
    after: int
    position: int
    zone: str | None


class Merge(NamedTuple):
    """Facts of a district as they will be stored, and what its fence must be and becomes."""

    epoch: int
    cases_after: int
    cases_end: int
    calls_after: int
    calls_end: int
    zone: str | None
    facts: Mapping[Key, bytes]


class WorkerFacts(NamedTuple):
    """The facts of one worker up to the instant `until`, and the zone whose months count."""

    facts: Facts
    zone: str
    until: Instant


class FactStore:
    """The facts of all districts of a database. Writing needs the epoch of a district's lease."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._alone, self._shared = (MERGE.format(lock=lock) for lock in ("", "SKIP LOCKED"))
        self._reads = SharedStatements(self._read, size_max=FACTS_MAX)
        self._merges = SharedStatements(self._merge, size_max=FACTS_MAX)

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
        """Merge facts into the stored ones and advance both logs, in one transaction.

        Raises Conflict if the lease has another owner, or if a log is merged up to another place.
        """
        stored = await self._stored_facts(district, facts)
        bodies = {
            key: encode_fact(merge(stored[key], fact) if key in stored else fact)
            for key, fact in facts.items()
        }
        ends = {log: (after, position) for log, after, position, _ in advances}
        zone = next((each.zone for each in advances if each.log == "cases"), None)
        call = Merge(epoch, *ends["cases"], *ends["calls"], zone, bodies)
        if not await self._merges.call(district, call, max(1, len(facts))):
            raise await self._conflict(district, epoch, advances)

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

    async def _stored_facts(self, district: str, facts: Facts) -> Facts:
        """Return the stored facts of these keys."""
        return await self._reads.call(district, [*facts], len(facts)) if facts else {}

    async def _conflict(self, district: str, epoch: int, advances: Sequence[Advance]) -> Conflict:
        """Return why a merge was refused."""
        if [tuple(each) for each in await self._database.fetch(EPOCH, district)] == [(epoch,)]:
            merged = await self.merged_logs(district)
            for log, after, *_ in advances:
                if log not in merged or merged[log].position != after:
                    return Conflict(f"{log}/{district} is not merged up to {after}")
        return another_owner(district)

    # ── Several districts ─────────────────────────────────────────────────────────────────────────

    async def _read(self, wanted: Mapping[str, Sequence[Key]]) -> Mapping[str, dict[Key, Fact]]:
        rows = [(district, key) for district, keys in wanted.items() for key in keys]
        columns = array_columns([(district, *key) for district, key in rows], 4)
        facts = {district: dict[Key, Fact]() for district in wanted}
        for number, fact in await self._database.fetch(STORED, *columns):
            district, key = rows[number - 1]
            facts[district][key] = decode_fact(fact)
        return facts

    async def _merge(self, merges: Mapping[str, Merge]) -> Mapping[str, bool]:
        fences = [(district, *each[:-1]) for district, each in merges.items()]
        facts = [
            (district, *key, fact)
            for district, each in merges.items()
            for key, fact in each.facts.items()
        ]
        columns = (*array_columns(fences, 7), *array_columns(facts, 5))
        is_shared = len(merges) > 1
        statement = self._shared if is_shared else self._alone
        records = await self._database.fetch(statement, LEASE_SECONDS, *columns)
        answers = {each["shard"]: each["is_held"] for each in records}
        return dict.fromkeys(() if is_shared else merges, False) | answers


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
        raise another_owner(district)


def another_owner(district: str) -> Conflict:
    """Return the error of a process that has lost a district."""
    return Conflict(f"evaluations/{district} has another owner")


def key_of(record: asyncpg.Record) -> Key:
    """Return the key of a stored fact."""
    return Key(record["case"], record["episode"], record["worker"])
