"""The present stage of a case, for intake: it answers those who track an issue."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from casebook import Tracked, public_case
from events.errors import Unavailable
from events.instants import Instant
from screen.follower import Follower
from screen.store import ListStore


class ScreenTracker:
    """Reads the live model of a district, as far as its follower is."""

    def __init__(self, followers: Mapping[str, Follower], lists: ListStore) -> None:
        self._followers = followers
        self._lists = lists

    async def find(self, district: str, case: str, after: Instant, seconds: float) -> Tracked:
        """Return what is known of a case; of no case if the model has read nothing of it.

        Waits, at most so many seconds, until everything up to `after` was read. Raises Unavailable
        while the logs are read for the first time.
        """
        follower = self._followers.get(district)
        if follower is None:
            raise Unavailable(f"the screen does not follow {district!r}")
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not follower.is_current or follower.as_of <= after:
                    await follower.wait_for_newer(follower.version)
        if follower.served is None or not follower.is_current:
            raise Unavailable(f"the screen is still reading the logs of {district!r}")
        as_of = follower.as_of  # The case is at least as new.
        file = await self._lists.case(follower.served.id, case)
        return Tracked(public_case(file.case) if file else None, as_of)
