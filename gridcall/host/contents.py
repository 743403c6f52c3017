"""The contents of reference data, which intake keeps beside its log, as the other services need them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from eventlog.core.row import Row
from eventlog.postgres.pool import Database
from events.catalogue import ReferenceAdopted, RosterAdopted

Look = Callable[[Sequence[str]], Awaitable[Mapping[str, bytes]]]


class Contents(Mapping[str, bytes]):
    """Contents by digest (hex SHA-256), fetched before the rows that need them are applied. `look` finds them."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._known: dict[str, bytes] = {}

    def __getitem__(self, digest: str) -> bytes:
        return self._known[digest]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    async def fetch(self, rows: Sequence[Row]) -> None:
        """Fetch what these rows adopt. What is not there stays missing: the decider says so."""
        events = [
            row.event for row in rows if isinstance(row.event, ReferenceAdopted | RosterAdopted)
        ]
        missing = [
            event.digest for event in events if event.digest and event.digest not in self._known
        ]
        if missing:
            self._known.update(await self._look(missing))

    async def of(self, digest: str) -> Mapping[str, bytes]:
        """The content of a digest, if it is there."""
        return await self._look([digest])


def stored(database: Database) -> Look:
    """Contents as intake's database has them."""

    async def look(digests: Sequence[str]) -> Mapping[str, bytes]:
        found = await database.fetch(
            "SELECT digest, body FROM intake.content WHERE digest = ANY ($1)", digests
        )
        return {record["digest"]: record["body"] for record in found}

    return look


async def keep(database: Database, contents: Mapping[str, bytes]) -> None:
    """Keep contents, before an event names them."""
    await database.fetch(
        "INSERT INTO intake.content SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING",
        list(contents), list(contents.values()),
    )  # fmt: skip
