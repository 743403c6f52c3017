"""The districts: their numbers, and how far time has passed in each."""

from __future__ import annotations

from events.instants import Instant
from intake.store.base import Store

DISTRICTS = "SELECT shard, number FROM intake.district ORDER BY number"
ADD_DISTRICT = "SELECT intake.add_district($1)"
TIMES = "SELECT shard, ts FROM intake.shard ORDER BY shard"


class DistrictStore(Store):
    """The list of districts."""

    async def shards(self) -> dict[str, int]:
        """Return the number of each district: its partition, which never changes."""
        return dict(map(tuple, await self._database.fetch(DISTRICTS)))

    async def add_district(self, district: str) -> bool:
        """Add a district; return False if it is there already."""
        return bool((await self._database.fetch(ADD_DISTRICT, district))[0][0])

    async def district_times(self) -> dict[str, Instant]:
        """Return how far time has passed in each district that has a log."""
        return dict(map(tuple, await self._database.fetch(TIMES)))

    async def district_codes(self) -> list[str]:
        """Return the districts that have a log, in order."""
        return list(await self.district_times())
