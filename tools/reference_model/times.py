"""Times and durations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_DOWN, Decimal
from zoneinfo import ZoneInfo

from tools.reference_model.rows import Fault, Row, Spec, known_text, raw_text, title

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {"epoch": Decimal(1_000_000), "epoch_ms": Decimal(1_000)}  # In microseconds.
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Moment:
    utc: datetime
    rules: frozenset[str] = frozenset()


def read_moment(spec: Spec | None, row: Row, zone: ZoneInfo) -> Moment | None:
    """Return the moment of a key's cells, or None if there is no such key or a cell is blank."""
    text = known_text(row, spec, " ") if spec else ""
    if spec is None or not text:
        return None
    try:
        written = parse_time(text, spec.get("formats", ["iso"]))
        if spec.get("day") == "end":
            return Moment(end_of_day(written, zone))
        return in_zone(written, zone)
    except (ValueError, OverflowError):  # UTC has no date for some times of the years 1 and 9999.
        raise Fault(title(spec), raw_text(row, spec, " ")) from None


def parse_time(text: str, formats: Iterable[str]) -> datetime:
    for form in formats:
        try:
            return parse_format(text, form)
        except ValueError:
            continue
    raise ValueError(text)


def parse_format(text: str, form: str) -> datetime:
    if form == "iso":
        return datetime.fromisoformat(text)
    if form in UNITS:
        return parse_epoch(text, UNITS[form])
    if "%z" not in form:
        return datetime.strptime(text, form)
    for variant in offset_variants(text):
        try:
            return datetime.strptime(variant, form)
        except ValueError:
            continue
    raise ValueError(text)


def parse_epoch(text: str, unit: Decimal) -> datetime:
    """Return the time of a number of units since 1970. Less than a microsecond is cut off."""
    if not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text):
        raise ValueError(text)
    micros = (Decimal(text) * unit).to_integral_value(ROUND_DOWN)
    return EPOCH + timedelta(microseconds=int(micros))


def offset_variants(text: str) -> Iterator[str]:
    """Yield a text, and the same with each short offset written out: +HH, UTC, GMT."""
    yield text
    for hours in re.finditer(r"[+-][0-9]{2}(?![0-9:])", text):
        yield text[: hours.end()] + "00" + text[hours.end() :]
    for name in re.finditer("UTC|GMT", text):
        yield text[: name.start()] + "+0000" + text[name.end() :]


def end_of_day(written: datetime, zone: ZoneInfo) -> datetime:
    """Return the last instant of the local date of a time."""
    date = (written.astimezone(zone) if written.tzinfo else written).date()
    last = datetime.combine(date, time.max)
    ways = sorted(last.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    on_the_clock = [way for way in ways if way.astimezone(zone).replace(tzinfo=None) == last]
    if on_the_clock:
        return on_the_clock[-1]
    # The clock jumps over the end of that date, so that the date ends with the jump.
    early, late = ways
    while late - early > MICROSECOND:
        middle = early + (late - early) // 2
        if middle.astimezone(zone).date() > date:
            late = middle
        else:
            early = middle
    return early


def in_zone(written: datetime, zone: ZoneInfo) -> Moment:
    """Return the moment of a written time. Without an offset it is local, with fold=0."""
    if written.tzinfo:
        return Moment(written.astimezone(UTC))
    first, second = (written.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    before, after = first.utcoffset(), second.utcoffset()
    assert before is not None
    assert after is not None
    # If the second offset is greater, the clock went forward, and those times never were.
    # If it is smaller, the clock went back, and they were twice.
    rules = {"gap_time"} if before < after else {"overlap_time"} if before > after else set()
    return Moment(first.astimezone(UTC), frozenset(rules))


def parse_duration(text: str) -> timedelta | None:
    """Return an ISO 8601 duration of fixed length, or None for `never`."""
    if text == "never":
        return None
    form = r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
    match = re.fullmatch(form, text)
    assert match, f"answer_within: {text} is no ISO 8601 duration"
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def format_time(instant: datetime | None) -> str:
    """Return the time as the contract writes it: without microseconds if they are zero."""
    return instant.replace(tzinfo=None).isoformat() + "Z" if instant else ""
