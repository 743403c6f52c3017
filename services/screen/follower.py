"""Keeps the view of one district as new as its logs are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from eventlog.core.log import Source
from eventlog.core.row import Row, Watermark
from eventlog.notifier import Notifier
from events.errors import Conflict, GridcallError, Unavailable
from events.instants import BEGINNING, Instant
from screen.payloads import whole
from screen.projection import View

BATCH = 200  # Rows of each log: the door of the same process is not held up by more.
QUIET_SECONDS = 1.0  # So often the page hears that nothing has happened.
PAUSE_SECONDS = 0.1  # Between two looks at the logs: what comes together is shown together.
AGAIN_SECONDS = 1.0
STILL_SECONDS = 3.0  # Time that has not passed for so long stands still.
LOGS = ("intake", "cases", "calls")
BEFORE = {"cases": "intake", "calls": "cases"}

log = logging.getLogger("gridcall")


class Follower:
    """Reads the three logs of a district into a view, causes before what follows from them, and wakes the pages."""

    def __init__(
        self, district: str, logs: Mapping[str, Source], notifier: Notifier, speed: float
    ) -> None:
        self.district = district
        self.logs = logs
        self.notifier = notifier
        self.speed = speed
        self.view = View()
        self.marks = dict.fromkeys(LOGS, Watermark(0, BEGINNING))
        self.version = 0  # Of what the pages see: it grows with time, too.
        self._ahead: dict[str, list[Row]] = {name: [] for name in LOGS}
        self._passed_at = monotonic()
        self._new = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._once()
            except Unavailable as fault:
                log.warning("the screen of %s waits: %s", self.district, fault)
                await asyncio.sleep(AGAIN_SECONDS)
            except (
                GridcallError
            ) as fault:  # A log was cut back, or is another one: it is read anew.
                log.warning("the screen of %s begins again: %s", self.district, fault)
                self.view, self._ahead = View(), {name: [] for name in LOGS}
                await asyncio.sleep(AGAIN_SECONDS)

    async def _once(self) -> None:
        heard = {name: self.notifier.count(name, self.district) for name in LOGS}
        while await self.step():
            await asyncio.sleep(0)
        await self.look()
        self._wake()
        await self._rung(heard)

    async def step(self) -> int:
        """Take what can be taken; how many rows that were."""
        for name in LOGS:
            if not self._ahead[name]:
                self._ahead[name] = list(
                    await self.logs[name].read(self.district, self.view.read[name], BATCH)
                )
        ready = {name: self._ready(name) for name in reversed(LOGS)}
        self.view.take(*ready.values())
        for name, rows in ready.items():
            del self._ahead[name][: len(rows)]
            self._passed(name, rows[-1].time if rows else BEGINNING)
        return sum(map(len, ready.values()))

    def _ready(self, name: str) -> Sequence[Row]:
        """The rows whose cause was taken."""
        rows, before = self._ahead[name], BEFORE.get(name)
        if before is None or not rows:
            return list(rows)
        known = self.view.read[before]
        count = next((i for i, row in enumerate(rows) if row.input > known), len(rows))
        return rows[:count]

    async def look(self) -> None:
        """How far the logs are. Raises Conflict where one is shorter than what was read of it."""
        before = self.now
        for name in LOGS:
            mark = await self.logs[name].watermark(self.district)
            self.marks[name] = mark._replace(watermark=self.marks[name].watermark)
            self._passed(name, mark.watermark)
            if self.marks[name].position < self.view.read[name]:
                raise Conflict(f"{name}/{self.district} ends before what was read of it")
        if self.now != before:
            self._passed_at = monotonic()

    def _passed(self, name: str, watermark: Instant) -> None:
        """Time has passed so far in a log: by a row, or a mark."""
        self.marks[name] = self.marks[name]._replace(
            watermark=max(watermark, self.marks[name].watermark)
        )

    def _wake(self) -> None:
        self.version += 1
        self._new.set()
        self._new = asyncio.Event()

    async def _rung(self, heard: Mapping[str, int]) -> None:
        """Until something new is in a log, at most a second; then as long as it takes to show more at once."""
        waiting = {
            asyncio.ensure_future(
                self.notifier.wait(name, self.district, heard[name], QUIET_SECONDS)
            )
            for name in LOGS
        }
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        await asyncio.sleep(PAUSE_SECONDS)

    async def newer(self, version: int) -> None:
        """Until there is something newer to show."""
        if self.version <= version:
            await self._new.wait()

    @property
    def now(self) -> Instant:
        """How far time has passed in the district."""
        return self.marks["intake"].watermark

    def told(self, since: int) -> dict[str, Any]:
        """What the page is told, with the grids that changed after a version of the view."""
        policies = self.view.references.get("policies in force")
        return {
            "now": self.now,
            "speed": self.speed,
            "zone": getattr(policies, "zone", "UTC"),
            "lag": self.lag(),
            **whole(self.view, since),
        }

    def lag(self) -> dict[str, float]:
        """How many rows wait to be read by each stage and by the screen, and by how many seconds all of it is late."""
        view, marks = self.view, self.marks
        waiting = {
            name: 0
            if marks[name].watermark >= marks[before].watermark
            else max(0, marks[before].position - view.applied[name])
            for name, before in BEFORE.items()
        }
        unread = sum(marks[name].position - view.read[name] for name in LOGS)
        begun = marks["calls"].watermark > BEGINNING
        late = max(0, self.now - marks["calls"].watermark) / 1e6 / self.speed if begun else 0
        still = monotonic() - self._passed_at
        return {
            **waiting,
            "rows": unread,
            "seconds": round(max(late, still if still > STILL_SECONDS else 0), 1),
        }
