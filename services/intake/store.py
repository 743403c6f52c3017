"""Intake's statements, a class per subject: only here is SQL on its schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec

from eventlog.core.decider import REFERENCE
from eventlog.postgres.lease import take_leases
from eventlog.postgres.pool import SupportsFetch
from events.catalogue import ReferenceAdopted, ReferenceKind
from events.instants import Instant
from intake.core.submission import Item
from intake.inbound.dead_letters import DeadLetter, Refused, from_row, to_columns

# A column travels as one text: the driver looks at each element of an array, which takes as long
# as all else it does.
ACCEPT = """
SELECT * FROM intake.accept($1, string_to_array($2, ','), $3::text::uuid[], $4::text::uuid[],
  string_to_array($5, ','), string_to_array($6, E'\\n'), $7, $8)
"""
TICK = "SELECT shard FROM intake.tick($1, $2, $3)"
READY = "SELECT 1"
IDENTITY = "SELECT id, shard, pos, ts, code FROM intake.identity"
IDENTITY_BY_CODE = f"{IDENTITY} WHERE code = $1::text::uuid"
IDENTITY_BY_ID = f"{IDENTITY} WHERE id = $1::text::uuid"
DISTRICTS = "SELECT shard, number FROM intake.district ORDER BY number"
HEADS = "SELECT shard, ts FROM intake.shard ORDER BY shard"
CONTENTS = "SELECT digest, body FROM intake.content WHERE digest = ANY ($1)"
ALL_CONTENTS = "SELECT digest, body FROM intake.content"
ADD_CONTENTS = """
INSERT INTO intake.content SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING
"""
REFERENCES = "SELECT data FROM intake.log WHERE shard = $1 AND subject = $2 ORDER BY pos"
CLOCK = "SELECT intake.clock()"
CLOCK_AHEAD = "SELECT intake.clock() - $1::bigint"
CHECK_CLOCK = "SELECT intake.check_clock($1, $2)"
CONFIRM_CLOCK = """
INSERT INTO intake.confirmed_clock (ahead_us) VALUES (intake.clock() - $1) RETURNING ahead_us
"""
WALL_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
SCALE_CLOCK = """
CREATE OR REPLACE FUNCTION intake.clock() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT {start}
    + (((extract(epoch FROM clock_timestamp()) * 1000000)::bigint - {wall}) * {speed})::bigint
$$
"""
TRUST_CLOCK = """
CREATE OR REPLACE FUNCTION intake.check_clock(now_us bigint, ahead_us_max bigint)
RETURNS void LANGUAGE sql AS $$ SELECT $$
"""

FIND_KEY = """
SELECT id, district, source, lines, made, revoked FROM intake.key
WHERE hash = $1 AND revoked IS NULL
"""
KEYS = "SELECT id, district, source, lines, made, revoked FROM intake.key ORDER BY made, id"
ADD_KEY = "INSERT INTO intake.key (id, hash, district, source, lines) VALUES ($1, $2, $3, $4, $5)"
REVOKE_KEY = """
UPDATE intake.key SET revoked = clock_timestamp() WHERE id = $1 AND revoked IS NULL RETURNING id
"""
PUBLISHER_DISTRICTS = """
SELECT DISTINCT district FROM intake.key
WHERE source = $1 AND $2 = ANY (lines) AND revoked IS NULL ORDER BY district
"""
LEASE_PARTITIONS = take_leases(
    "intake.inbound",
    "line, partition",
    """
SELECT $1, partition, $3, clock_timestamp() + make_interval(secs => $4)
FROM generate_series(0, $2 - 1) AS partition
""",
    "partition, next, digest",
)
ADVANCE = """
WITH passed AS (
  UPDATE intake.inbound SET next = $4, digest = $5
  WHERE line = $1 AND partition = $2 AND owner = $3 RETURNING line
)
INSERT INTO intake.quarantine
  (line, partition, place, problem, digest, key, headers, value, size)
SELECT line, refused.* FROM passed, unnest($6::integer[], $7::bigint[], $8::bytea[], $9::bytea[],
  $10::bytea[], $11::bytea[], $12::bytea[], $13::bigint[]) AS refused
