"""Figures: sums of facts per gridworker and month, at an instant T; only what is before T counts.

`counts_of` declares once what counts where; the sums and their receipts both come from it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, datetime
from itertools import accumulate
from zoneinfo import ZoneInfo

from assessment.core.facts import Fact, Key, Stamp
from events.instants import BEGINNING, DAY_US, EPOCH, MICROSECOND, Instant, instant

FLOWS = ("reported", "ended", "due", "in_time", "missed", "calls_raised", "calls_answered")
STOCKS = {
    "opened": ("open", 1),
    "closed": ("open", -1),
    "fell_overdue": ("overdue", 1),
    "overdue_ended": ("overdue", -1),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """The figures of one worker in one month (YYYY-MM, local).

    Stocks are those at its end, or at T if that is earlier.
    """

    period: str
    worker: str
    grid: str
    street: str
    reported: int
    ended: int
    due: int
    in_time: int
    missed: int
    open_at_end: int
    overdue_at_end: int
    calls_raised: int
    calls_answered: int


def counts_of(fact: Fact) -> Iterator[tuple[str, Stamp]]:
    """Yield each flow and stock to which a fact adds one, and the stamp that chooses its month.

    A case that was handed over leaves the stock without an ending. A deadline that was still to
    come then is the successor's.
    """
    reported, due, missed, ended = fact.reported, fact.due, fact.missed, fact.ended
    handed_over = fact.handed_over
    begun, left = fact.taken_over or reported, handed_over or ended
    if reported:
        yield "reported", reported
    if ended:
        yield "ended", ended
    if begun:
        yield "opened", begun
    if left:
        yield "closed", left
    if due and not (handed_over and handed_over.at <= due.at):
        yield "due", due
        yield ("missed", missed) if missed else ("in_time", due)
    if missed and begun:
        yield "fell_overdue", max(missed, begun)
        if left:
            yield "overdue_ended", left
    for stamp in fact.raised:
        yield "calls_raised", stamp
    for stamp in fact.answered:
        yield "calls_answered", stamp


class Months:
    """The local months of a zone."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._names: list[str] = []
        self._starts: list[Instant] = []
        self._end: Instant = BEGINNING

    def name(self, at: Instant) -> str:
        """Return the month (YYYY-MM) of an instant."""
        i = bisect_right(self._starts, at) - 1
        if i < 0 or at >= self._end:
            self._extend(self._year(at))
            i = max(bisect_right(self._starts, at) - 1, 0)
        return self._names[i]

    def _year(self, at: Instant) -> int:
        moment = EPOCH + at * MICROSECOND
        try:
            return moment.astimezone(self._zone).year
        except OverflowError:  # In the zone it is a year before 1 or after 9999.
            return moment.year

    def _extend(self, year: int) -> None:
        first = min(year, int(self._names[0][:4])) if self._names else year
        last = max(year, int(self._names[-1][:4])) if self._names else year
        months = [(y, m) for y in range(first, last + 1) for m in range(1, 13)]
        self._names = [f"{y:04}-{m:02}" for y, m in months]
        self._starts = [instant(datetime(y, m, 1, tzinfo=self._zone)) for y, m in months]
        self._end = self._starts[-1] + 31 * DAY_US
        if last < MAXYEAR:  # Where the clock skips a date, December has 30 days.
            self._end = instant(datetime(last + 1, 1, 1, tzinfo=self._zone))


class Sums:
    """The sums of facts by worker and month, from which the sheets are made."""

    def __init__(self, zone: str, until: Instant) -> None:
        self._months = Months(zone)
        self._until = until
        self._of_workers: defaultdict[str, defaultdict[str, Counter[str]]] = defaultdict(
            lambda: defaultdict(Counter)
        )
        self._places: dict[str, tuple[str, str]] = {}

    def add(self, worker: str, fact: Fact) -> None:
        """Add a fact about a worker to the months in which it counts."""
        place, places = (fact.grid, fact.street), self._places
        places[worker] = min(place, places.get(worker, place))
        by_month, month_of, until = self._of_workers[worker], self._months.name, self._until
        for name, stamp in counts_of(fact):
            if stamp.at < until:
                by_month[month_of(stamp.at)][name] += 1

    def sheets(self) -> list[Sheet]:
        """Return a sheet for each worker and month with a flow, by month, then worker."""
        unordered = (
            sheet
            for worker, by_month in self._of_workers.items()
            for sheet in sheets_of(worker, self._places[worker], by_month)
        )
        return sorted(unordered, key=lambda sheet: (sheet.period, sheet.worker))


def sheets(facts: Iterable[tuple[Key, Fact]], zone: str, until: Instant) -> list[Sheet]:
    """Return the sheets of these facts."""
    sums = Sums(zone, until)
    for key, fact in facts:
        sums.add(key.worker, fact)
    return sums.sheets()


def sheets_of(
    worker: str, place: tuple[str, str], by_month: dict[str, Counter[str]]
) -> Iterator[Sheet]:
    """Yield the sheets of a worker; stocks are running sums over all months up to each."""
    periods = sorted(by_month)
    changes = [
        (stock(by_month[period], "open"), stock(by_month[period], "overdue")) for period in periods
    ]
    stocks = accumulate(changes, lambda total, change: (total[0] + change[0], total[1] + change[1]))
    for period, (open_at_end, overdue_at_end) in zip(periods, stocks, strict=True):
        month = by_month[period]
        if any(month[flow] for flow in FLOWS):
            yield Sheet(
                period, worker, *place,
                month["reported"], month["ended"], month["due"], month["in_time"], month["missed"],
                open_at_end, overdue_at_end, month["calls_raised"], month["calls_answered"],
            )  # fmt: skip


def stock(month: Counter[str], name: str) -> int:
    """Return the change of a stock in a month."""
    return sum(sign * month[change] for change, (of, sign) in STOCKS.items() if of == name)


def receipts(
    facts: Iterable[tuple[Key, Fact]], zone: str, until: Instant, worker: str, period: str
) -> dict[str, list[str]]:
    """Return for each figure of a sheet the ids (log/position) of its events, in order."""
    months = Months(zone)
    listed: dict[str, list[Stamp]] = {flow: [] for flow in FLOWS}
    for key, fact in facts:
        if key.worker == worker:
            for name, stamp in counts_of(fact):
                if name in listed and stamp.at < until and months.name(stamp.at) == period:
                    listed[name].append(stamp)
    return {
        flow: [f"{stamp.log}/{stamp.position}" for stamp in sorted(stamps)]
        for flow, stamps in listed.items()
    }
