"""The formats of times: directives of strptime, or one of our own words.

A format is checked with the profile, because a wrong one would read every time of a city wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from difflib import get_close_matches

from events.instants import EPOCH, HOUR_US, MICROSECOND, SECOND_US

LOCAL_EPOCH = datetime(1970, 1, 1)
STRPTIME_EPOCH = datetime(1900, 1, 1)  # The date of strptime if a format has none.
CACHED_TEXTS = 100_000

EPOCH_DIGITS = {"epoch": 6, "epoch_ms": 3}  # Digits after the point, down to a microsecond.
WORDS = ("iso", *EPOCH_DIGITS)

LocalTime = int  # Microseconds of a wall clock since its 1970-01-01T00:00:00.
# A local time, and its offset from UTC in µs; None if the text has no offset.
Reading = tuple[LocalTime, int | None]
Reader = Callable[[str], Reading]


# ── Checks ───────────────────────────────────────────────────────────────────────────────────────

WHOLE_DATES = ({"%c"}, {"%x"})  # The directives that are a date by themselves.
YEARS = {"%Y", "%y"}
WEEKDAYS = {"%a", "%A", "%u", "%w"}
LITERAL_ZONE = re.compile(
    r"(?<![^\W\d_])(?:Z|UTC|GMT)(?![^\W\d_])|[+-]\d\d(?::?\d\d)?(?![\d\0])", re.IGNORECASE
)


def check_format(form: str) -> str:
    """Return a format that reads a date. Raises ValueError with what to write instead."""
    if form in WORDS:
        return form
    check_directives(form)
    parts = split_format(form)
    directives = {part for part in parts if part.startswith("%")} - {"%%"}
    if not directives:
        nearest = get_close_matches(form.lower(), WORDS, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"{form!r} is no format: did you mean {nearest!r}? Others have directives, as in "
            "'%Y-%m-%d %H:%M'"
        )
    if not has_date(directives):
        raise ValueError(
            f"{form!r} has no year, month and day; add them, in format 2 perhaps by a column"
        )
    if "%Z" in directives:
        raise ValueError(
            f"{form!r} has %Z, which reads a name but no offset: write %z, which reads UTC, GMT, "
            "Z, +HH, +HHMM and +HH:MM"
        )
    literal = "".join("\0" if part.startswith("%") else part for part in parts)
    if zone := LITERAL_ZONE.search(literal):
        raise ValueError(
            f"{form!r} has the literal zone {zone[0]!r}, which says nothing: write %z in its "
            "place, which reads Z, UTC, GMT, +HH, +HHMM and +HH:MM"
        )
    return form


def check_directives(form: str) -> None:
    """Raise ValueError for a format that strptime does not accept."""
    try:
        datetime.strptime("", form)
    except ValueError as error:
        if "does not match" not in str(error):
            raise ValueError(f"{form!r} is not a format of strptime: {error}") from None
    except re.error:
        raise ValueError(
            f"{form!r} is not a format of strptime: a directive is in it twice"
        ) from None


def split_format(form: str) -> list[str]:
    """Return the directives and the literal texts of a format, in their order."""
    return re.findall(r"%.|[^%]+", form, re.DOTALL)


def has_date(directives: set[str]) -> bool:
    """Return True if directives fix a date."""
    by_month = bool(directives & {"%m", "%b", "%B"}) and "%d" in directives
    by_week = bool(directives & {"%U", "%W"}) and bool(directives & WEEKDAYS)
    by_iso_week = directives >= {"%G", "%V"} and bool(directives & WEEKDAYS)
    of_year = by_month or by_week or "%j" in directives
    return (
        any(directives >= whole for whole in WHOLE_DATES)
        or (bool(directives & YEARS) and of_year)
        or by_iso_week
    )


# ── Readers ──────────────────────────────────────────────────────────────────────────────────────


class ParsedTexts(dict[str, LocalTime]):
    """A cache of texts that strptime has parsed in one format, as µs since `origin`."""

    def __init__(self, form: str, origin: datetime) -> None:
        super().__init__()
        self._form = form
        self._origin = origin

    def __missing__(self, text: str) -> LocalTime:
        if len(self) >= CACHED_TEXTS:
            self.clear()
        self[text] = parsed = self.parse(text)
        return parsed

    def parse(self, text: str) -> LocalTime:
        """Return a text as strptime reads it."""
        return (datetime.strptime(text, self._form) - self._origin) // MICROSECOND


class ParsedTimes(ParsedTexts):
    """A cache of times of day with seconds. strptime parses each minute once, in `minute_form`."""

    def __init__(self, form: str, minute_form: str) -> None:
        super().__init__(form, STRPTIME_EPOCH)
        self._minutes = ParsedTexts(minute_form, STRPTIME_EPOCH)

    def parse(self, text: str) -> LocalTime:
        time = TIME_WITH_SECONDS.fullmatch(text)
        if time is None:
            return super().parse(text)
        minute, seconds, half = time.groups()
        return self._minutes[minute + half] + int(seconds) * SECOND_US


class DateAndTime:
    """Reads a format whose date and time of day are separated by a blank.

    Each half is parsed once and cached, because strptime is slow.
    """

    def __init__(self, form: str, date: str, time_of_day: str) -> None:
        self._form = form
        self._dates = ParsedTexts(date, LOCAL_EPOCH)
        self._times = parsed_times(time_of_day)

    def __call__(self, text: str) -> Reading:
        date, blank, time_of_day = text.partition(" ")
        if blank and not time_of_day.startswith(" "):
            return self._dates[date] + self._times[time_of_day], None
        return split_offset(datetime.strptime(text, self._form))


def parsed_times(form: str) -> ParsedTexts:
    """Return the cache of a format of times of day."""
    if form_with_seconds := FORM_WITH_SECONDS.fullmatch(form):
        return ParsedTimes(form, "".join(form_with_seconds.groups()))
    return ParsedTexts(form, STRPTIME_EPOCH)


class WithOffset:
    """Reads a format with %z, which here also reads +HH, UTC and GMT."""

    def __init__(self, form: str) -> None:
        self._form = form
        parts = split_format(form)
        at = parts.index("%z")
        before, after = "".join(parts[:at]), "".join(parts[at + 1 :])
        self._read_before = make_reader(before)
        self._at_end = not after
        self._marked = f"{before}\0{after}"  # No text has NUL.

    def __call__(self, text: str) -> Reading:
        if self._at_end and (offset := OFFSET_AT_END.search(text)):  # strptime reads no such end.
            return self._read_before(text[: offset.start()])[0], offset_us(offset)
        try:
            return split_offset(datetime.strptime(text, self._form))
        except ValueError:
            for offset in SHORT_OFFSET.finditer(text):
                marked = f"{text[: offset.start()]}\0{text[offset.end() :]}"
                try:
                    return read_local(datetime.strptime(marked, self._marked)), offset_us(offset)
                except ValueError:
                    continue
            raise


SHORT_OFFSET = re.compile(r"(?P<hours>[+-][0-9]{2})(?![0-9:])|UTC|GMT")
OFFSET_AT_END = re.compile(rf"(?:{SHORT_OFFSET.pattern})\Z")
HOURS_MAX = 23  # As in strptime: an offset is less than a day.
EPOCH_TEXT = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?")
HALVES = re.compile(r"((?:%[dmYyBb]|[-/.])+) ((?:%[HIMSfp]|[ :.])+)")
FORM_WITH_SECONDS = re.compile(r"(%[HI]:%M):%S(| ?%p)")
TIME_WITH_SECONDS = re.compile(r"([0-9]{1,2}:[0-9]{2}):([0-5][0-9])(|\D.*)")
READERS: dict[str, Reader] = {}


def reader_of(form: str) -> Reader:
    """Return the reader of a format, which raises ValueError for a text that does not fit."""
    reader = READERS.get(form)
    if reader is None:
        reader = READERS[form] = make_reader(form)
    return reader


def make_reader(form: str) -> Reader:
    """Return a new reader of a format."""
    if form == "iso":
        return lambda text: split_offset(datetime.fromisoformat(text))
    if digits := EPOCH_DIGITS.get(form):
        return lambda text: (read_epoch(text, digits), 0)
    if "%z" in split_format(form):
        return WithOffset(form)
    if halves := HALVES.fullmatch(form):
        return DateAndTime(form, halves[1], halves[2])
    return lambda text: split_offset(datetime.strptime(text, form))


def read_epoch(text: str, digits: int) -> LocalTime:
    """Return the µs since 1970-01-01T00:00:00Z. Finer digits than a microsecond are cut off.

    `digits` is the number of digits after the point that a microsecond needs.
    """
    number = EPOCH_TEXT.fullmatch(text)
    if number is None:
        raise ValueError(text)
    sign, whole, fraction = number.groups(default="")
    micros = int(whole + fraction[:digits].ljust(digits, "0"))
    return -micros if sign == "-" else micros


def read_local(moment: datetime) -> LocalTime:
    """Return the wall clock of a datetime without an offset."""
    return (moment - LOCAL_EPOCH) // MICROSECOND


def split_offset(moment: datetime) -> Reading:
    """Return the wall clock of a datetime, and its offset or None."""
    offset = moment.utcoffset()
    if offset is None:
        return read_local(moment), None
    offset_micros = offset // MICROSECOND
    return (moment - EPOCH) // MICROSECOND + offset_micros, offset_micros


def offset_us(offset: re.Match[str]) -> int:
    """Return an offset of whole hours in µs; 0 for UTC and GMT."""
    hours = int(offset["hours"] or 0)
    if abs(hours) > HOURS_MAX:
        raise ValueError(f"{offset[0]} is no offset")
    return hours * HOUR_US
