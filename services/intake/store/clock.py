"""Intake's clock: the SQL function that gives inputs their times."""

from __future__ import annotations

from events.instants import Instant
from intake.store.base import Store

CLOCK = "SELECT intake.clock()"
CLOCK_AHEAD = "SELECT intake.clock() - $1::bigint"
CHECK_CLOCK = "SELECT intake.check_clock($1, $2)"
CONFIRM_CLOCK = """
INSERT INTO intake.confirmed_clock (ahead_us) VALUES (intake.clock() - $1) RETURNING ahead_us
"""
WALL_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
SCALE_CLOCK = """
CREATE OR REPLACE FUNCTION intake.clock() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT {start}
    + (((extract(epoch FROM clock_timestamp()) * 1000000)::bigint - {wall}) * {speed})::bigint
$$
"""
STOP_CLOCK = """
CREATE OR REPLACE FUNCTION intake.clock() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT {at}::bigint
$$
"""
TRUST_CLOCK = """
CREATE OR REPLACE FUNCTION intake.check_clock(now_us bigint, ahead_us_max bigint)
RETURNS void LANGUAGE sql AS $$ SELECT $$
"""


class ClockStore(Store):
    """The clock of all districts of a database."""

    async def clock(self) -> Instant:
        """Return the time of intake's clock."""
        return int((await self._database.fetch(CLOCK))[0][0])

    async def clock_ahead_us(self, now: Instant) -> int:
        """Return how far intake's clock is ahead of `now`, in µs."""
        return int((await self._database.fetch(CLOCK_AHEAD, now))[0][0])

    async def check_clock(self, now: Instant, ahead_us_max: int) -> None:
        """Raise an error of SQL state GC001 if intake's clock is too far ahead of `now`."""
        await self._database.fetch(CHECK_CLOCK, now, ahead_us_max)

    async def confirm_clock(self, now: Instant) -> int:
        """Accept intake's clock as it is, and return how far it is ahead of `now`, in µs."""
        return int((await self._database.fetch(CONFIRM_CLOCK, now))[0][0])

    async def scale_clock(self, start: Instant, speed: float) -> None:
        """Let intake's clock continue from `start`, `speed` times as fast, for a demo."""
        wall = int((await self._database.fetch(WALL_CLOCK))[0][0])
        await self._database.fetch(
            SCALE_CLOCK.format(start=int(start), wall=wall, speed=float(speed))
        )
        await self._database.fetch(TRUST_CLOCK)

    async def stop_clock(self, at: Instant) -> None:
        """Stop intake's clock at an instant, for the history of a demo."""
        await self._database.fetch(STOP_CLOCK.format(at=int(at)))
