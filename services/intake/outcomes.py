"""What became of an input: the rows that routing wrote for its position, or escalation for what is passed on to it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eventlog.core.log import Source
from eventlog.core.row import Row
from eventlog.notifier import Notifier
from events.catalogue import (
    AcknowledgementPassedOn,
    AnswerPassedOn,
    RetryPassedOn,
)


class Outcomes:
    """Finds outcomes in `cases` and `calls`, and waits for those that are still to come."""

    def __init__(self, cases: Source, calls: Source, notifier: Notifier) -> None:
        self._cases = cases
        self._calls = calls
        self._bell = notifier

    async def wait(self, district: str, position: int, seconds: float) -> Sequence[Row]:
        """The outcome of intake's position, as soon as it is there; nothing if it is not in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self._of(district, position)
        except TimeoutError:
            return []

    async def find(self, district: str, position: int) -> Sequence[Row]:
        """The outcome, if it is there already."""
        return (
            await self.wait(district, position, 0.5)
            if (await self._cases.watermark(district)).position
            else []
        )

    async def _of(self, district: str, position: int) -> Sequence[Row]:
        rows = await self._decided(self._cases, district, position)
        if rows and isinstance(
            rows[-1].event, AcknowledgementPassedOn | AnswerPassedOn | RetryPassedOn
        ):
            return await self._decided(self._calls, district, rows[-1].position)
        return rows

    async def _decided(self, log: Source, district: str, input_pos: int) -> Sequence[Row]:
        """The rows of the decision about one input. Inputs grow with positions, so the first one is found by halving."""
        while True:
            heard = self._bell.count(log.name, district)
            last = (await log.watermark(district)).position
            first = await self._first(log, district, input_pos, last)
            rows = await log.read(district, first - 1, 50) if first <= last else []
            decided = [
                row for row in rows if row.input == input_pos and not row.cause.startswith("clock/")
            ]
            if decided or (rows and rows[0].input > input_pos):
                return decided
            await self._bell.wait(log.name, district, heard, 1.0)

    async def _first(self, log: Source, district: str, input_pos: int, last: int) -> int:
        """The first position whose row followed from this input or a later one; last + 1 where there is none."""
        low, high = max(1, last - 50), last + 1
        if low > 1 and (await log.read(district, low - 1, 1))[0].input >= input_pos:
            low, high = 1, low
        while low < high:
            middle = (low + high) // 2
            if (await log.read(district, middle - 1, 1))[0].input >= input_pos:
                high = middle
            else:
                low = middle + 1
        return low
