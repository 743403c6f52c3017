"""Months are counted, and finished: the log of assessment. Sheets follow in a later chapter."""

from __future__ import annotations

from events.instants import Instant
from events.registry import Words, event


@event("evaluations", words=Words(en="A month is counted", zh="考评月份开始"))
class MonthScheduled:
    """A month is counted from here on, up to `ends`.

    It follows on a finished month. It also follows when policies bring a time zone: the first one,
    or another one, which changes the end of the month that is counted. `period` is YYYY-MM, `zone`
    an IANA time zone. `ends` is the first instant of the next month there.
    """

    period: str
    zone: str
    starts: Instant
    ends: Instant


@event("evaluations", words=Words(en="A month is over", zh="考评月份结束"))
class MonthFinished:
    """A month is over: `period` has all instants from `starts` on that are before `ends`.

    Months follow each other without a gap, also those in which nothing happened.
    """

    period: str
    zone: str
    starts: Instant
    ends: Instant


EvaluationEvent = MonthScheduled | MonthFinished
