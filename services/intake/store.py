"""Intake's statements: districts, contents of reference data, and the clock of its database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from eventlog.core.decider import REFERENCE
from eventlog.postgres.pool import Connected
from events.catalogue import ReferenceAdopted, ReferenceKind
from events.instants import Instant

DISTRICTS = "SELECT shard, number FROM intake.district ORDER BY number"
HEADS = "SELECT shard, ts FROM intake.shard ORDER BY shard"
CONTENTS = "SELECT digest, body FROM intake.content WHERE digest = ANY ($1)"
ALL_CONTENTS = "SELECT digest, body FROM intake.content"
ADD_CONTENTS = """
INSERT INTO intake.content SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING
"""
REFERENCES = "SELECT data FROM intake.log WHERE shard = $1 AND subject = $2 ORDER BY pos"
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
TRUST_CLOCK = """
CREATE OR REPLACE FUNCTION intake.check_clock(now_us bigint, ahead_us_max bigint)
RETURNS void LANGUAGE sql AS $$ SELECT $$
"""


class IntakeStore:
    """The tables of intake, as other parts of a process read them."""

    def __init__(self, database: Connected) -> None:
        self._database = database

    # ── Districts ────────────────────────────────────────────────────────────────────────────────

    async def shards(self) -> dict[str, int]:
        """Return the number of each district: its partition, which never changes."""
        return dict(map(tuple, await self._database.fetch(DISTRICTS)))

    async def district_times(self) -> dict[str, Instant]:
        """Return how far time has passed in each district that has a log."""
        return dict(map(tuple, await self._database.fetch(HEADS)))

    async def district_codes(self) -> list[str]:
        """Return the districts that have a log, in order."""
        return list(await self.district_times())

    # ── Reference data ───────────────────────────────────────────────────────────────────────────

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
        records = await self._database.fetch(REFERENCES, district, REFERENCE)
        events = [msgspec.json.decode(each["data"], type=ReferenceAdopted) for each in records]
        return {event.kind: event for event in events}

    # ── The clock ────────────────────────────────────────────────────────────────────────────────

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
