"""Keys: who may post. A bearer key stands for one source and its lines; what is stored is its digest, never the key."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Generic, NamedTuple, TypeVar

from eventlog.postgres.pool import Database
from events.catalogue import LINES
from intake.inbound.topics import INBOUND

ON_KAFKA = tuple(
    f"{INBOUND}.{line}" for line in LINES
)  # Beside the four lines: a source that may publish to this topic.
READER = "log"  # Beside the four lines: may read logs. They name workers by code, so nobody reads them without a key.
PUBLISHES = "SELECT DISTINCT district FROM intake.key WHERE source = $1 AND $2 = ANY (lines) AND revoked IS NULL ORDER BY 1"
KNOWN_SECONDS = (
    2.0  # So long a key that was looked up is believed: a revoked one is refused after that.
)
KNOWN_MAX = 10_000  # Secrets and sources are whatever somebody sends.

K = TypeVar("K")
V = TypeVar("V")


class Key(NamedTuple):
    """What a key stands for. `district` is a shard; `lines` are those that it may post to, `inbound.<line>` where its source
    may publish to that topic, and `log` if it may read.
    """

    id: str
    district: str
    source: str
    lines: frozenset[str]


class Kept(NamedTuple):
    """A key as it is listed."""

    id: str
    district: str
    source: str
    lines: Sequence[str]
    made: datetime
    revoked: datetime | None


def digest_of(secret: str) -> bytes:
    """What is stored of a key. It has 256 random bits, so that nothing slower than a plain digest is needed."""
    return sha256(secret.encode()).digest()


class Recent(Generic[K, V]):
    """What was looked up is believed for KNOWN_SECONDS."""

    def __init__(self, look: Callable[[K], Awaitable[V]]) -> None:
        self._look = look
        self._known: dict[K, tuple[float, V]] = {}

    async def of(self, name: K) -> V:
        now = time.monotonic()
        known = self._known.get(name)
        if known and now <= known[0]:
            return known[1]
        found = await self._look(name)
        if len(self._known) > KNOWN_MAX:
            self._known.clear()
        self._known[name] = (now + KNOWN_SECONDS, found)
        return found


class Keys:
    """The keys of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys = Recent(self._found)
        self._publishers = Recent(self._publishes)

    async def of(self, secret: str) -> Key | None:
        """What a key stands for; None where it is unknown or revoked."""
        return await self._keys.of(secret)

    async def districts_of(self, source: str, line: str) -> Sequence[str]:
        """The districts for which a source may publish to `inbound.<line>`: who may write there at all, the broker decides."""
        return await self._publishers.of((source, line))

    async def _publishes(self, publisher: tuple[str, str]) -> Sequence[str]:
        source, line = publisher
        return [
            each["district"]
            for each in await self._database.fetch(PUBLISHES, source, f"{INBOUND}.{line}")
        ]

    async def _found(self, secret: str) -> Key | None:
        sql = (
            "SELECT id, district, source, lines FROM intake.key WHERE hash = $1 AND revoked IS NULL"
        )
        found = await self._database.fetch(sql, digest_of(secret))
        if not found:
            return None
        key_id, district, source, lines = found[0]
        return Key(key_id, district, source, frozenset(lines))

    async def add(self, district: str, source: str, lines: Sequence[str]) -> str:
        """Make a key; it is shown this once."""
        secret = f"gck_{secrets.token_urlsafe(32)}"
        sql = (
            "INSERT INTO intake.key (id, hash, district, source, lines) VALUES ($1, $2, $3, $4, $5)"
        )
        await self._database.fetch(
            sql, secrets.token_hex(4), digest_of(secret), district, source, list(lines)
        )
        return secret

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key; False where there is no such key that still holds."""
        sql = "UPDATE intake.key SET revoked = clock_timestamp() WHERE id = $1 AND revoked IS NULL RETURNING id"
        return bool(await self._database.fetch(sql, key_id))

    async def listed(self) -> list[Kept]:
        """All keys, the oldest first."""
        sql = "SELECT id, district, source, lines, made, revoked FROM intake.key ORDER BY made, id"
        return [Kept(*record) for record in await self._database.fetch(sql)]
