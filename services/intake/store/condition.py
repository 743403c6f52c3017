"""The districts as an operator sees them, beside the clock, and the holds of their time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from events.instants import BEGINNING, Instant
from intake.store.base import Store

# A map is adopted among the first rows of a log, so that few rows are read.
STATES = """
SELECT s.shard, s.pos, s.ts,
  coalesce((SELECT max(h.until) FROM intake.hold h WHERE h.shard = s.shard), $1) AS held_until,
  EXISTS (
    SELECT FROM intake.log l
    WHERE l.shard = s.shard AND l.subject = 'reference'
      AND position(convert_to('"kind":"map"', 'UTF8') IN l.data) > 0
  ) AS has_map,
  (
    SELECT convert_from(l.data, 'UTF8')::json ->> 'name' FROM intake.log l
    WHERE l.shard = s.shard AND l.subject = 'reference'
      AND position(convert_to('"kind":"decider"', 'UTF8') IN l.data) > 0
    ORDER BY l.pos DESC LIMIT 1
  ) AS decider,
  ARRAY(
    SELECT k.id FROM intake.key k WHERE k.district = s.shard AND k.revoked IS NULL ORDER BY k.id
  ) AS keys
FROM intake.shard s ORDER BY s.shard
"""
STRAY_KEYS = """
SELECT k.id, k.district, k.source FROM intake.key k
WHERE k.revoked IS NULL AND NOT EXISTS (SELECT FROM intake.shard s WHERE s.shard = k.district)
ORDER BY k.id
"""
HAS_TRACKING_KEY = "SELECT count(*) = 1 AS has_key FROM intake.tracking_key"
OTHER_TRACKING_KEY = """
SELECT d.shard FROM intake.district d, intake.tracking_key k
WHERE d.tracking_key <> sha256(k.key) ORDER BY d.shard
"""
QUARANTINED = "SELECT line, count(*) FROM intake.quarantine GROUP BY line ORDER BY line"

CHECK_TIME = """
SELECT intake.check_time(shard, ts, $2) FROM intake.shard WHERE shard = $1
"""
HOLD = """
INSERT INTO intake.hold (shard, until)
SELECT shard, ts FROM intake.shard WHERE shard = $1 AND ts > intake.clock() RETURNING until
"""

AHEAD = """
SELECT s.shard, s.ts FROM intake.shard s
WHERE s.ts > intake.clock() + $1
  AND NOT EXISTS (SELECT FROM intake.hold h WHERE h.shard = s.shard AND h.until >= s.ts)
ORDER BY s.shard
"""


class DistrictState(NamedTuple):
    """A district: its last position and time, the end of its newest hold, its map and its keys.

    `decider` is the version in force, None if none was adopted.
    """

    code: str
    position: int
    time: Instant
    held_until: Instant
    has_map: bool
    decider: str | None
    keys: Sequence[str]


class ConditionStore(Store):
    """The districts of a database, for an operator."""

    async def states(self) -> list[DistrictState]:
        """Return the state of every district that has a log."""
        return [DistrictState(*each) for each in await self._database.fetch(STATES, BEGINNING)]

    async def ahead(self, ahead_us_max: int) -> dict[str, Instant]:
        """Return the time of each district that is too far ahead of the clock, and not held."""
        return dict(map(tuple, await self._database.fetch(AHEAD, ahead_us_max)))

    async def stray_keys(self) -> list[tuple[str, str, str]]:
        """Return id, district and source of each key in force whose district does not exist."""
        return [
            (key, district, source)
            for key, district, source in await self._database.fetch(STRAY_KEYS)
        ]

    async def has_tracking_key(self) -> bool:
        """Tell whether the key of the tracking codes is there."""
        return bool((await self._database.fetch(HAS_TRACKING_KEY))[0]["has_key"])

    async def districts_of_other_key(self) -> list[str]:
        """Return the districts whose tracking codes were made with another key than the stored."""
        return [row["shard"] for row in await self._database.fetch(OTHER_TRACKING_KEY)]

    async def quarantine_counts(self) -> list[tuple[str, int]]:
        """Return the number of records in quarantine of each line that has some."""
        return [(line, number) for line, number in await self._database.fetch(QUARANTINED)]

    async def check_time(self, district: str, ahead_us_max: int) -> None:
        """Raise an error of SQL state GC003 if a district's time is too far ahead, and not held."""
        await self._database.fetch(CHECK_TIME, district, ahead_us_max)

    async def hold_time(self, district: str) -> Instant | None:
        """Hold the time of a district that is ahead of the clock, and return it; None if it is not.

        Inputs are accepted at this time, until the clock reaches it.
        """
        rows = await self._database.fetch(HOLD, district)
        return int(rows[0]["until"]) if rows else None
