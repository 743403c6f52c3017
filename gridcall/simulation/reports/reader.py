"""The reader behind the reports: it follows the logs of `simulate` and knows nothing else.

The contract of the files is docs/simulate.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from assessment.core.facts import COUNTED, facts_in, merge_fact
from assessment.core.figures import Sums
from casebook import CALL_CHANGES, evolve_call, evolve_case, raised_call
from eventlog.codec import Entry, entry_envelope, row_of
from eventlog.core.row import Row
from eventlog.core.versions import newest
from events.catalogue import (
    CallRaised,
    CaseClosed,
    CaseEndedAtSource,
    CaseParked,
    CaseQueued,
    CaseReopened,
    CaseRouted,
    CaseWithdrawn,
    CaseWithheld,
    ClockStarted,
    DeadlineMissed,
    IssueReported,
    PoliciesAdopted,
    ReopenedWithoutDeadline,
)
from events.instants import Instant
from events.registry import names_of_versions
from gridcall.simulation.packed_dict import PackedDict
from gridcall.simulation.reports.calls import CALL_COLUMNS, call_rows
from gridcall.simulation.reports.cases import CASE_COLUMNS, case_rows
from gridcall.simulation.reports.evaluations import SHEET_COLUMNS, add_facts, sheet_rows
from gridcall.simulation.reports.files import write_csv
from gridcall.simulation.reports.records import (
    CallRecord,
    CaseRecord,
    pack_call,
    pack_case,
    unpack_call,
    unpack_case,
)
from gridcall.simulation.reports.summary import Counts, Tables

UNPACKED_MAX = 2_000  # Rows of several logs about one case come close together.
# The events that change a column of a report. To decode the others, too, would take longer.
READ_EVENTS = {
    IssueReported, PoliciesAdopted, CaseParked, ClockStarted, DeadlineMissed,
    CaseRouted, CaseQueued, CaseWithheld, CaseEndedAtSource, CaseClosed, CaseWithdrawn,
    CaseReopened, ReopenedWithoutDeadline, *CALL_CHANGES, *COUNTED,
}  # fmt: skip
LOGS = ("intake", "cases", "calls")  # Everything in the reports follows from these.
READ_TYPES = frozenset(names_of_versions(READ_EVENTS))


@dataclass(slots=True)
class LogSum:
    """The number of rows read of a log, and the digest of their envelopes, each followed by LF."""

    positions: int
    sha256: Any


class ReportReader:
    """Cases and calls as the rows so far describe them.

    Each log is read in its order, and a row never before the row that caused it.
    """

    def __init__(self) -> None:
        self.cases = PackedDict(pack_case, unpack_case)
        self.calls = PackedDict(pack_call, unpack_call)
        self.parked: set[str] = set()  # A case may be parked before it is reported.
        self.logs = {log: LogSum(0, sha256()) for log in LOGS}
        self.zone = "UTC"

    def read(self, log: str, shard: str, entries: Sequence[Entry]) -> None:
        """Fold the next entries of one log."""
        if not entries:
            return
        sum_ = self.logs[log]
        assert entries[0].position == sum_.positions + 1, "a gap, or a repeat"
        sum_.positions = entries[-1].position
        sum_.sha256.update(
            b"\n".join([entry_envelope(log, shard, entry) for entry in entries]) + b"\n"
        )
        for entry in entries:
            if entry.type in READ_TYPES:
                self._fold(newest(row_of(log, shard, entry)))
        self.cases.put_back(UNPACKED_MAX)
        self.calls.put_back(UNPACKED_MAX)

    def conclude(self, folder: Path, district: str, until: Instant, file_format: int) -> Tables:
        """Write the three tables into a folder.

        `file_format` is the format of the profile, which has more columns in 2.
        """
        self.cases.put_back()
        self.calls.put_back()
        counts, sums = Counts(self.parked, file_format), Sums(self.zone, until)
        cases = add_facts(sums, counts.count_cases(self.cases.values()))
        rows = case_rows(cases, district, file_format)
        write_csv(folder / "cases.csv", CASE_COLUMNS[file_format], rows)
        rows = call_rows(counts.count_calls(self.calls.values()), file_format)
        write_csv(folder / "calls.csv", CALL_COLUMNS[file_format], rows)
        rows = sheet_rows(sums.sheets(), file_format)
        write_csv(folder / "evaluations.csv", SHEET_COLUMNS[file_format], rows)
        summary = {
            **counts.as_json(),
            "log": {
                log: {"positions": sum_.positions, "sha256": sum_.sha256.hexdigest()}
                for log, sum_ in self.logs.items()
            },
        }
        return Tables(summary, counts.overdue)

    def _fold(self, row: Row) -> None:
        event, kind = row.event, type(row.event)
        if kind is PoliciesAdopted:
            self.zone = event.zone
        elif kind is CaseParked:
            self.parked.add(event.case)
        elif kind is CallRaised:
            self.calls[event.call] = CallRecord(
                raised_call(event, row.time), self.cases[event.case].reference
            )
        elif kind in CALL_CHANGES:
            evolve_call(self.calls[event.call].call, event, row.time)
        elif kind is IssueReported:
            self.cases[event.issue] = case = CaseRecord(event.issue)
            evolve_case(case, row)
        else:
            evolve_case(self.cases[event.case], row)
        if kind in COUNTED:
            for key, fact in facts_in(row):
                merge_fact(self.cases[key.case].facts, key[1:], fact)
