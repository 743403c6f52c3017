"""The contents of reference data, which intake keeps beside its log, as routing needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from events.catalogue import ReferenceAdopted, RosterAdopted
from events.database import Database
from events.row import Row


class Contents(Mapping[str, bytes]):
    """Contents by digest (hex SHA-256), fetched before the rows that need them are applied."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, bytes] = {}

    def __getitem__(self, digest: str) -> bytes:
        return self._known[digest]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    async def fetch(self, rows: Sequence[Row]) -> None:
        """Fetch what these rows adopt. What is not there stays missing: the decider says so."""
        events = [row.event for row in rows if isinstance(row.event, ReferenceAdopted | RosterAdopted)]
        missing = [event.digest for event in events if event.digest and event.digest not in self._known]
        if missing:
            found = await self._database.fetch("SELECT digest, body FROM intake.content WHERE digest = ANY ($1)", missing)
            self._known.update((digest, body) for digest, body in found)

    async def of(self, digest: str) -> Mapping[str, bytes]:
        """The content of a digest, if it is there."""
        found = await self._database.fetch("SELECT digest, body FROM intake.content WHERE digest = $1", digest)
        return {record["digest"]: record["body"] for record in found}

    async def keep(self, contents: Mapping[str, bytes]) -> None:
        """Keep contents, before an event names them."""
        await self._database.fetch(
            "INSERT INTO intake.content SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING",
            list(contents), list(contents.values()),
        )  # fmt: skip