ON CONFLICT DO NOTHING
"""
DEAD_LETTERS = """
SELECT id, line, partition, place, at, again, problem, key, headers, value, size
FROM intake.quarantine
"""
SELECTED_DEAD_LETTERS = f"""
{DEAD_LETTERS} WHERE ($1::text IS NULL OR line = $1) AND ($2 OR id = ANY ($3)) ORDER BY id
"""
DEAD_LETTERS_TO_RETRY = f"{DEAD_LETTERS} WHERE line = $1 AND again ORDER BY id LIMIT $2"
RETRY = "UPDATE intake.quarantine SET again = true WHERE id = ANY ($1)"
REFUSE_AGAIN = "UPDATE intake.quarantine SET again = false, problem = $2 WHERE id = $1"
DISCARD = "DELETE FROM intake.quarantine WHERE id = ANY ($1) RETURNING id"


class StoredIdentity(NamedTuple):
    """An accepted input: the district and position at which it is, and its tracking code."""

    id: str
    district: str
    position: int
    time: Instant
    code: str


class IntakeStore:
    """The tables of intake, as other parts of a process read them."""

    def __init__(self, database: SupportsFetch) -> None:
        self._database = database

    # ── Inputs ───────────────────────────────────────────────────────────────────────────────────

    async def accept(
        self,
        district: str,
        items: Sequence[Item],
        codes: Sequence[str],
        now: Instant,
        ahead_us_max: int,
    ) -> list[asyncpg.Record]:
        """Store the items of new identities, each with a tracking code, in one transaction.

        Returns a record for each identity that was known. A record without an id has the first new
        position, and the time of all new items.
        """
        columns = item_columns(items, codes)
        return await self._database.fetch(ACCEPT, district, *columns, now, ahead_us_max)

    async def tick(self, idle_us: int, now: Instant, ahead_us_max: int) -> list[str]:
        """Let time pass in districts that were idle for so long, and return them."""
        return [
            row["shard"] for row in await self._database.fetch(TICK, idle_us, now, ahead_us_max)
        ]

    async def find_by_code(self, code: str) -> StoredIdentity | None:
        """Return the input of a tracking code."""
        return identity_of(await self._database.fetch(IDENTITY_BY_CODE, code))

    async def find_by_id(self, id_: str) -> StoredIdentity | None:
        """Return the input of an id."""
        return identity_of(await self._database.fetch(IDENTITY_BY_ID, id_))

    async def check_ready(self) -> None:
        """Raise Unavailable if the database does not answer."""
        await self._database.fetch(READY)

    # ── Districts ────────────────────────────────────────────────────────────────────────────────

    async def shards(self) -> dict[str, int]:
        """Return the number of each district: its partition, which never changes."""
        return dict(map(tuple, await self._database.fetch(DISTRICTS)))

    async def district_times(self) -> dict[str, Instant]:
        """Return how far time has passed in each district that has a log."""
        return dict(map(tuple, await self._database.fetch(HEADS)))

    async def district_codes(self) -> list[str]:
        """Return the districts that have a log, in order."""
        return list(await self.district_times())

    # ── Reference data ───────────────────────────────────────────────────────────────────────────

    async def contents(self, digests: Sequence[str]) -> dict[str, bytes]:
        """Return contents by digest (hex SHA-256). A digest that is not stored is left out."""
        return dict(map(tuple, await self._database.fetch(CONTENTS, list(digests))))

    async def all_contents(self) -> dict[str, bytes]:
        """Return every content by digest."""
        return dict(map(tuple, await self._database.fetch(ALL_CONTENTS)))

    async def add_contents(self, contents: Mapping[str, bytes]) -> None:
        """Store contents. An event may name them only after this."""
        await self._database.fetch(ADD_CONTENTS, list(contents), list(contents.values()))

    async def references_in_force(self, district: str) -> dict[ReferenceKind, ReferenceAdopted]:
        """Return the newest adoption of each kind of reference data."""
        records = await self._database.fetch(REFERENCES, district, REFERENCE)
        events = [msgspec.json.decode(each["data"], type=ReferenceAdopted) for each in records]
        return {event.kind: event for event in events}

    # ── The clock ────────────────────────────────────────────────────────────────────────────────

    async def clock(self) -> Instant:
        """Return the time of intake's clock."""
        return int((await self._database.fetch(CLOCK))[0][0])

    async def clock_ahead_us(self, now: Instant) -> int:
        """Return how far intake's clock is ahead of `now`, in µs."""
        return int((await self._database.fetch(CLOCK_AHEAD, now))[0][0])

    async def check_clock(self, now: Instant, ahead_us_max: int) -> None:
        """Raise an error of SQL state GC001 if intake's clock is too far ahead of `now`."""
        await self._database.fetch(CHECK_CLOCK, now, ahead_us_max)

    async def confirm_clock(self, now: Instant) -> int:
        """Accept intake's clock as it is, and return how far it is ahead of `now`, in µs."""
        return int((await self._database.fetch(CONFIRM_CLOCK, now))[0][0])

    async def scale_clock(self, start: Instant, speed: float) -> None:
        """Let intake's clock continue from `start`, `speed` times as fast, for a demo."""
        wall = int((await self._database.fetch(WALL_CLOCK))[0][0])
        await self._database.fetch(
            SCALE_CLOCK.format(start=int(start), wall=wall, speed=float(speed))
        )
        await self._database.fetch(TRUST_CLOCK)


