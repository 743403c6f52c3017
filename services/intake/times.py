"""Times as cities write them → instants, with the rules that handle dirty ones."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from events.catalogue import Instant
from events.envelope import instant
from events.errors import Invalid
from intake.profile import TimeColumn

LOCAL_EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
QUARTER_US = 15 * 60 * 1_000_000
DAY_US = 24 * 60 * 60 * 1_000_000
EARLIEST = (datetime.min - LOCAL_EPOCH) // MICROSECOND + DAY_US
LATEST = (datetime.max - LOCAL_EPOCH) // MICROSECOND - DAY_US  # So that it can be written in any zone.

FIRST_OF_1900 = (datetime(1900, 1, 1) - LOCAL_EPOCH) // MICROSECOND  # What strptime takes where no date is read.

LocalTime = int  # Microseconds of a wall clock since its 1970-01-01T00:00:00.


class Clockface:
    """Reads local times of a zone. A gap moves forward, an overlap takes the first (PEP 495, fold=0); both leave a rule."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self._steady = lru_cache(maxsize=65536)(self._steady_offset)

    def read(self, column: TimeColumn, text: str) -> tuple[Instant, tuple[str, ...]]:
        """The instant of a cell, and the rules that were needed. Raises Invalid for what no format reads."""
        for form in column.formats:
            try:
                local = local_time(text, form)
                if isinstance(local, datetime):
                    return self.instant(local) if column.day is None else self._end_of_day(self._wall(local))
                return self._settled(local) if column.day is None else self._end_of_day(local)
            except ValueError:
                continue
            except OverflowError:
                break
        raise Invalid(column.column, text, f"not a time in {' or '.join(column.formats)}")

    def instant(self, moment: datetime) -> tuple[Instant, tuple[str, ...]]:
        """The instant of a datetime, local where it has no offset of its own. Raises OverflowError beyond 0001 to 9999."""
        if moment.tzinfo is None:
            return self._settled((moment - LOCAL_EPOCH) // MICROSECOND)
        return within(instant(moment)), ()

    def _wall(self, moment: datetime) -> LocalTime:
        return (moment.astimezone(self.zone).replace(tzinfo=None) - LOCAL_EPOCH) // MICROSECOND

    def _end_of_day(self, local: LocalTime) -> tuple[Instant, tuple[str, ...]]:
        """The last microsecond of the local date."""
        return self._settled(local - local % DAY_US + DAY_US - 1)

    def _settled(self, local: LocalTime) -> tuple[Instant, tuple[str, ...]]:
        offset = self._steady(local // QUARTER_US)
        if offset is not None:
            return within(local - offset), ()
        before, after = self._offsets(local)
        rules = () if before == after else ("gap_time",) if before < after else ("overlap_time",)
        return within(local - before), rules

    def _steady_offset(self, quarter: int) -> int | None:
        """The zone's offset in µs in a quarter of an hour; None where a change of it may be near."""
        offsets = {*self._offsets(quarter * QUARTER_US), *self._offsets((quarter + 1) * QUARTER_US)}
        return offsets.pop() if len(offsets) == 1 else None

    def _offsets(self, local: LocalTime) -> tuple[int, int]:
        """The zone's offset at a local time in µs, as read for the first and for the second time (PEP 495)."""
        moment = LOCAL_EPOCH + timedelta(microseconds=local)
        first, second = (self.zone.utcoffset(moment.replace(fold=fold)) or timedelta() for fold in (0, 1))
        return first // MICROSECOND, second // MICROSECOND


def within(at: Instant) -> Instant:
    """An instant that can be written with four digits of a year. Raises OverflowError for others."""
    if EARLIEST <= at <= LATEST:
        return at
    raise OverflowError(at)


def local_time(text: str, form: str) -> LocalTime | datetime:
    """What a format reads, with its offset if it names one; `iso` is what datetime.fromisoformat reads.

    Raises ValueError where it does not fit. Where a date and a time of day stand apart, each is read once and kept: the same
    ones come again and again, and strptime is slow.
    """
    split = halves(form)
    date, blank, time_of_day = text.partition(" ")
    if split is not None and blank and not time_of_day.startswith(" "):
        return strptime(date, split[0]) - FIRST_OF_1900 + strptime(time_of_day, split[1])
    moment = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)
    return moment if moment.tzinfo else (moment - LOCAL_EPOCH) // MICROSECOND


@lru_cache(maxsize=200_000)
def strptime(text: str, form: str) -> LocalTime:
    """What datetime.strptime reads of a date, or of a time of day on its first day of 1900."""
    return (datetime.strptime(text, form) - LOCAL_EPOCH) // MICROSECOND


@lru_cache
def halves(form: str) -> tuple[str, str] | None:
    """A format of a date, a blank and a time of day as its two halves; None for any other."""
    split = re.fullmatch(r"((?:%[dmYyBb]|[-/.])+) ((?:%[HIMSfp]|[ :.])+)", form)
    return (split[1], split[2]) if split else None
