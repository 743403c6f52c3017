"""Reference data: contents by digest, and the versions in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from eventlog.codec import decode_event
from eventlog.core.decider import REFERENCE
from events.catalogue import ReferenceAdopted, ReferenceKind
from events.instants import Instant
from events.registry import latest
from intake.store.base import Store

CONTENTS = "SELECT digest, body FROM intake.content WHERE digest = ANY ($1)"
ALL_CONTENTS = "SELECT digest, body FROM intake.content"
ADD_CONTENTS = """
INSERT INTO intake.content SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING
"""
REFERENCES = (
    "SELECT pos, ts, type, data FROM intake.log WHERE shard = $1 AND subject = $2 ORDER BY pos"
)


class StoredAdoption(NamedTuple):
    """An adoption of reference data, with its place in intake's log."""

    position: int
    time: Instant
    event: ReferenceAdopted


class ReferenceStore(Store):
    """The reference data that a log names."""

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
        return {each.event.kind: each.event for each in await self.adoptions(district)}

    async def adoptions(self, district: str) -> list[StoredAdoption]:
        """Return all adoptions of a district, the oldest first."""
        records = await self._database.fetch(REFERENCES, district, REFERENCE)
        return [
            StoredAdoption(position, time, latest(decode_event(type_name, data)))
            for position, time, type_name, data in records
        ]
