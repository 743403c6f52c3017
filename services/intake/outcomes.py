"""Outcomes: the rows that routing, or escalation behind it, wrote about an input of intake.

An input that had to wait was decided together with others. Its outcome is its own part of that
decision (core/decisions.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from eventlog.core.log import OutcomeSource, Source
from eventlog.core.row import Row
from eventlog.notifier import Notifier
from events.catalogue import (
    AcknowledgementPassedOn,
    ActionWaits,
    AnswerPassedOn,
    CaseParked,
    CaseReported,
    CaseRetried,
    InputHeld,
    RetryPassedOn,
)
from intake.core.decisions import OWN_ROWS_OF_REPORT, call_parts, deferrals_of, parts_of

CALL_ACTIONS = (AcknowledgementPassedOn, AnswerPassedOn)
PASSED_ON = (*CALL_ACTIONS, RetryPassedOn)
BEHIND_PARKED = (CaseParked, InputHeld)
PAGE_ROWS = 50  # Nearly every decision about one input has fewer rows.
FIND_SECONDS_MAX = 0.5
RETRY_SECONDS = 1.0  # After which a log is read again if nothing was announced.

PositionOf = Callable[[str], Awaitable[int | None]]
"""Returns the position of an issue in intake's log by its id; None if it was not reported."""


class Outcomes:
    """Finds outcomes in `cases` and `calls`, and waits for those that are still to come."""

    def __init__(
        self,
        cases: OutcomeSource,
        calls: OutcomeSource,
        notifier: Notifier,
        position_of: PositionOf,
    ) -> None:
        self._cases = cases
        self._calls = calls
        self._notifier = notifier
        self._position_of = position_of

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
        rows = await self._outcome_in_cases(district, position)
        if rows and isinstance(rows[-1].event, PASSED_ON):
            return await self._outcome_in_calls(district, rows[-1])
        return rows

    # ── In `cases` ────────────────────────────────────────────────────────────────────────────────

    async def _outcome_in_cases(self, district: str, position: int) -> Sequence[Row]:
        """Wait for the decision about an input, and return the rows that are its own outcome."""
        rows = await self._decision(self._cases, district, position)
        match rows[0].event if rows else None:
            case CaseReported():
                return rows[:OWN_ROWS_OF_REPORT]
            case CaseRetried():
                return rows[:1]
            case ActionWaits():
                return await self._after_report(district, rows)
            case CaseParked() | InputHeld():
                return await self._after_retry(district, rows, position) or rows
            case _:
                return rows

    async def _after_report(self, district: str, waiting: Sequence[Row]) -> Sequence[Row]:
        """Return the outcome of an action that waited; if its report is not decided, the waiting.

        A report that was parked decides its actions in the retry.
        """
        issue, position = waiting[0].subject, waiting[0].input
        reported = await self._position_of(issue)
        if reported is None or not await self._is_decided(district, reported):
            return waiting
        rows = await self._decision(self._cases, district, reported)
        if isinstance(rows[0].event, BEHIND_PARKED):
            return await self._after_retry(district, rows, reported, position) or waiting
        waits = deferrals_of(await self._cases.deferrals(district, issue)).waits
        return parts_of(rows, [reported], waits).get(position, waiting)

    async def _after_retry(
        self, district: str, parked: Sequence[Row], position: int, early: int | None = None
    ) -> Sequence[Row]:
        """Return the outcome of an input behind a parked case; nothing while it waits there.

        With `early` it is the outcome of the action that waited for that input, a report.
        """
        deferrals = deferrals_of(await self._cases.deferrals(district, parked[0].subject))
        release = deferrals.release_of(position)
        if release is None:
            return []
        rows = await self._decision(self._cases, district, release.input)
        parts = parts_of(rows[1:], release.decided, deferrals.waits)
        return parts.get(position if early is None else early, [])

    async def _is_decided(self, district: str, position: int) -> bool:
        """Tell whether routing has decided an input."""
        last = (await self._cases.watermark(district)).position
        return last > 0 and await input_at(self._cases, district, last) >= position

    # ── In `calls` ────────────────────────────────────────────────────────────────────────────────

    async def _outcome_in_calls(self, district: str, passed_on: Row) -> Sequence[Row]:
        """Wait for the decision about what routing passed on, and return its own outcome."""
        rows = await self._decision(self._calls, district, passed_on.position)
        if rows and isinstance(rows[0].event, CaseRetried):
            return rows[:1]
        if not rows or not isinstance(rows[0].event, BEHIND_PARKED):
            return rows
        deferrals = deferrals_of(await self._calls.deferrals(district, passed_on.subject))
        release = deferrals.release_of(passed_on.position)
        if release is None:
            return rows
        decided = await self._cases.rows(district, release.decided)
        actions = [row.position for row in decided if isinstance(row.event, CALL_ACTIONS)]
        later = await self._decision(self._calls, district, release.input)
        return call_parts(later, actions).get(passed_on.position, rows)

    # ── Decisions ─────────────────────────────────────────────────────────────────────────────────

    async def _decision(self, log: Source, district: str, input_position: int) -> Sequence[Row]:
        """Wait for the rows of the decision about one input."""
        while True:
            count = self._notifier.count(log.name, district)
            last = (await log.watermark(district)).position
            first = await self._first_row(log, district, input_position, last)
            rows = await log.read(district, first - 1, PAGE_ROWS) if first <= last else []
            decided = rows_about(input_position, rows)
            while len(rows) == PAGE_ROWS and rows[-1].input == input_position:
                rows = await log.read(district, rows[-1].position, PAGE_ROWS)
                decided += rows_about(input_position, rows)
            if decided or (rows and rows[0].input > input_position):
                return decided
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


def rows_about(input_position: int, rows: Sequence[Row]) -> list[Row]:
    """Return the rows that follow from one input, and not from a clock that ran out after it."""
    return [
        row for row in rows if row.input == input_position and not row.cause.startswith("clock/")
    ]


async def input_at(log: Source, district: str, position: int) -> int:
    """Return the input position of the row at a position."""
    return (await log.read(district, position - 1, 1))[0].input
