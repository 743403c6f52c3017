"""Cuts a district back to an instant: what was accepted after it is taken out of the log."""

from __future__ import annotations

from typing import NamedTuple

from events.instants import Instant
from intake.store.base import Store

LOCK = "SELECT pos, ts FROM intake.shard WHERE shard = $1 FOR UPDATE"
LAST_BEFORE = """
SELECT pos FROM intake.log WHERE shard = $1 AND ts < $2 ORDER BY pos DESC LIMIT 1
"""
LAST_GENERATION = "SELECT max(start) AS start FROM intake.generation WHERE shard = $1"
TAKE_OUT = """
WITH taken AS (
  DELETE FROM intake.log WHERE shard = $1 AND pos > $2 RETURNING subject
), named AS MATERIALIZED (
  SELECT subject FROM taken WHERE subject ~ '^[0-9a-f]{32}$'
)
DELETE FROM intake.identity i USING named WHERE i.id = named.subject::uuid AND i.shard = $1
"""
MOVE_BACK = """
UPDATE intake.shard s SET pos = $2, ts = $3, head = last.hash, adopted = coalesce((
    SELECT l.seq FROM intake.log l
    WHERE l.shard = $1 AND l.subject = 'reference' AND l.pos <= $2 ORDER BY l.pos DESC LIMIT 1
  ), 0)
FROM intake.log last WHERE s.shard = $1 AND last.shard = $1 AND last.pos = $2
"""
UNPUBLISH = "UPDATE intake.sent SET pos = least(pos, $2) WHERE shard = $1"
FORGET_HOLDS = "DELETE FROM intake.hold WHERE shard = $1"
BEGIN = "SELECT intake.begin_generation($1, $2)"


class End(NamedTuple):
    """The last position of a district, and how far its time has passed."""

    position: int
    time: Instant


class CutStore(Store):
    """The statements of a cut, which are one transaction of their caller."""

    async def lock(self, district: str) -> End | None:
        """Lock a district until the transaction ends, and return its end; None if there is none."""
        rows = await self._database.fetch(LOCK, district)
        return End(*rows[0]) if rows else None

    async def last_before(self, district: str, time: Instant) -> int:
        """Return the last position before an instant; 0 if there is none."""
        rows = await self._database.fetch(LAST_BEFORE, district, time)
        return int(rows[0]["pos"]) if rows else 0

    async def last_generation_start(self, district: str) -> int:
        """Return the position after which the newest generation began."""
        return int((await self._database.fetch(LAST_GENERATION, district))[0]["start"])

    async def cut(self, district: str, position: int, time: Instant) -> None:
        """Take out what is after a position, and begin a generation whose time is `time`."""
        await self._database.fetch(TAKE_OUT, district, position)
        await self._database.fetch(MOVE_BACK, district, position, time)
        await self._database.fetch(UNPUBLISH, district, position)
        await self._database.fetch(FORGET_HOLDS, district)
        await self._database.fetch(BEGIN, district, time)
