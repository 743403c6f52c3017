"""summary.json: the counts of cases and calls."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence, Set
from typing import Any, NamedTuple

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


class Tables(NamedTuple):
    """The tables of a run as they were written: their part of summary.json, and the references of
    the cases whose verdict is "overdue".
    """

    summary: dict[str, Any]
    overdue: Set[str]


class Counts:
    """The counts of cases and calls. Cases without a grid are `not_attributed`: on nobody's sheet.

    Records are yielded on, because to unpack them once more takes long.
    """

    def __init__(self, parked: Container[str], file_format: int) -> None:
        self._parked = parked
        self._case_keys = CASE_COUNTS if file_format == 1 else CASE_COUNTS_2
        self._call_keys = CALL_COUNTS if file_format == 1 else CALL_COUNTS_2
        self._cases: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._calls: dict[str, Counter[str]] = {"street": Counter(), "district": Counter()}
        self._not_attributed = 0
        self.overdue: set[str] = set()  # The references of the cases with that verdict.

    def count_cases(self, records: Iterable[CaseRecord]) -> Iterator[CaseRecord]:
        """Count cases and yield them on."""
        counts = self._cases
        for case in records:
            counts["issues"]["parked" if case.id in self._parked else issue_state(case)] += 1
            counts["located_by"][case.located_by] += 1
            counts["lines"][case.line] += 1
            verdict = case_verdict(case)
            counts["verdicts"][verdict] += 1
            if verdict == "overdue":
                self.overdue.add(case.reference)
            for flag in case.data_flags:
                counts["rules"][flag] += 1
            self._not_attributed += not case.grid
            yield case

    def count_calls(self, records: Iterable[CallRecord]) -> Iterator[CallRecord]:
        """Count calls by level and yield them on."""
        for record in records:
            of_level = self._calls[record.call.to_level]
            of_level["raised"] += 1
            of_level[record.call.outcome] += 1
            yield record

    def as_json(self) -> dict[str, object]:
        """Return the counts under the names of summary.json."""
        cases = self._cases["lines"].total()
        self._cases["origins"]["opened"] = cases  # Nothing merges, so that each issue opens one.
        return {
            **{name: with_zeros(self._cases[name], keys) for name, keys in self._case_keys.items()},
            "cases": cases,
            "not_attributed": self._not_attributed,
            "calls": {
                level: with_zeros(counts, self._call_keys) for level, counts in self._calls.items()
            },
        }


def issue_state(case: Case) -> str:
    """Return the state under which an issue that is not parked is counted."""
    return "awaiting_dispatcher" if case.open and not case.grid else case_state(case)


def with_zeros(counts: Counter[str], keys: Sequence[str]) -> dict[str, int]:
    """Return counts in which all keys are present, 0 included."""
    return {key: counts[key] for key in (*keys, *sorted(counts.keys() - set(keys)))}
