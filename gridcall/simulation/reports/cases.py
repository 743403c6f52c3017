"""cases.csv: a row for each accepted issue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from casebook import Case
from events.instants import rfc3339
from gridcall.simulation.reports.files import time_cell
from gridcall.simulation.reports.records import CaseRecord

CASE_COLUMNS = (
    "reference", "line", "category", "case", "located_by", "grid", "street", "district",
    "reported", "due", "ended", "state", "verdict", "rules",
)  # fmt: skip


def case_rows(records: Iterable[CaseRecord], district: str) -> Iterator[Sequence[str]]:
    """Return the rows by (reported, reference), the order in which the issues were fed."""
    for case in records:
        yield (
            case.reference, case.line, case.category, case.id, case.located_by,
            case.grid or "", case.street or "", district,
            rfc3339(case.reported), time_cell(case.due), time_cell(case.ended),
            case_state(case), case_verdict(case), ";".join(case.data_flags),
        )  # fmt: skip


def case_state(case: Case) -> Literal["open", "closed", "withdrawn"]:
    """Return how the case ended, or that it is open."""
    return case.outcome or "open"


def case_verdict(case: Case) -> Literal["none", "overdue", "running", "on_time"]:
    """Return how the case did against its deadlines. A reopened case that was late stays late."""
    if case.due is None:
        return "none"
    if case.ever_missed:
        return "overdue"
    return "running" if case.open else "on_time"
