"""The months of a district (guarantee 4), recomputed from `cases` and the order of both logs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from heapq import merge
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tools.checker.order import Timeline
from tools.checker.report import Report
from tools.checker.rows import Head, Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ADOPTIONS = ("policies-adopted", "reference-adopted")  # Of the latter, only those of a decider.


class MergedTimeline(Timeline):
    """The rows of two logs in the order in which assessment applies them, numbered from 1."""

    def __init__(self, timelines: Mapping[str, Timeline]) -> None:
        super().__init__()
        self._logs = tuple(timelines)
        self._times = [list(timeline.times.values()) for timeline in timelines.values()]
        beginnings = [timeline.beginnings() for timeline in timelines.values()]
        places = (
            [(time, number, position) for position, time in enumerate(times, 1)]
            for number, times in enumerate(self._times)
        )
        for time, number, position in merge(*places):
            self.add(self.last + 1, time, begins=position in beginnings[number])

    def number_of(self, log: str, position: int) -> int | None:
        """Return the number of a row of one of the logs."""
        if log not in self._logs:
            return None
        mine = self._logs.index(log)
        if not 0 < position <= len(self._times[mine]):
            return None
        time, others = self._times[mine][position - 1], self._times[1 - mine]
        # At one instant all rows of the first log come before those of the second.
        return position + (bisect_right if mine else bisect_left)(others, time)

    def position_of(self, row: Row) -> int | None:
        log, _, rest = row.cause.partition("/")
        shard, _, number = rest.rpartition("/")
        if shard != row.shard or not number.isdecimal():
            return None
        return self.number_of(log, int(number))

    def count_before(self, time: int) -> int:
        """Return how many rows are before an instant."""
        return sum(bisect_left(times, time) for times in self._times)


class Expected(NamedTuple):
    """A row that must be in the log of assessment."""

    kind: str
    time: int
    input: int
    step: int
    cause: str
    data: Any


class Month(NamedTuple):
    """The month that is counted: its fields, the row after which it was, and its number."""

    fields: dict[str, Any]
    since: int
    run: int

    @property
    def ends(self) -> int:
        return int(self.fields["ends"])


class Months:
    """The rows that must be in the log of assessment, given the adoptions of `cases`."""

    def __init__(self, adoptions: list[Row], merged: MergedTimeline) -> None:
        self.rows: list[Expected] = []
        self._adoptions = adoptions
        self._merged = merged
        self._month: Month | None = None
        self._time = 0

    def recompute(self, head: Head) -> list[Expected]:
        """Return the rows of a log that ends at a head."""
        for row in self._adoptions:
            number = self._merged.number_of("cases", row.position)
            if number is not None and number <= head.input:
                self._fire(number, None)
                self._add_adoption(row, number)
        self._fire(head.input, head)
        return self.rows

    def _add_adoption(self, row: Row, number: int) -> None:
        if row.kind == "reference-adopted" and row.text("kind") != "decider":
            return
        self._time = row.time
        self.rows.append(Expected(row.kind, row.time, number, 1, row.name, row.data))
        if row.kind == "policies-adopted":
            zone, month = row.text("zone"), self._month
            if month is None:
                period = period_of(zone, row.time)
                self._schedule(period, zone, start_of(zone, period), number, row.name)
            elif month.fields["zone"] != zone:
                period, starts = month.fields["period"], month.fields["starts"]
                self._schedule(period, zone, starts, number, row.name)

    def _fire(self, number: int, head: Head | None) -> None:
        """Finish each month that is over before a row; with a head, also by its time."""
        while month := self._month:
            beyond = self._merged.first_beyond(month.since, month.ends)
            if beyond is not None and beyond <= number:
                self._finish(month, beyond - 1)
            elif head and month.ends < head.time:
                self._finish(month, number)
            else:
                return

    def _finish(self, month: Month, input_: int) -> None:
        self._time = max(month.ends, self._time)
        cause = f"clock/months/month/{month.run}"
        fields = month.fields
        self.rows.append(Expected("month-finished", self._time, input_, 1, cause, fields))
        self._schedule(month_after(fields["period"]), fields["zone"], fields["ends"], input_, cause)

    def _schedule(self, period: str, zone: str, starts: int, number: int, cause: str) -> None:
        ends = start_of(zone, month_after(period))
        fields = {"period": period, "zone": zone, "starts": starts, "ends": ends}
        self._month = Month(fields, number, self._month.run + 1 if self._month else 1)
        self.rows.append(Expected("month-scheduled", self._time, number, 2, cause, fields))


def compare_months(shard: str, rows: list[Row], expected: list[Expected], report: Report) -> None:
    """Report the first row that is not what it must be."""
    for number in range(max(len(rows), len(expected))):
        row = rows[number] if number < len(rows) else None
        due = expected[number] if number < len(expected) else None
        have = row and Expected(row.kind, row.time, row.input, row.step, row.cause, row.data)
        if have != due:
            name = f"evaluations/{shard}/{number + 1}"
            report.say("month", f"{name} is {have or 'nothing'}, and must be {due or 'nothing'}")
            return


def period_of(zone: str, time: int) -> str:
    """Return the month (YYYY-MM) of an instant, in a zone."""
    period = (EPOCH + timedelta(microseconds=time)).astimezone(ZoneInfo(zone)).strftime("%Y-%m")
    while start_of(zone, month_after(period)) <= time:  # The clock went back over midnight.
        period = month_after(period)
    return period


def month_after(period: str) -> str:
    """Return the next month."""
    year, month = int(period[:-3]), int(period[-2:])
    return f"{year + 1:04}-01" if month == 12 else f"{year:04}-{month + 1:02}"


def start_of(zone: str, period: str) -> int:
    """Return the first instant of a month in a zone."""
    first = datetime(int(period[:-3]), int(period[-2:]), 1, tzinfo=ZoneInfo(zone))
    return (first - EPOCH) // timedelta(microseconds=1)
