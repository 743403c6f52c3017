"""Instants: microseconds since 1970, and how they are read and written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, NamedTuple


class Epoch(NamedTuple):
    """The unit and the origin of an instant, which tell its type from a plain number."""

    unit: str
    origin: str


Instant = Annotated[int, Epoch("us", "1970-01-01T00:00:00Z")]
BEGINNING: Instant = -62_135_596_800_000_000  # 0001-01-01T00:00:00Z: before it, no log has a time.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND_US = 1_000_000
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
LATEST: Instant = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND

RFC_3339 = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
TIME = (
    "must be a time of RFC 3339 with Z or an offset, to the microsecond, "
    "for example 2026-03-01T08:00:00+08:00"
)
fits_rfc_3339 = re.compile(RFC_3339).fullmatch


def instant(moment: datetime) -> Instant:
    """Return the instant of an aware datetime."""
    return (moment - EPOCH) // MICROSECOND


@lru_cache(maxsize=4096)
def date(days: int) -> str:
    """Return the date so many days after 1970-01-01, with its T."""
    return (EPOCH + timedelta(days=days)).isoformat()[:11]


SECONDS = tuple(f"{second:02}" for second in range(60))
MINUTES = tuple(f"{minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60))


@lru_cache(maxsize=4096)  # What one input caused has one time, in three logs.
def rfc3339(time: Instant) -> str:
    """Return an instant as `2015-01-01T05:20:09Z`, with `.ffffff` only if it is not zero."""
    seconds, micros = divmod(time, SECOND_US)
    days, seconds = divmod(seconds, 86_400)
    fraction = f".{micros:06}" if micros else ""
    return f"{date(days)}{MINUTES[seconds // 60]}{SECONDS[seconds % 60]}{fraction}Z"


def check_range(at: Instant) -> Instant:
    """Return an instant that four digits of a year can write. Raises OverflowError for others."""
    if BEGINNING <= at <= LATEST:
        return at
    raise OverflowError(at)


@lru_cache(maxsize=4096)  # Deadlines that are counted in days all end at the same hour.
def instant_of(text: str) -> Instant:
    """Return the instant of a time of RFC 3339.

    Raises ValueError for other texts, and for times that the calendar or the years 1 to 9999 lack.
    """
    try:
        if fits_rfc_3339(text):
            return check_range(instant(datetime.fromisoformat(text.upper())))
    except (ValueError, OverflowError):
        pass
    raise ValueError(TIME)
