"""cases.csv: a row for each accepted issue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from casebook import Case
from events.instants import rfc3339
from gridcall.simulation.reports.files import columns_of_formats, time_cell
from gridcall.simulation.reports.records import CaseRecord

CASE_COLUMNS = columns_of_formats(
    "reference", "line", "category", "case", "+origin", "located_by", "grid", "street", "district",
    "reported", "due", "ended", "state", "verdict", "rules",
)  # fmt: skip
ORIGINS = ("opened", "joined", "recurrence")


def case_rows(
    records: Iterable[CaseRecord], district: str, file_format: int
) -> Iterator[Sequence[str]]:
    """Return the rows by (reported, reference), the order in which the issues were fed."""
    origin = () if file_format == 1 else (ORIGINS[0],)  # Nothing merges, so that each row opens.
    for case in records:
        yield (
            case.reference, case.line, case.category, case.id, *origin, case.located_by,
            case.grid or "", case.street or "", district,
            rfc3339(case.reported), time_cell(case.due), time_cell(case.ended),
            case_state(case), case_verdict(case), ";".join(case.data_flags),
        )  # fmt: skip


def case_state(case: Case) -> Literal["open", "closed", "withdrawn"]:
    """Return how the case ended, or that it is open."""
    return case.outcome or "open"


def case_verdict(case: Case) -> Literal["none", "overdue", "running", "on_time"]:
    """Return how the case did against its deadlines. A reopened case that was late stays late."""
    if case.ever_missed:
        return "overdue"
    if case.due is None:
        return "none"
    return "running" if case.open else "on_time"
