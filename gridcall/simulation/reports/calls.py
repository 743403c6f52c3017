"""calls.csv: a row for each call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from gridcall.simulation.reports.files import time_cell
from gridcall.simulation.reports.records import CallRecord

CALL_COLUMNS = (
    "raised", "reference", "case", "from", "to", "receiver", "because",
    "answer_due", "acknowledged", "answered", "ended", "outcome",
)  # fmt: skip


def call_rows(records: Iterable[CallRecord]) -> Iterator[Sequence[str]]:
    """Return the rows by (raised, reference, to), a street before the district.

    The log has the calls by `raised` already.
    """
    for _, simultaneous in groupby(records, key=lambda record: record.call.raised):
        for record in sorted(simultaneous, key=reference_and_level):
            call = record.call
            yield (
                time_cell(call.raised), record.reference, call.case,
                call.from_level, call.to_level, call.unit, call.because,
                time_cell(call.answer_due), time_cell(call.acknowledged),
                time_cell(call.answered), time_cell(call.end), call.outcome,
            )  # fmt: skip


def reference_and_level(record: CallRecord) -> tuple[str, bool]:
    """Return the sort key of calls that were raised at one instant."""
    return record.reference, record.call.to_level == "district"
