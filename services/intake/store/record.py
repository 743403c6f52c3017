"""The record of a district: its inputs with senders and hashes, identities, generations.

`gridcall verify` reads it. No service does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from eventlog.codec import Entry
from eventlog.core.row import Sender
from events.instants import Instant
from intake.store.base import Store

INPUTS = """
SELECT pos, ts, input, n, subject, seq, cause, type, data, source, credential, hash
FROM intake.log WHERE shard = $1 AND pos > $2 ORDER BY pos LIMIT $3
"""
IDENTITIES = """
SELECT id, shard, pos, ts, content FROM intake.identity WHERE id = ANY ($1::uuid[])
"""
SURPLUS_IDENTITIES = """
SELECT i.id, i.pos FROM intake.identity i
WHERE i.shard = $1 AND NOT EXISTS (
  SELECT FROM intake.log l
  WHERE l.shard = i.shard AND l.pos = i.pos AND l.subject = replace(i.id::text, '-', '')
) ORDER BY i.pos LIMIT 1
"""
END = """
SELECT s.pos, s.ts, s.adopted, s.generation, s.before, s.start, s.head, d.number, d.tracking_key
FROM intake.shard s LEFT JOIN intake.district d USING (shard) WHERE shard = $1
"""
GENERATIONS = """
SELECT number, before, start FROM intake.generation WHERE shard = $1 ORDER BY number
"""
TRACKING_KEY = "SELECT sha256(key) AS digest FROM intake.tracking_key"
KEYS = "SELECT id, district, source FROM intake.key"
NAMED_DISTRICTS = """
SELECT shard FROM intake.district UNION SELECT shard FROM intake.generation
UNION SELECT shard FROM intake.identity
"""


class StoredInput(NamedTuple):
    """A row of intake's log, with its sender and its hash."""

    entry: Entry
    sender: Sender
    hash: bytes


class InputIdentity(NamedTuple):
    """An identity with the place of its input and the digest of its content."""

    id: UUID
    district: str
    position: int
    time: Instant
    content: UUID


class StoredGeneration(NamedTuple):
    """A generation of a district's log, and the position after which it begins."""

    number: int
    before: int
    start: int


class DistrictEnd(NamedTuple):
    """The row of a district's shard.

    If the district is listed, also its number, and the digest of the key of its tracking codes.
    """

    position: int
    time: Instant
    adoptions: int
    generation: StoredGeneration
    head: bytes
    number: int | None
    tracking_key: bytes | None


class RecordStore(Store):
    """The record of all districts."""

    async def inputs(self, district: str, after: int, limit: int) -> list[StoredInput]:
        """Return at most `limit` inputs after a position, in order."""
        return [
            StoredInput(Entry(*columns), Sender(source, credential), digest)
            for *columns, source, credential, digest in await self._database.fetch(
                INPUTS, district, after, limit
            )
        ]

    async def identities(self, ids: Sequence[str]) -> dict[str, InputIdentity]:
        """Return identities by id (hex). An id that is not stored is left out."""
        rows = await self._database.fetch(IDENTITIES, list(ids))
        return {row["id"].hex: InputIdentity(*row) for row in rows}

    async def surplus_identity(self, district: str) -> tuple[str, int] | None:
        """Return the id and position of an identity without its input, if there is one."""
        rows = await self._database.fetch(SURPLUS_IDENTITIES, district)
        return (rows[0]["id"].hex, rows[0]["pos"]) if rows else None

    async def end(self, district: str) -> DistrictEnd | None:
        """Return the end of a district's log, None if it has no row of a shard."""
        for row in await self._database.fetch(END, district):
            position, time, adoptions, number, before, start, head, *listed = row
            generation = StoredGeneration(number, before, start)
            return DistrictEnd(position, time, adoptions, generation, head, *listed)
        return None

    async def generations(self, district: str) -> list[StoredGeneration]:
        """Return the generations of a district's log, in order."""
        rows = await self._database.fetch(GENERATIONS, district)
        return [StoredGeneration(*row) for row in rows]

    async def tracking_key(self) -> bytes | None:
        """Return the digest of the key of all tracking codes, None if there is no key."""
        rows = await self._database.fetch(TRACKING_KEY)
        return rows[0]["digest"] if rows else None

    async def key_owners(self) -> dict[str, tuple[str, str]]:
        """Return the district and the source of each key, by the key's id."""
        rows = await self._database.fetch(KEYS)
        return {row["id"]: (row["district"], row["source"]) for row in rows}

    async def named_districts(self) -> set[str]:
        """Return every district that a table beside the log names."""
        return {row["shard"] for row in await self._database.fetch(NAMED_DISTRICTS)}
