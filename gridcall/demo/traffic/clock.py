"""The time of the district."""

from __future__ import annotations

import asyncio
from time import monotonic
from zoneinfo import ZoneInfo

from events.instants import EPOCH, MICROSECOND, Instant
from gridcall.demo.licheng.units import ZONE

MINUTE, HOUR = 60.0, 3600.0  # Seconds of the district.


class DistrictClock:
    """An estimate of the district's time: the last watermark and the time since then."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.is_set = asyncio.Event()
        self._watermark = 0
        self._read_at = 0.0

    def set(self, watermark: Instant) -> None:
        """Set the clock to a watermark. Zero means that the district has no time yet."""
        if watermark > 0:
            self._watermark, self._read_at = watermark, monotonic()
            self.is_set.set()

    def now(self) -> Instant:
        return self._watermark + int((monotonic() - self._read_at) * self.speed * 1e6)

    def hour(self) -> int:
        """Return the hour of the day in the district."""
        return (EPOCH + self.now() * MICROSECOND).astimezone(ZoneInfo(ZONE)).hour

    def seconds_until(self, at: Instant) -> float:
        """Return the district's seconds until an instant, negative if it has passed."""
        return (at - self.now()) / 1e6

    async def sleep(self, seconds: float) -> None:
        """Sleep for seconds of the district."""
        await asyncio.sleep(seconds / self.speed)
