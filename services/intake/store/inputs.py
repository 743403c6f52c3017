"""The inputs: what is accepted, and the identities by which it is found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import asyncpg

from eventlog.core.row import Watermark
from eventlog.postgres.columns import text_lines
from events.errors import Unusable
from events.instants import Instant
from intake.core.submission import Item
from intake.store.base import Store
from intake.tracking_codes import WRONG_KEY, codes_of, id_of

# A column travels as one text: the driver looks at each element of an array, which takes as long
# as all else it does.
ACCEPT = """
SELECT * FROM intake.accept(string_to_array($1, E'\\n'), $2::text::int[],
  string_to_array($3, ','), $4::text::uuid[], string_to_array($5, ','),
  string_to_array($6, E'\\n'), string_to_array($7, E'\\n'), string_to_array($8, E'\\n'),
  string_to_array($9, E'\\n'), $10, $11)
"""
TICK = "SELECT shard, pos, ts FROM intake.tick($1, $2, $3, $4)"
INPUTS = "SELECT pos, type, data FROM intake.log WHERE shard = $1 AND pos = ANY ($2)"
IDENTITY = """
SELECT i.id, i.shard, i.pos, i.ts, k.key
FROM intake.identity i JOIN intake.district d USING (shard)
  LEFT JOIN intake.tracking_key k ON d.tracking_key = sha256(k.key)
WHERE i.id = $1::text::uuid
"""
TRACKING_KEY = """
SELECT key FROM intake.tracking_key k
WHERE NOT EXISTS (SELECT FROM intake.district d WHERE d.tracking_key <> sha256(k.key))
"""


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
        self, items: Mapping[str, Sequence[Item]], now: Instant, ahead_us_max: int
    ) -> list[asyncpg.Record]:
        """Store the items of new identities, by their district, in one transaction.

        Returns a record for each identity that was known. One more of each district has no id. It
        has the first new position, the time of the new items, and the key of all tracking codes. Of
        several districts, one that another transaction holds is left out, and has no record.
        """
        columns = (*district_columns(items), *item_columns(list(chain(*items.values()))))
        return await self._database.fetch(ACCEPT, *columns, now, ahead_us_max)

    async def tick(
        self, districts: Sequence[str] | None, idle_us: int, now: Instant, ahead_us_max: int
    ) -> dict[str, Watermark]:
        """Let time pass in those of some districts, or of all, that were idle for so long.

        Returns their watermarks.
        """
        rows = await self._database.fetch(TICK, districts, idle_us, now, ahead_us_max)
        return {district: Watermark(position, time) for district, position, time in rows}

    async def find_by_code(self, code: str) -> StoredIdentity | None:
        """Return the input of a tracking code. Raises Unusable without the right key."""
        rows = await self._database.fetch(TRACKING_KEY)
        return await self.find_by_id(id_of(checked_key(rows[0]["key"] if rows else None), code))

    async def find_by_id(self, id_: str) -> StoredIdentity | None:
        """Return the input of an id. Raises Unusable without the right key."""
        for name, district, position, time, key in await self._database.fetch(IDENTITY, id_):
            (code,) = codes_of(checked_key(key), [name.hex])
            return StoredIdentity(name.hex, district, position, time, code)
        return None

    async def inputs_at(
        self, district: str, positions: Sequence[int]
    ) -> dict[int, tuple[str, bytes]]:
        """Return accepted inputs by position: the type of each, and its fields in JSON."""
        rows = await self._database.fetch(INPUTS, district, list(positions))
        return {position: (type_, data) for position, type_, data in rows}


def checked_key(key: bytes | None) -> bytes:
    """Return the key of the tracking codes. Raises Unusable if it is not there."""
    if key is None:
        raise Unusable(WRONG_KEY)
    return key


def district_columns(items: Mapping[str, Sequence[Item]]) -> tuple[str, str]:
    """Return the districts as a text, and the number of each item's district as an array."""
    places = (
        f"{place}," * len(of_district) for place, of_district in enumerate(items.values(), start=1)
    )
    return text_lines(list(items)), f"{{{''.join(places)[:-1]}}}"


def item_columns(items: Sequence[Item]) -> tuple[str | None, ...]:
    """Return identities, digests, types, events, sources, credentials and traces as texts.

    None of them has a comma or a line break in it. The last one is None if no item has a trace.
    Raises ValueError for a sender that has a line break.
    """
    ids, types, events, contents, senders, traces = zip(*items, strict=True)
    sources, credentials = zip(*senders, strict=True)
    digests = b"".join(contents).hex(",", 16)
    return (
        ",".join(ids),
        f"{{{digests}}}",
        ",".join(types),
        b"\n".join(events).decode(),
        text_lines(sources),
        text_lines(credentials),
        text_lines(traces) if any(traces) else None,
    )
