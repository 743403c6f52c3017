"""The inputs: what is accepted, and the identities by which it is found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from eventlog.postgres.columns import text_lines
from events.instants import Instant
from intake.core.submission import Item
from intake.store.base import Store

# A column travels as one text: the driver looks at each element of an array, which takes as long
# as all else it does.
ACCEPT = """
SELECT * FROM intake.accept($1, string_to_array($2, ','), $3::text::uuid[], $4::text::uuid[],
  string_to_array($5, ','), string_to_array($6, E'\\n'), string_to_array($7, E'\\n'),
  string_to_array($8, E'\\n'), $9, $10)
"""
TICK = "SELECT shard FROM intake.tick($1, $2, $3)"
INPUTS = "SELECT pos, type, data FROM intake.log WHERE shard = $1 AND pos = ANY ($2)"
IDENTITY = "SELECT id, shard, pos, ts, code FROM intake.identity"
IDENTITY_BY_CODE = f"{IDENTITY} WHERE code = $1::text::uuid"
IDENTITY_BY_ID = f"{IDENTITY} WHERE id = $1::text::uuid"


class StoredIdentity(NamedTuple):
    """An accepted input: the district and position at which it is, and its tracking code."""

    id: str
    district: str
    position: int
    time: Instant
    code: str


class InputStore(Store):
    """The log of inputs and their identities."""

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

    async def inputs_at(
        self, district: str, positions: Sequence[int]
    ) -> dict[int, tuple[str, bytes]]:
        """Return accepted inputs by position: the type of each, and its fields in JSON."""
        rows = await self._database.fetch(INPUTS, district, list(positions))
        return {position: (type_, data) for position, type_, data in rows}


def identity_of(rows: Sequence[asyncpg.Record]) -> StoredIdentity | None:
    """Return the identity in the first of these rows, if there is one."""
    for id_, district, position, time, code in rows:
        return StoredIdentity(id_.hex, district, position, time, code.hex)
    return None


def item_columns(items: Sequence[Item], codes: Sequence[str]) -> tuple[str, ...]:
    """Return identities, digests, codes, types, events, sources and credentials as texts.

    None of them has a comma or a line break in it. Raises ValueError for a sender that has one.
    """
    ids, types, events, contents, senders = zip(*items, strict=True)
    sources, credentials = zip(*senders, strict=True)
    digests = b"".join(contents).hex(",", 16)
    return (
        ",".join(ids),
        f"{{{digests}}}",
        f"{{{','.join(codes)}}}",
        ",".join(types),
        b"\n".join(events).decode(),
        text_lines(sources),
        text_lines(credentials),
    )
