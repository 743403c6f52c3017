"""Local times of a city become instants. Flags name the dirty ones."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from events.errors import Invalid
from events.instants import DAY_US, MICROSECOND, Instant, check_range, instant
from gridcall.simulation.city.profile import TimeColumn

LOCAL_EPOCH = datetime(1970, 1, 1)

STRPTIME_EPOCH = datetime(1900, 1, 1)  # The date of strptime if a format has none.

LocalTime = int  # Microseconds of a wall clock since its 1970-01-01T00:00:00.
CACHED_TEXTS = 100_000


class LocalClock:
    """Reads local times of a zone.

    A time in a gap moves forward. Of an overlap the first is taken (PEP 495, fold=0). Each leaves a
    data flag.
    """

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self._day_offsets: dict[int, int | None] = {}

    def read(self, column: TimeColumn, text: str) -> tuple[Instant, tuple[str, ...]]:
        """Return the instant of a cell and its data flags. Raises Invalid if no format fits."""
        for form in column.formats:
            try:
                local = local_time(text, form)
                if column.day is None:
                    return self._read_time(local)
                wall = self._wall(local) if isinstance(local, datetime) else local
                return self._to_instant(wall - wall % DAY_US + DAY_US - 1)
            except ValueError:
                continue
            except OverflowError:
                break
        raise Invalid(column.column, text, f"not a time in {' or '.join(column.formats)}")

    def _read_time(self, local: LocalTime | datetime) -> tuple[Instant, tuple[str, ...]]:
        return self.instant(local) if isinstance(local, datetime) else self._to_instant(local)

    def instant(self, moment: datetime) -> tuple[Instant, tuple[str, ...]]:
        """Return the instant of a datetime and its data flags. Without an offset it is local.

        Raises OverflowError beyond the years 1 to 9999.
        """
        if moment.tzinfo is None:
            return self._to_instant((moment - LOCAL_EPOCH) // MICROSECOND)
        return check_range(instant(moment)), ()

    def _wall(self, moment: datetime) -> LocalTime:
        return (moment.astimezone(self.zone).replace(tzinfo=None) - LOCAL_EPOCH) // MICROSECOND

    def _to_instant(self, local: LocalTime) -> tuple[Instant, tuple[str, ...]]:
        day = local // DAY_US
        if day not in self._day_offsets:
            self._day_offsets[day] = self._day_offset(day)
        offset = self._day_offsets[day]
        if offset is not None:
            return check_range(local - offset), ()
        before, after = self._offsets(local)
        flags = () if before == after else ("gap_time",) if before < after else ("overlap_time",)
        return check_range(local - before), flags

    def _day_offset(self, day: int) -> int | None:
        """Return the zone's offset in µs on a day, or None if it changes on that day."""
        offsets = {*self._offsets(day * DAY_US), *self._offsets((day + 1) * DAY_US - 1)}
        return offsets.pop() if len(offsets) == 1 else None

    def _offsets(self, local: LocalTime) -> tuple[int, int]:
        """Return the offsets in µs of the first and the second occurrence of a local time."""
        moment = LOCAL_EPOCH + timedelta(microseconds=local)
        first, second = (
            self.zone.utcoffset(moment.replace(fold=fold)) or timedelta() for fold in (0, 1)
        )
        return first // MICROSECOND, second // MICROSECOND


def local_time(text: str, form: str) -> LocalTime | datetime:
    """Return the local time that a format reads, or a datetime if the text has an offset.

    `iso` means datetime.fromisoformat. Raises ValueError if the format does not fit. If a blank
    separates date and time of day, each is parsed once and cached, because strptime is slow.
    """
    split = HALVES.get(form) or split_format(form)
    date, blank, time_of_day = text.partition(" ")
    if split is not NO_HALVES and blank and not time_of_day.startswith(" "):
        dates, times = split
        return dates[date] + times[time_of_day]
    moment = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)
    return moment if moment.tzinfo else (moment - LOCAL_EPOCH) // MICROSECOND


class ParsedTexts(dict[str, LocalTime]):
    """A cache of texts that strptime has parsed in one format, as µs since `origin`."""

    def __init__(self, form: str, origin: datetime) -> None:
        super().__init__()
        self._form = form
        self._origin = origin

    def __missing__(self, text: str) -> LocalTime:
        if len(self) >= CACHED_TEXTS:
            self.clear()
        self[text] = parsed = (datetime.strptime(text, self._form) - self._origin) // MICROSECOND
        return parsed


NO_HALVES = (ParsedTexts("", LOCAL_EPOCH), ParsedTexts("", LOCAL_EPOCH))
HALVES: dict[str, tuple[ParsedTexts, ParsedTexts]] = {}


def split_format(form: str) -> tuple[ParsedTexts, ParsedTexts]:
    """Return caches for a format's date and time of day; NO_HALVES if no blank separates them."""
    split = re.fullmatch(r"((?:%[dmYyBb]|[-/.])+) ((?:%[HIMSfp]|[ :.])+)", form)
    HALVES[form] = (
        (ParsedTexts(split[1], LOCAL_EPOCH), ParsedTexts(split[2], STRPTIME_EPOCH))
        if split
        else NO_HALVES
    )
    return HALVES[form]
