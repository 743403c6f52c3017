"""API keys: a bearer key is for one source and its lines. Its digest is stored, never the key."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Generic, NamedTuple, TypeVar

from eventlog.postgres.pool import Database
from events.catalogue import LINES
from intake.inbound.topics import INBOUND
from intake.store import KeyStore, StoredKey

# Beside the four lines: a source that may publish to this topic.
ON_KAFKA = tuple(f"{INBOUND}.{line}" for line in LINES)
READER = "log"  # Beside the four lines: may read logs, which name workers by code.
CACHE_SECONDS = 2.0  # A revoked key is refused after that.
CACHE_MAX = 10_000  # Secrets and sources are whatever a client sends.

K = TypeVar("K")
V = TypeVar("V")


class ApiKey(NamedTuple):
    """A key in force. `district` is a shard.

    `lines` are those that it may post to, `inbound.<line>` if its source may publish to that topic,
    and `log` if it may read.
    """

    id: str
    district: str
    source: str
    lines: frozenset[str]


def digest_of(secret: str) -> bytes:
    """Return what is stored of a key. It has 256 random bits, so that a plain digest is enough."""
    return sha256(secret.encode()).digest()


class Cache(Generic[K, V]):
    """Answers of a function, each for CACHE_SECONDS."""

    def __init__(self, fetch: Callable[[K], Awaitable[V]]) -> None:
        self._fetch = fetch
        self._entries: dict[K, tuple[float, V]] = {}

    async def get(self, name: K) -> V:
        """Return the answer for a name, from the cache if it is young."""
        now = time.monotonic()
        entry = self._entries.get(name)
        if entry and now <= entry[0]:
            return entry[1]
        answer = await self._fetch(name)
        if len(self._entries) > CACHE_MAX:
            self._entries.clear()
        self._entries[name] = (now + CACHE_SECONDS, answer)
        return answer


class ApiKeys:
    """The keys of a database."""

    def __init__(self, database: Database) -> None:
        self._store = KeyStore(database)
        self._keys = Cache(self._fetch_key)
        self._publishers = Cache(self._fetch_districts)

    async def find(self, secret: str) -> ApiKey | None:
        """Return the key of a secret; None if it is unknown or revoked."""
        return await self._keys.get(secret)

    async def districts_of(self, source: str, line: str) -> Sequence[str]:
        """Return the districts for which a source may publish to `inbound.<line>`.

        The broker decides who may write there at all.
        """
        return await self._publishers.get((source, line))

    async def add(self, district: str, source: str, lines: Sequence[str]) -> str:
        """Make a key, and return its secret, which is shown this once."""
        secret = f"gck_{secrets.token_urlsafe(32)}"
        await self._store.add(secrets.token_hex(4), digest_of(secret), district, source, lines)
        return secret

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key; return False if there is no such key in force."""
        return await self._store.revoke(key_id)

    async def all(self) -> list[StoredKey]:
        """Return all keys, the oldest first."""
        return await self._store.all()

    async def _fetch_key(self, secret: str) -> ApiKey | None:
        key = await self._store.find(digest_of(secret))
        return key and ApiKey(key.id, key.district, key.source, frozenset(key.lines))

    async def _fetch_districts(self, publisher: tuple[str, str]) -> Sequence[str]:
        source, line = publisher
        return await self._store.districts_of(source, f"{INBOUND}.{line}")
