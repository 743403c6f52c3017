"""The months of a zone, one after the other: each ends where the next one begins."""

from __future__ import annotations

from datetime import MAXYEAR, datetime
from zoneinfo import ZoneInfo

from assessment.core.figures import Months
from events.instants import LATEST, Instant, instant


def month_of(zone: str, at: Instant) -> str:
    """Return the month (YYYY-MM) of an instant in a zone."""
    return Months(zone).name(at)


def month_after(period: str) -> str:
    """Return the month that follows a month."""
    year, month = map(int, period.split("-"))
    return f"{year + month // 12:04}-{month % 12 + 1:02}"


def start_of(zone: str, period: str) -> Instant:
    """Return the first instant of a month in a zone.

    Where the clock skips that midnight, it is the instant of the skip. After the year 9999 it is
    LATEST, which time never passes.
    """
    year, month = map(int, period.split("-"))
    if year > MAXYEAR:
        return LATEST
    return instant(datetime(year, month, 1, tzinfo=ZoneInfo(zone)))
