"""Times as cities write them → instants, with the rules that handle dirty ones."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from events.catalogue import Instant
from events.envelope import instant
from events.errors import Invalid
from intake.profile import TimeColumn

LAST_MOMENT = time(23, 59, 59, 999999)


class Clockface:
    """Reads local times of a zone. A gap moves forward, an overlap takes the first (PEP 495, fold=0); both leave a rule."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)

    def read(self, field: str, text: str, column: TimeColumn) -> tuple[Instant, tuple[str, ...]]:
        """The instant of a cell, and the rules that were needed. Raises Invalid for what no format reads."""
        moment = parsed(field, text, column.formats)
        try:
            if column.day == "end":
                there = moment.astimezone(self.zone) if moment.tzinfo else moment
                moment = datetime.combine(there.date(), LAST_MOMENT)
            return self.instant(moment)
        except OverflowError:
            raise Invalid(field, text, "a time beyond the years 1 to 9999") from None

    def instant(self, moment: datetime) -> tuple[Instant, tuple[str, ...]]:
        """The instant of a datetime, local where it has no offset of its own."""
        if moment.tzinfo is not None:
            return instant(moment), ()
        first = moment.replace(tzinfo=self.zone, fold=0)
        at = instant(first)
        before, after = first.utcoffset(), first.replace(fold=1).utcoffset()
        if before == after or before is None or after is None:
            return at, ()
        return at, ("gap_time",) if before < after else ("overlap_time",)


def parsed(field: str, text: str, formats: tuple[str, ...]) -> datetime:
    """The datetime that the first fitting format reads; `iso` is what datetime.fromisoformat reads."""
    for form in formats:
        try:
            return datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)
        except ValueError:
            continue
    raise Invalid(field, text, f"not a time in {' or '.join(formats)}")
