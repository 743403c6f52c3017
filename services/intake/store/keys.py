"""The API keys, without their secrets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from eventlog.postgres.pool import SupportsFetch
from eventlog.postgres.shared_statements import SharedStatements
from intake.store.base import Store

KEYS = """
SELECT id, district, source, lines, made, expires, revoked,
  intake.in_force(revoked, expires) AS in_force FROM intake.key
"""
FIND_KEYS = """
SELECT hash, id, district, source, lines, made, expires, revoked,
  intake.in_force(revoked, expires) AS in_force
FROM intake.key WHERE hash = ANY ($1::bytea[])
"""
KEYS_MAX = 1_000  # In one statement.
ALL_KEYS = f"{KEYS} ORDER BY made, id"
KEYS_IN_FORCE = """
SELECT id FROM intake.key WHERE id = ANY ($1) AND intake.in_force(revoked, expires)
"""
ADD_KEY = """
INSERT INTO intake.key (id, hash, district, source, lines, expires) VALUES ($1, $2, $3, $4, $5, $6)
"""
REVOKE_KEY = """
UPDATE intake.key SET revoked = clock_timestamp() WHERE id = $1 AND revoked IS NULL RETURNING id
"""
PUBLISHER_DISTRICTS = """
SELECT DISTINCT district FROM intake.key
WHERE source = $1 AND $2 = ANY (lines) AND intake.in_force(revoked, expires)
ORDER BY district
"""


class StoredKey(NamedTuple):
    """An API key as it is stored, without its secret."""

    id: str
    district: str
    source: str
    lines: Sequence[str]
    made: datetime
    expires: datetime | None
    revoked: datetime | None
    in_force: bool


class KeyStore(Store):
    """The API keys. Those that are looked up at the same time are one statement."""

    def __init__(self, database: SupportsFetch) -> None:
        super().__init__(database)
        self._lookups = SharedStatements(self._find, size_max=KEYS_MAX, equal=True)

    async def find(self, digest: bytes) -> StoredKey | None:
        """Return the key whose secret has this digest, also one that is not in force any more."""
        return await self._lookups.call(digest, None)

    async def _find(self, digests: Mapping[bytes, None]) -> Mapping[bytes, StoredKey | None]:
        """Return the keys of several secrets."""
        keys = dict[bytes, StoredKey | None].fromkeys(digests)
        for digest, *fields in await self._database.fetch(FIND_KEYS, [*digests]):
            keys[digest] = StoredKey(*fields)
        return keys

    async def in_force(self, ids: Collection[str]) -> set[str]:
        """Return those of some keys that are in force, by their ids."""
        return {row["id"] for row in await self._database.fetch(KEYS_IN_FORCE, list(ids))}

    async def all(self) -> list[StoredKey]:
        """Return all keys, the oldest first."""
        return [StoredKey(*row) for row in await self._database.fetch(ALL_KEYS)]

    async def add(
        self,
        key_id: str,
        digest: bytes,
        district: str,
        source: str,
        lines: Sequence[str],
        expires: datetime | None,
    ) -> None:
        """Store a key."""
        await self._database.fetch(ADD_KEY, key_id, digest, district, source, [*lines], expires)

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key; return False if there is no such key in force."""
        return bool(await self._database.fetch(REVOKE_KEY, key_id))

    async def districts_of(self, source: str, line: str) -> Sequence[str]:
        """Return the districts for which a source has a key of this line."""
        rows = await self._database.fetch(PUBLISHER_DISTRICTS, source, line)
        return [row["district"] for row in rows]
