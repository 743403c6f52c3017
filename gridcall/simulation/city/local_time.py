"""Local times of a city become instants. Flags name the dirty ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from events.errors import Invalid
from events.instants import DAY_US, EPOCH, MICROSECOND, Instant, check_range
from gridcall.simulation.city.profile import TimeColumn
from gridcall.simulation.city.time_formats import (
    LOCAL_EPOCH,
    LocalTime,
    Reading,
    read_local,
    reader_of,
    split_offset,
)


class LocalClock:
    """Reads local times of a zone.

    A time in a gap moves forward. Of an overlap the first is taken (PEP 495, fold=0). Each leaves a
    data flag.
    """

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self._day_offsets: dict[int, int | None] = {}
        self._day_ends: dict[int, Instant] = {}

    def read(self, column: TimeColumn, text: str) -> tuple[Instant, tuple[str, ...]]:
        """Return the instant of a cell and its data flags. Raises Invalid if no format fits."""
        for form in column.formats:
            try:
                reading = reader_of(form)(text)
                if column.day is None:
                    return self._to_instant(reading)
                return self._end_of_day(self._date(reading)), ()
            except ValueError:
                continue
            except OverflowError:
                break
        raise Invalid(column.title, text, f"not a time in {' or '.join(column.formats)}")

    def instant(self, moment: datetime) -> tuple[Instant, tuple[str, ...]]:
        """Return the instant of a datetime and its data flags. Without an offset it is local.

        Raises OverflowError beyond the years 1 to 9999.
        """
        return self._to_instant(split_offset(moment))

    def _to_instant(self, reading: Reading) -> tuple[Instant, tuple[str, ...]]:
        local, offset = reading
        if offset is not None:
            return check_range(local - offset), ()
        day = local // DAY_US
        if day not in self._day_offsets:
            self._day_offsets[day] = self._day_offset(day)
        offset = self._day_offsets[day]
        if offset is not None:
            return check_range(local - offset), ()
        before, after = self._offsets(local)
        flags = () if before == after else ("gap_time",) if before < after else ("overlap_time",)
        return check_range(local - before), flags

    def _date(self, reading: Reading) -> int:
        """Return a local date as a number of days. A time with an offset is turned into the zone.

        Raises OverflowError beyond the years 1 to 9999.
        """
        local, offset = reading
        if offset is not None:
            moment = EPOCH + timedelta(microseconds=check_range(local - offset))
            local = read_local(moment.astimezone(self.zone).replace(tzinfo=None))
        return local // DAY_US

    def _end_of_day(self, day: int) -> Instant:
        """Return the last instant of a local date.

        If the clock repeats the end of the date, it is the second one. If the clock leaves the end
        out, it is the last instant before.
        """
        if day not in self._day_ends:
            end = day * DAY_US + DAY_US - 1
            first, second = self._offsets(end)
            last = end - second if second <= first else self._jump(end - second, end - first) - 1
            self._day_ends[day] = check_range(last)
        return self._day_ends[day]

    def _jump(self, before: Instant, after: Instant) -> Instant:
        """Return the instant between two others at which the clock jumps."""
        offset = self._offset(before)
        while after - before > 1:
            middle = (before + after) // 2
            if self._offset(middle) == offset:
                before = middle
            else:
                after = middle
        return after

    def _offset(self, at: Instant) -> timedelta | None:
        return (EPOCH + timedelta(microseconds=at)).astimezone(self.zone).utcoffset()

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
