"""The access log as it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from intake.access_log import Access, AccessCount
from intake.store.base import Store

ADD = """
INSERT INTO intake.access AS a (hour, kind, district, what, credential, address, count, first, last)
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
  $7::bigint[], $8::timestamptz[], $9::timestamptz[])
ON CONFLICT (hour, kind, district, what, credential, address) DO UPDATE SET
  count = a.count + excluded.count, first = least(a.first, excluded.first),
  last = greatest(a.last, excluded.last)
"""
FORGET = "DELETE FROM intake.access WHERE hour < clock_timestamp() - $1::interval"
SINCE = """
SELECT hour, kind, district, what, credential, address, count, first, last FROM intake.access
WHERE last >= $1 ORDER BY first, kind, address
"""


class AccessStore(Store):
    """The accesses of all processes."""

    async def add(self, counts: Sequence[AccessCount]) -> None:
        """Add what was counted to what is stored."""
        rows = [(*each.access, each.number, each.first, each.last) for each in counts]
        await self._database.fetch(ADD, *map(list, zip(*rows, strict=True)))

    async def forget(self, age: timedelta) -> None:
        """Delete what is older."""
        await self._database.fetch(FORGET, age)

    async def counts_since(self, start: datetime) -> list[AccessCount]:
        """Return what was counted since an instant, the oldest first."""
        rows = await self._database.fetch(SINCE, start)
        return [AccessCount(Access(*row[:6]), *row[6:]) for row in map(tuple, rows)]
