"""Outcomes: the rows that routing, or escalation behind it, wrote about an input of intake.

They name the input as their cause, also if it had to wait and was decided together with others
(core/decisions.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eventlog.core.log import OutcomeSource, Source
from eventlog.core.row import Row
from eventlog.notifier import Notifier
from events.catalogue import AcknowledgementPassedOn, AnswerPassedOn, RetryPassedOn
from events.registry import latest
from intake.core.decisions import expiry_cause, last_decision, rows_of, waits

PASSED_ON = (AcknowledgementPassedOn, AnswerPassedOn, RetryPassedOn)
PAGE_ROWS = 50  # Nearly every decision about one input has fewer rows.
FIND_SECONDS_MAX = 0.5
RETRY_SECONDS = 1.0  # After which a log is read again if nothing was announced.


class Outcomes:
    """Finds outcomes in `cases` and `calls`, and waits for those that are still to come."""

    def __init__(self, cases: OutcomeSource, calls: OutcomeSource, notifier: Notifier) -> None:
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
        rows = await self._outcome_in(self._cases, f"intake/{district}/{position}")
        if rows and isinstance(latest(rows[-1].event), PASSED_ON):
            return await self._outcome_in(self._calls, rows[-1].id)
        return rows

    async def _outcome_in(self, log: OutcomeSource, cause: str) -> Sequence[Row]:
        """Wait for the decision about an input; return the rows that are its outcome by now."""
        _, district, position = cause.split("/")
        rows = rows_of(cause, await self._decision(log, district, int(position)))
        if waits(rows):
            rows = last_decision([*rows, *await log.late(district, cause)])
        if waits(rows) and (timer := expiry_cause(rows[-1])):
            rows = last_decision([*rows, *await log.late(district, timer)])
        return rows

    # ── Decisions ─────────────────────────────────────────────────────────────────────────────────

    async def _decision(self, log: Source, district: str, input_position: int) -> Sequence[Row]:
        """Wait for the rows of the decision about one input, and of timers right after it."""
        while True:
            count = self._notifier.count(log.name, district)
            last = (await log.watermark(district)).position
            first = await self._first_row(log, district, input_position, last)
            page = await log.read(district, first - 1, PAGE_ROWS) if first <= last else []
            if page:
                rows = list(page)
                while len(page) == PAGE_ROWS and page[-1].input == input_position:
                    page = await log.read(district, page[-1].position, PAGE_ROWS)
                    rows += page
                return [row for row in rows if row.input == input_position]
            await self._notifier.wait(log.name, district, count, RETRY_SECONDS)

    async def _first_row(self, log: Source, district: str, input_position: int, last: int) -> int:
        """Return the first position whose row follows from this input or a later one.

        It is `last` + 1 if there is none. Inputs grow with positions, so that halving finds it.
        """
        low, high = max(1, last - PAGE_ROWS), last + 1
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
