"""evaluations.csv: a row for each worker and month in which something was counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from assessment.core.figures import Sheet, Sums
from gridcall.simulation.reports.files import columns_of_formats
from gridcall.simulation.reports.records import CaseRecord

SHEET_COLUMNS = columns_of_formats(
    "period", "worker", "grid", "street", "reported", "ended", "due", "in_time", "missed",
    "on_time_bp", "+recurred", "open_at_end", "overdue_at_end", "calls_raised", "calls_answered",
)  # fmt: skip


def add_facts(sums: Sums, records: Iterable[CaseRecord]) -> Iterator[CaseRecord]:
    """Add the facts of records to sums, and yield the records on."""
    for record in records:
        for (_, worker), fact in record.facts.items():
            sums.add(worker, fact)
        yield record


def sheet_rows(sheets: Iterable[Sheet], file_format: int) -> Iterator[Sequence[str]]:
    """Return a row for each sheet; on_time_bp is 10000·in_time/due, rounded half to even."""
    for sheet in sheets:
        on_time_bp = round_half_even(10_000 * sheet.in_time, sheet.due) if sheet.due else ""
        # Nothing merges, so that nothing recurs.
        derived = {"on_time_bp": on_time_bp, "recurred": 0}
        yield [
            str(derived[column] if column in derived else getattr(sheet, column))
            for column in SHEET_COLUMNS[file_format]
        ]


def round_half_even(numerator: int, denominator: int) -> int:
    """Return numerator / denominator, rounded half to even, in integers."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))
