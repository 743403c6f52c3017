"""calls.csv: a row for each call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from gridcall.simulation.reports.files import columns_of_formats, time_cell
from gridcall.simulation.reports.records import CallRecord

CALL_COLUMNS = columns_of_formats(
    "raised", "reference", "case", "from", "to", "receiver", "because", "+repeat", "+joined",
    "answer_due", "acknowledged", "answered", "ended", "outcome",
)  # fmt: skip
NEVER_AGAIN = ("0", "0")  # No call is repeated, and no other reason joins it.


def call_rows(records: Iterable[CallRecord], file_format: int) -> Iterator[Sequence[str]]:
    """Return the rows by (raised, reference, to), a street before the district.

    The log has the calls by `raised` already.
    """
    counts = () if file_format == 1 else NEVER_AGAIN
    for _, simultaneous in groupby(records, key=lambda record: record.call.raised):
        for record in sorted(simultaneous, key=reference_and_level):
            call = record.call
            yield (
                time_cell(call.raised), record.reference, call.case,
                call.from_level, call.to_level, call.unit, call.because, *counts,
                time_cell(call.answer_due), time_cell(call.acknowledged),
                time_cell(call.answered), time_cell(call.end), call.outcome,
            )  # fmt: skip


def reference_and_level(record: CallRecord) -> tuple[str, bool]:
    """Return the sort key of calls that were raised at one instant."""
    return record.reference, record.call.to_level == "district"
