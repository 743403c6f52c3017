"""The follower of a district keeps the projection as new as the logs, and wakes the pages."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Mapping, Sequence
from itertools import chain
from math import inf
from time import monotonic
from typing import Any

from eventlog.condition import Replay
from eventlog.core.log import Source
from eventlog.core.row import Row, Watermark
from eventlog.log_once import LogOnce, Outages
from eventlog.notifier import Notifier
from eventlog.retry import Backoff
from eventlog.shared_values import SharedValues
from events.errors import Conflict, GridcallError, Unavailable
from events.instants import BEGINNING, Instant
from events.topology import SERVICE, WRITER
from screen.core.projection import LOGS, DistrictProjection
from screen.payloads import district_payload

BATCH = 200  # Rows of each log at once, so that the intake API of the same process is not delayed.
QUIET_SECONDS = 1.0  # The page gets a message this often even if nothing happens.
PAUSE_SECONDS = 0.1  # Between two looks at the logs, so that simultaneous rows are shown together.
FOLLOWING_SECONDS = 10.0  # A look that takes longer than this is an outage.
STALLED_SECONDS = 3.0  # District time that has not passed for so long counts as late.
# Log → the log of which its rows are the effects.
CAUSES = {log: SERVICE[WRITER[log]].inputs[0] for log in LOGS if SERVICE[WRITER[log]].inputs}

log = logging.getLogger("gridcall")


class Follower:
    """Reads the logs of a district into a projection, causes before their effects.

    `version` counts what the pages can see; it grows with time, too. `is_current` is False until
    all that was there has been read once. Meanwhile the follower replays.
    """

    def __init__(
        self,
        district: str,
        logs: Mapping[str, Source],
        notifier: Notifier,
        speed: float,
        outages: Outages | None = None,
    ) -> None:
        self.district = district
        self.logs = logs
        self.notifier = notifier
        self.speed = speed
        self.projection = DistrictProjection()
        self.watermarks = dict.fromkeys(LOGS, Watermark(0, BEGINNING))
        self.version = 0
        self.is_current = False
        self._rows = 0  # Of all logs, when the replay began.
        self._values = SharedValues()
        self._complete = dict.fromkeys(LOGS, BEGINNING)  # All rows before this instant are read.
        self._unapplied: dict[str, list[Row]] = {name: [] for name in LOGS}
        self._advanced_at = monotonic()
        self._read_at = -inf
        self._newer = asyncio.Event()
        self._backoff = Backoff()
        self._outages = outages or Outages(log, "screen")
        self._log = LogOnce(log, service="screen", district=district)

    async def run(self) -> None:
        """Follow the logs until cancelled. A log that was cut back is read from its beginning."""
        while True:
            try:
                await self._follow()
                self._outages.end(self.district)
                self._log.clear()
                self._backoff.reset()
            except Unavailable as fault:
                self._outages.begin(self.district, fault)
                await self._backoff.sleep()
            except GridcallError as fault:
                self._log.warning(f"all logs are read again: {fault}")
                self.projection = DistrictProjection()
                self.watermarks = dict.fromkeys(LOGS, Watermark(0, BEGINNING))
                self._unapplied = {name: [] for name in LOGS}
                self._complete = dict.fromkeys(LOGS, BEGINNING)
                self.is_current = False
                await self._backoff.sleep()

    async def _follow(self) -> None:
        """Apply all rows that are there, wake the pages, and wait for more."""
        counts = {name: self.notifier.count(name, self.district) for name in LOGS}
        if not self.is_current:
            heads = [await self.logs[name].watermark(self.district) for name in LOGS]
            self._rows = sum(head.position for head in heads)
        while await self.apply_batch():
            self._read_at = monotonic()
            await asyncio.sleep(0)
        await self.read_watermarks()
        self._read_at = monotonic()
        if not self.is_current:
            self.is_current = True
            self._values = SharedValues()
            gc.freeze()  # The cases live long: the collector would look at them again and again.
        self._wake_pages()
        await self._wait_for_rows(counts)

    async def apply_batch(self) -> int:
        """Apply the next rows of each log; return their number."""
        for name in LOGS:
            if not self._unapplied[name]:
                after = self.projection.positions[name]
                rows = await self.logs[name].read(self.district, after, BATCH)
                self._unapplied[name] = list(rows)
        ready = {name: self._ready_rows(name) for name in reversed(LOGS)}
        if not self.is_current:
            self._values.share(chain(*ready.values()))
        self.projection.apply(*ready.values())
        for name, rows in ready.items():
            del self._unapplied[name][: len(rows)]
            if rows:
                self._advance(name, rows[-1].time)
                self._complete[name] = max(self._complete[name], rows[-1].time)
        return sum(map(len, ready.values()))

    def _ready_rows(self, name: str) -> Sequence[Row]:
        """Return the rows whose cause has been applied."""
        rows, cause = self._unapplied[name], CAUSES.get(name)
        if cause is None or not rows:
            return list(rows)
        applied = self.projection.positions[cause]
        count = next((i for i, row in enumerate(rows) if row.input > applied), len(rows))
        return rows[:count]

    async def read_watermarks(self) -> None:
        """Read the head of each log. Raises Conflict if a log is shorter than what was read."""
        before = self.now
        for name in LOGS:
            head = await self.logs[name].watermark(self.district)
            self.watermarks[name] = self.watermarks[name]._replace(position=head.position)
            self._advance(name, head.watermark)
            if head.position == self.projection.positions[name]:
                self._complete[name] = max(self._complete[name], head.watermark)
            if head.position < self.projection.positions[name]:
                raise Conflict(f"{name}/{self.district} ends before what was read of it")
        if self.now != before:
            self._advanced_at = monotonic()

    def _advance(self, name: str, watermark: Instant) -> None:
        """Advance the watermark of a log, unless it is further already."""
        known = self.watermarks[name]
        self.watermarks[name] = known._replace(watermark=max(watermark, known.watermark))

    @property
    def replay(self) -> Replay | None:
        """The part of the logs that is read; None once they were read to their ends."""
        if self.is_current or not self._rows:
            return None
        folded = sum(self.projection.positions.values())
        return Replay(name=f"screen/{self.district}", folded=folded, rows=self._rows)

    def is_following(self) -> bool:
        """Tell if the logs were read a moment ago, perhaps not to their ends."""
        return monotonic() - self._read_at < FOLLOWING_SECONDS

    def _wake_pages(self) -> None:
        self.version += 1
        self._newer.set()
        self._newer = asyncio.Event()

    async def _wait_for_rows(self, counts: Mapping[str, int]) -> None:
        """Wait for a new row in any log, at most QUIET_SECONDS, and then for those close behind."""
        waiting = {
            asyncio.ensure_future(
                self.notifier.wait(name, self.district, counts[name], QUIET_SECONDS)
            )
            for name in LOGS
        }
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        await asyncio.sleep(PAUSE_SECONDS)

    async def wait_for_newer(self, version: int) -> None:
        """Wait until there is more to show than at this version."""
        if self.version <= version:
            await self._newer.wait()

    @property
    def now(self) -> Instant:
        """The instant up to which time has passed in the district."""
        return self.watermarks["intake"].watermark

    @property
    def as_of(self) -> Instant:
        """The instant before which everything is in the projection, in each of the logs."""
        return min(self._complete.values())

    def live_payload(self, since: int) -> dict[str, Any]:
        """Return a live message, with the grids that changed after a version of the projection."""
        policies = self.projection.policies
        return {
            "now": self.now,
            "speed": self.speed,
            "zone": policies.zone if policies else "UTC",
            "lag": self.lag(),
            **district_payload(self.projection, since),
        }

    def lag(self) -> dict[str, float]:
        """Return the rows that each stage and the screen have still to read, and the delay."""
        projection, watermarks = self.projection, self.watermarks
        waiting = {
            name: 0
            if watermarks[name].watermark >= watermarks[cause].watermark
            else max(0, watermarks[cause].position - projection.applied[name])
            for name, cause in CAUSES.items()
        }
        unread = sum(watermarks[name].position - projection.positions[name] for name in LOGS)
        return {**waiting, "rows": unread, "seconds": round(self._delay_seconds(), 1)}

    def _delay_seconds(self) -> float:
        """Return the seconds by which `calls` is late, or since district time last passed."""
        last = self.watermarks[LOGS[-1]].watermark
        late = max(0, self.now - last) / 1e6 / self.speed if last > BEGINNING else 0
        stalled = monotonic() - self._advanced_at
        return max(late, stalled if stalled > STALLED_SECONDS else 0)
