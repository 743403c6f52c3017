"""summary.json: the counts of cases and calls."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from casebook import Case
from events.catalogue import LINES
from gridcall.simulation.reports.cases import ORIGINS, case_state, case_verdict
from gridcall.simulation.reports.records import CallRecord, CaseRecord

DATA_FLAGS = (
    "closed_without_time", "ended_before_reported", "gap_time", "in_two_grids", "no_due",
    "no_point", "outside_map", "overlap_time", "unknown_code", "unknown_point",
)  # fmt: skip
CASE_COUNTS = {
    "issues": ("open", "closed", "withdrawn", "awaiting_dispatcher", "parked"),
    "located_by": ("point", "grid", "street", "none"),
    "lines": LINES,
    "verdicts": ("none", "on_time", "overdue", "running"),
    "rules": DATA_FLAGS,
}
CASE_COUNTS_2 = {**CASE_COUNTS, "rules": (*DATA_FLAGS, "no_calendar"), "origins": ORIGINS}
CALL_COUNTS = ("raised", "answered", "withdrawn", "open")
CALL_COUNTS_2 = (*CALL_COUNTS, "joined")


class CaseCounts:
    """The counts of cases. Those without a grid are `not_attributed`: on nobody's sheet."""

    def __init__(self, parked: Container[str], file_format: int) -> None:
        self._parked = parked
        self._keys = CASE_COUNTS if file_format == 1 else CASE_COUNTS_2
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._not_attributed = 0

    def count(self, records: Iterable[CaseRecord]) -> Iterator[CaseRecord]:
        """Count records and yield them on, because to unpack them once more takes long."""
        counts = self._counts
        for case in records:
            counts["issues"]["parked" if case.id in self._parked else issue_state(case)] += 1
            counts["located_by"][case.located_by] += 1
            counts["lines"][case.line] += 1
            counts["verdicts"][case_verdict(case)] += 1
            counts["rules"].update(case.data_flags)
            self._not_attributed += not case.grid
            yield case

    def as_json(self) -> dict[str, object]:
        """Return the counts under the names of summary.json."""
        cases = self._counts["lines"].total()
        self._counts["origins"]["opened"] = cases  # Nothing merges, so that each issue opens one.
        return {
            **{name: with_zeros(self._counts[name], keys) for name, keys in self._keys.items()},
            "cases": cases,
            "not_attributed": self._not_attributed,
        }


def issue_state(case: Case) -> str:
    """Return the state under which an issue that is not parked is counted."""
    return "awaiting_dispatcher" if case.open and not case.grid else case_state(case)


def count_calls(records: Iterable[CallRecord], file_format: int) -> Mapping[str, Mapping[str, int]]:
    """Return the counts of calls by level."""
    counts: dict[str, Counter[str]] = {"street": Counter(), "district": Counter()}
    for record in records:
        counts[record.call.to_level].update(("raised", record.call.outcome))
    keys = CALL_COUNTS if file_format == 1 else CALL_COUNTS_2
    return {level: with_zeros(of_level, keys) for level, of_level in counts.items()}


def with_zeros(counts: Counter[str], keys: Sequence[str]) -> dict[str, int]:
    """Return counts in which all keys are present, 0 included."""
    return {key: counts[key] for key in (*keys, *sorted(counts.keys() - set(keys)))}
