"""Deadlines as pure functions: when is a limit that started then due, and why.

Units are hours and calendar days. In days, the day of receipt is not counted and the last one ends
at 24:00 local time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from events.catalogue import CaseFacts, DeadlineRule
from events.instants import EPOCH, HOUR_US, MICROSECOND, Instant, instant


def limit_for(matter: CaseFacts, limits: Sequence[DeadlineRule]) -> DeadlineRule | None:
    """The first policy row that fits a matter."""
    asked = (matter.line, matter.category, matter.urgency)
    for limit in limits:
        row = (limit.line, limit.category, limit.urgency)
        if all(want in ("*", have) for want, have in zip(row, asked, strict=True)):
            return limit
    return None


def due(limit: DeadlineRule, started: Instant, zone: str) -> Instant:
    """When a limit that started then runs out. A due time itself is still in time."""
    if limit.unit == "hours":
        return started + limit.amount * HOUR_US
    there = ZoneInfo(zone)
    day_of_receipt = (EPOCH + started * MICROSECOND).astimezone(there).date()
    midnight = datetime.combine(day_of_receipt + timedelta(days=limit.amount + 1), time.min, there)
    return instant(midnight)


def described(limit: DeadlineRule) -> str:
    """A policy row in one line, as a clock names its rule: `hotline/*/urgent: 24 hours`."""
    return f"{limit.line}/{limit.category}/{limit.urgency}: {limit.amount} {limit.unit}"
