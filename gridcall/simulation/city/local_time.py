"""Times as cities write them → instants, with the rules that handle dirty ones."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from events.errors import Invalid
from events.instants import DAY_US, MICROSECOND, Instant, instant, within
from gridcall.simulation.city.profile import TimeColumn

LOCAL_EPOCH = datetime(1970, 1, 1)

MIDNIGHT_OF_1900 = datetime(1900, 1, 1)  # What strptime takes where no date is read.

LocalTime = int  # Microseconds of a wall clock since its 1970-01-01T00:00:00.


class LocalClock:
    """Reads local times of a zone. A gap moves forward, an overlap takes the first (PEP 495, fold=0); both leave a rule."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self._steady: dict[int, int | None] = {}

    def read(self, column: TimeColumn, text: str) -> tuple[Instant, tuple[str, ...]]:
        """The instant of a cell, and the rules that were needed. Raises Invalid for what no format reads."""
        for form in column.formats:
            try:
                local = local_time(text, form)
                if column.day is None:
                    return (
                        self.instant(local) if isinstance(local, datetime) else self._settled(local)
                    )
                wall = self._wall(local) if isinstance(local, datetime) else local
                return self._settled(wall - wall % DAY_US + DAY_US - 1)
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

    def _settled(self, local: LocalTime) -> tuple[Instant, tuple[str, ...]]:
        day = local // DAY_US
        if day not in self._steady:
            self._steady[day] = self._steady_offset(day)
        offset = self._steady[day]
        if offset is not None:
            return within(local - offset), ()
        before, after = self._offsets(local)
        rules = () if before == after else ("gap_time",) if before < after else ("overlap_time",)
        return within(local - before), rules

    def _steady_offset(self, day: int) -> int | None:
        """The zone's offset in µs all through a day; None for a day on which it changes."""
        offsets = {*self._offsets(day * DAY_US), *self._offsets((day + 1) * DAY_US - 1)}
        return offsets.pop() if len(offsets) == 1 else None

    def _offsets(self, local: LocalTime) -> tuple[int, int]:
        """The zone's offset at a local time in µs, as read for the first and for the second time (PEP 495)."""
        moment = LOCAL_EPOCH + timedelta(microseconds=local)
        first, second = (
            self.zone.utcoffset(moment.replace(fold=fold)) or timedelta() for fold in (0, 1)
        )
        return first // MICROSECOND, second // MICROSECOND


def local_time(text: str, form: str) -> LocalTime | datetime:
    """What a format reads, with its offset if it names one; `iso` is what datetime.fromisoformat reads.

    Raises ValueError where it does not fit. Where a date and a time of day stand apart, each is read once and kept: the same
    ones come again and again, and strptime is slow.
    """
    split = HALVES.get(form) or halves(form)
    date, blank, time_of_day = text.partition(" ")
    if split is not NO_HALVES and blank and not time_of_day.startswith(" "):
        dates, times = split
        return dates[date] + times[time_of_day]
    moment = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)
    return moment if moment.tzinfo else (moment - LOCAL_EPOCH) // MICROSECOND


class Readings(dict[str, LocalTime]):
    """What strptime reads of a text in one format, counted from `origin`; each text is read once."""

    def __init__(self, form: str, origin: datetime) -> None:
        super().__init__()
        self._form = form
        self._origin = origin

    def __missing__(self, text: str) -> LocalTime:
        if len(self) >= 100_000:
            self.clear()
        self[text] = reading = (datetime.strptime(text, self._form) - self._origin) // MICROSECOND
        return reading


NO_HALVES = (Readings("", LOCAL_EPOCH), Readings("", LOCAL_EPOCH))
HALVES: dict[str, tuple[Readings, Readings]] = {}


def halves(form: str) -> tuple[Readings, Readings]:
    """The readings of a format's date and of its time of day; NO_HALVES where they do not stand apart."""
    split = re.fullmatch(r"((?:%[dmYyBb]|[-/.])+) ((?:%[HIMSfp]|[ :.])+)", form)
    HALVES[form] = (
        (Readings(split[1], LOCAL_EPOCH), Readings(split[2], MIDNIGHT_OF_1900))
        if split
        else NO_HALVES
    )
    return HALVES[form]
