"""API keys: a bearer key is for one source and its lines. Its digest is stored, never the key."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from eventlog.postgres.pool import Database
from events.catalogue import LINES
from events.errors import GridcallError
from httpedge.open_requests import LOOK_SECONDS
from httpedge.rate_limit import RateLimit
from intake.access_log import AccessLog
from intake.inbound.topics import INBOUND
from intake.store import KeyStore, StoredKey

# Beside the four lines: a source that may publish to this topic.
ON_KAFKA = tuple(f"{INBOUND}.{line}" for line in LINES)
READER = "log"  # Beside the four lines: may read logs, which name workers by code.
# A key is looked up again after that. A request that began just before is ended as fast.
CACHE_SECONDS = LOOK_SECONDS
CACHE_MAX = 10_000  # Secrets and sources are whatever a client sends.
# What was no key does not become one: secrets are drawn, and a revoked key remains revoked.
WRONG_SECONDS = 60.0
# Secrets that are looked up for the first time and are wrong, of one address.
GUESSES_PER_SECOND, GUESSES_AT_ONCE = 1.0, 50


class ApiKey(NamedTuple):
    """A key in force. `district` is a shard.

    `lines` are those that it may post to, `inbound.<line>` if its source may publish to that topic,
    and `log` if it may read.
    """

    id: str
    district: str
    source: str
    lines: frozenset[str]


class WrongKey(GridcallError):
    """No key in force: `kind` is a word for the reason, and the message a sentence.

    `key_id` is empty for a secret that was never one of a key.
    """

    def __init__(self, kind: str, sentence: str, key_id: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.key_id = key_id


class Entry(NamedTuple):
    """The result of a look-up, and until when it holds. `result` is a key, or why there is none."""

    until: float
    result: ApiKey | tuple[str, str, str]


def digest_of(secret: str) -> bytes:
    """Return what is stored of a key. It has 256 random bits, so that a plain digest is enough."""
    return sha256(secret.encode()).digest()


class ApiKeys:
    """The keys of a database, each remembered for CACHE_SECONDS. `access` counts their use."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self.access = AccessLog()
        self._store = KeyStore(database)
        self._clock = clock
        self._entries: dict[bytes, Entry] = {}  # Of keys in force.
        self._wrong: dict[bytes, Entry] = {}  # Of all else, in the order in which they expire.
        self._publishers: dict[tuple[str, str], tuple[float, Sequence[str]]] = {}
        self._guesses = RateLimit(GUESSES_PER_SECOND, GUESSES_AT_ONCE, clock)
        self._lookups: dict[bytes, asyncio.Future[Entry]] = {}

    async def find(self, secret: str, address: str) -> ApiKey:
        """Return the key of a secret that an address sent. Raises WrongKey, RateExceeded.

        A secret that was never seen is a guess until it is found. Guesses of an address are looked
        up only so often: a wrong one is remembered, and costs no query.
        """
        digest = digest_of(secret)
        entry = self._entries.get(digest) or self._wrong.get(digest)
        if entry is None or self._clock() > entry.until:
            is_guess = entry is None or not isinstance(entry.result, ApiKey)
            entry = await self._look_up_once(digest, address if is_guess else None)
        if isinstance(entry.result, ApiKey):
            return entry.result
        raise WrongKey(*entry.result)

    async def find_ended(self, ids: Collection[str]) -> Collection[str]:
        """Return those of some keys that are not in force any more, by their ids."""
        return set(ids) - await self._store.in_force(ids)

    async def districts_of(self, source: str, line: str) -> Sequence[str]:
        """Return the districts for which a source may publish to `inbound.<line>`.

        The broker decides who may write there at all.
        """
        publisher = source, line
        until, districts = self._publishers.get(publisher, (0.0, ()))
        if self._clock() > until:
            districts = await self._store.districts_of(source, f"{INBOUND}.{line}")
            remember(self._publishers, publisher, (self._clock() + CACHE_SECONDS, districts))
        return districts

    async def add(
        self, district: str, source: str, lines: Sequence[str], expires: datetime | None = None
    ) -> str:
        """Make a key, and return its secret, which is shown this once."""
        secret = f"gck_{secrets.token_urlsafe(32)}"
        key_id = secrets.token_hex(4)
        await self._store.add(key_id, digest_of(secret), district, source, lines, expires)
        return secret

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key; return False if there is no such key in force."""
        return await self._store.revoke(key_id)

    async def all(self) -> list[StoredKey]:
        """Return all keys, the oldest first."""
        return await self._store.all()

    async def _look_up_once(self, digest: bytes, guesser: str | None) -> Entry:
        """Look a key up, once for all requests that ask at the same time.

        `guesser` is the address for which it is a guess.
        """
        lookup = self._lookups.get(digest)
        if lookup is None:
            if guesser is not None:
                self._guesses.spend(guesser)
            lookup = self._lookups[digest] = asyncio.ensure_future(self._look_up(digest, guesser))
            lookup.add_done_callback(lambda _: self._lookups.pop(digest))
        try:
            return await asyncio.shield(lookup)
        finally:
            del lookup  # A fault has this frame in its traceback.

    async def _look_up(self, digest: bytes, guesser: str | None) -> Entry:
        requested = self._clock()
        result = key_or_reason(await self._store.find(digest))
        if guesser is not None and isinstance(result, ApiKey):
            self._guesses.owe(guesser, -1)
        if isinstance(result, ApiKey):
            entry = Entry(requested + CACHE_SECONDS, result)
            remember(self._entries, digest, entry)
        else:
            entry = Entry(requested + WRONG_SECONDS, result)
            self._entries.pop(digest, None)
            self._forget_expired()
            remember(self._wrong, digest, entry)
        return entry

    def _forget_expired(self) -> None:
        """Forget what was wrong and expired, or guesses would fill the memory for good."""
        now, wrong = self._clock(), self._wrong
        while wrong and now > wrong[oldest := next(iter(wrong))].until:
            del wrong[oldest]


def key_or_reason(stored: StoredKey | None) -> ApiKey | tuple[str, str, str]:
    """Return a key that is in force, or kind, sentence and key of WrongKey."""
    if stored is None:
        return "no-key", "This key is not known.", ""
    if stored.revoked:
        sentence = f"This key was revoked on {stored.revoked:%FT%TZ}: ask for another."
        return "revoked-key", sentence, stored.id
    if not stored.in_force:
        sentence = f"This key expired on {stored.expires:%FT%TZ}: ask for another."
        return "expired-key", sentence, stored.id
    return ApiKey(stored.id, stored.district, stored.source, frozenset(stored.lines))


def remember(cache: dict[Any, Any], name: object, entry: object) -> None:
    """Remember an entry as the newest one. Of too many, the oldest is forgotten."""
    cache.pop(name, None)
    cache[name] = entry
    if len(cache) > CACHE_MAX:
        del cache[next(iter(cache))]
