"""Outcomes: the rows that routing, or escalation behind it, wrote for a position of intake."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eventlog.core.log import Source
from eventlog.core.row import Row
from eventlog.notifier import Notifier
from events.catalogue import AcknowledgementPassedOn, AnswerPassedOn, RetryPassedOn

PASSED_ON = (AcknowledgementPassedOn, AnswerPassedOn, RetryPassedOn)
DECISION_ROWS_MAX = 50  # A decision about one input has fewer rows.
FIND_SECONDS_MAX = 0.5
RETRY_SECONDS = 1.0  # After which a log is read again if nothing was announced.


class Outcomes:
    """Finds outcomes in `cases` and `calls`, and waits for those that are still to come."""

    def __init__(self, cases: Source, calls: Source, notifier: Notifier) -> None:
        self._cases = cases
        self._calls = calls
        self._notifier = notifier

    async def wait(self, district: str, position: int, seconds: float) -> Sequence[Row]:
        """Return the outcome of a position as soon as it is there; nothing if it is late."""
        try:
            async with asyncio.timeout(seconds):
                return await self._outcome(district, position)
        except TimeoutError:
            return []

    async def find(self, district: str, position: int) -> Sequence[Row]:
        """Return the outcome of a position, if it is there already."""
        if (await self._cases.watermark(district)).position == 0:
            return []
        return await self.wait(district, position, FIND_SECONDS_MAX)

    async def _outcome(self, district: str, position: int) -> Sequence[Row]:
        rows = await self._decision(self._cases, district, position)
        if rows and isinstance(rows[-1].event, PASSED_ON):
            return await self._decision(self._calls, district, rows[-1].position)
        return rows

    async def _decision(self, log: Source, district: str, input_position: int) -> Sequence[Row]:
        """Wait for the rows of the decision about one input."""
        while True:
            count = self._notifier.count(log.name, district)
            last = (await log.watermark(district)).position
            first = await self._first_row(log, district, input_position, last)
            rows = await log.read(district, first - 1, DECISION_ROWS_MAX) if first <= last else []
            decided = [
                row
                for row in rows
                if row.input == input_position and not row.cause.startswith("clock/")
            ]
            if decided or (rows and rows[0].input > input_position):
                return decided
            await self._notifier.wait(log.name, district, count, RETRY_SECONDS)

    async def _first_row(self, log: Source, district: str, input_position: int, last: int) -> int:
        """Return the first position whose row follows from this input or a later one.

        It is `last` + 1 if there is none. Inputs grow with positions, so that halving finds it.
        """
        low, high = max(1, last - DECISION_ROWS_MAX), last + 1
        if low > 1 and await input_at(log, district, low) >= input_position:
            low, high = 1, low
        while low < high:
            middle = (low + high) // 2
            if await input_at(log, district, middle) >= input_position:
                high = middle
            else:
                low = middle + 1
        return low


async def input_at(log: Source, district: str, position: int) -> int:
    """Return the input position of the row at a position."""
    return (await log.read(district, position - 1, 1))[0].input
