"""The table of evaluations: a row for each grid and month."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from tools.reference_model.cases import Case
from tools.reference_model.rows import Cell, Spec
from tools.reference_model.tables import table

FIGURES = {
    "1": "reported,ended,due,in_time,missed,on_time_bp,open_at_end,overdue_at_end,calls_raised,"
    "calls_answered",
    "2": "reported,ended,due,in_time,missed,on_time_bp,recurred,open_at_end,overdue_at_end,"
    "calls_raised,calls_answered",
}


def evaluations_table(profile: Spec, cases: Iterable[Case], until: datetime) -> str:
    zone, figures = ZoneInfo(profile["zone"]), FIGURES[profile["format"]]
    of_grid: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.record.place.grid:  # A case without a grid is on no sheet.
            of_grid[case.record.place.grid].append(case)
    rows = [
        row
        for grid, cases_of_grid in of_grid.items()
        for row in sheets(grid, cases_of_grid, zone, until, figures)
    ]
    rows.sort(key=lambda row: (row[0], row[1]))
    return table(f"period,worker,grid,street,{figures}", rows)


def sheets(
    grid: str, cases: list[Case], zone: ZoneInfo, until: datetime, names: str
) -> Iterator[list[Cell]]:
    """Return a row for each month in which a figure of this grid was counted."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        for instant, figure in figure_events(case, until):
            counts[instant.astimezone(zone).isoformat()[:7]][figure] += 1
    for period, count in counts.items():
        count.update(open_cases(cases, min(end_of_month(period, zone), until)))
        figures = [
            on_time_bp(count) if name == "on_time_bp" else count[name] for name in names.split(",")
        ]
        yield [period, "w:" + grid, grid, cases[0].record.place.street, *figures]


def figure_events(case: Case, until: datetime) -> Iterator[tuple[datetime, str]]:
    yield case.reported, "reported"
    if case.ended:
        yield case.ended, "ended"
    if case.due and case.due < until:
        yield case.due, "due"
        yield case.due, "missed" if case.verdict == "overdue" else "in_time"
    for call in case.calls:
        yield call.raised, "calls_raised"


def open_cases(cases: Iterable[Case], end: datetime) -> dict[str, int]:
    """Count the cases that are open before `end`. An event at `end` itself comes later."""
    still_open = [
        case for case in cases if case.reported < end and not (case.ended and case.ended < end)
    ]
    overdue = [case for case in still_open if case.due and case.due < end]
    return {"open_at_end": len(still_open), "overdue_at_end": len(overdue)}


def end_of_month(period: str, zone: ZoneInfo) -> datetime:
    year, month = map(int, period.split("-"))
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone).astimezone(UTC)


def on_time_bp(count: Counter[str]) -> Cell:
    """Return basis points. `round` of a fraction is exact, and half goes to even."""
    return round(Fraction(10_000 * count["in_time"], count["due"])) if count["due"] else ""