def identity_of(rows: Sequence[asyncpg.Record]) -> StoredIdentity | None:
    """Return the identity in the first of these rows, if there is one."""
    for id_, district, position, time, code in rows:
        return StoredIdentity(id_.hex, district, position, time, code.hex)
    return None


def item_columns(items: Sequence[Item], codes: Sequence[str]) -> tuple[str, str, str, str, str]:
    """Return identities, digests, codes, types and events as texts.

    None of them has a comma or a line break in it.
    """
    ids, types, events, contents = zip(*items, strict=True)
    digests = b"".join(contents).hex(",", 16)
    return (
        ",".join(ids),
        f"{{{digests}}}",
        f"{{{','.join(codes)}}}",
        ",".join(types),
        b"\n".join(events).decode(),
    )


class StoredKey(NamedTuple):
    """An API key as it is stored, without its secret."""

    id: str
    district: str
    source: str
    lines: Sequence[str]
    made: datetime
    revoked: datetime | None


class KeyStore:
    """The API keys. Every method is one statement."""

    def __init__(self, database: SupportsFetch) -> None:
        self._database = database

    async def find(self, digest: bytes) -> StoredKey | None:
        """Return the key in force whose secret has this digest."""
        rows = await self._database.fetch(FIND_KEY, digest)
        return StoredKey(*rows[0]) if rows else None

    async def all(self) -> list[StoredKey]:
        """Return all keys, the oldest first."""
        return [StoredKey(*row) for row in await self._database.fetch(KEYS)]

    async def add(
        self, key_id: str, digest: bytes, district: str, source: str, lines: Sequence[str]
    ) -> None:
        """Store a key."""
        await self._database.fetch(ADD_KEY, key_id, digest, district, source, [*lines])

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key; return False if there is no such key in force."""
        return bool(await self._database.fetch(REVOKE_KEY, key_id))

    async def districts_of(self, source: str, line: str) -> Sequence[str]:
        """Return the districts for which a source has a key of this line."""
        rows = await self._database.fetch(PUBLISHER_DISTRICTS, source, line)
        return [row["district"] for row in rows]


class Progress(NamedTuple):
    """The next offset of a partition, and the digest of the record before it.

    The digest is empty if there was no record.
    """

    next: int
    digest: bytes


class InboundStore:
    """The progress of each topic of a line, and its dead letters. Every method is one statement."""

    def __init__(self, database: SupportsFetch) -> None:
        self._database = database

    async def lease_partitions(
        self, line: str, count: int, owner: str, seconds: float
    ) -> dict[int, Progress]:
        """Lease the free ones of `count` partitions, and return those that the owner has."""
        rows = await self._database.fetch(LEASE_PARTITIONS, line, count, owner, seconds)
        return {row["partition"]: Progress(row["next"], row["digest"]) for row in rows}

    async def advance(
        self,
        line: str,
        partition: int,
        owner: str,
        progress: Progress,
        refused: Sequence[Refused],
    ) -> None:
        """Store the progress of a partition and its dead letters, if the owner has the lease."""
        columns = to_columns(refused)
        await self._database.fetch(ADVANCE, line, partition, owner, *progress, *columns)

    async def dead_letters(
        self, line: str | None = None, ids: Sequence[int] = ()
    ) -> list[DeadLetter]:
        """Return dead letters, the oldest first: all, or of a line, or by id."""
        rows = await self._database.fetch(SELECTED_DEAD_LETTERS, line, not ids, list(ids))
        return [from_row(row) for row in rows]

    async def dead_letters_to_retry(self, line: str, limit: int) -> list[DeadLetter]:
        """Return the dead letters of a line that are to be tried again."""
        return [
            from_row(row) for row in await self._database.fetch(DEAD_LETTERS_TO_RETRY, line, limit)
        ]

    async def retry(self, ids: Sequence[int]) -> None:
        """Mark dead letters to be tried again by the intake that reads their line."""
        await self._database.fetch(RETRY, list(ids))

    async def refuse_again(self, id_: int, problem: dict[str, Any]) -> None:
        """Store the problem of a dead letter that was tried again in vain."""
        await self._database.fetch(REFUSE_AGAIN, id_, msgspec.json.encode(problem))

    async def discard(self, ids: Sequence[int]) -> int:
        """Delete dead letters for ever, and return how many there were."""
        return len(await self._database.fetch(DISCARD, list(ids)))
