"""Times and durations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tools.reference_model.rows import Fault, Row, Spec


@dataclass(frozen=True)
class Moment:
    utc: datetime
    rules: frozenset[str] = frozenset()


def read_moment(spec: Spec | None, row: Row, zone: ZoneInfo) -> Moment | None:
    """Return the moment of a cell, or None if there is no such column or the cell is blank."""
    if spec is None or not row.known[spec["column"]]:
        return None
    try:
        written = parse_time(row.known[spec["column"]], spec["formats"])
        return in_zone(end_of_day(written, zone) if spec.get("day") == "end" else written, zone)
    except (ValueError, OverflowError):  # UTC has no date for some times of the years 1 and 9999.
        raise Fault(spec["column"], row.cells[spec["column"]]) from None


def parse_time(text: str, formats: Iterable[str]) -> datetime:
    for form in formats:
        try:
            return datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)
        except ValueError:
            continue
    raise ValueError(text)


def end_of_day(written: datetime, zone: ZoneInfo) -> datetime:
    local = written.astimezone(zone) if written.tzinfo else written
    return datetime.combine(local.date(), time.max)


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
