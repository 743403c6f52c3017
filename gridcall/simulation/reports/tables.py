"""The tables of simulate, made by a reader of the three logs that knows nothing else. The contract is docs/simulate.md."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from msgspec import Struct

from assessment.core.facts import COUNTED, Fact, Key, fact_of, merge_under
from assessment.core.figures import Sheet, sheets
from eventlog.codec import Entry, enveloped, row_of
from eventlog.core.row import Row
from events.catalogue import (
    LINES,
    CallAcknowledged,
    CallAnswered,
    CallRaised,
    CallWithdrawn,
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
    Event,
    IssueReported,
    PoliciesAdopted,
)
from events.instants import Instant, rfc3339
from events.registry import CATALOGUE
from gridcall.simulation.packed_dict import PackedDict

LOGS = ("intake", "cases", "calls")
RULES = (
    "closed_without_time", "ended_before_reported", "gap_time", "in_two_grids", "no_due", "no_point",
    "outside_map", "overlap_time", "unknown_point",
)  # fmt: skip
COUNTS = {
    "issues": ("open", "closed", "withdrawn", "awaiting_dispatcher", "parked"),
    "located_by": ("point", "grid", "street", "none"),
    "lines": LINES,
    "verdicts": ("none", "on_time", "overdue", "running"),
    "rules": RULES,
}  # What summary.json counts of cases.
CALL_COUNTS = ("raised", "answered", "withdrawn", "open")
CASE_COLUMNS = (
    "reference", "line", "category", "case", "located_by", "grid", "street", "district",
    "reported", "due", "ended", "state", "verdict", "rules",
)  # fmt: skip
CALL_COLUMNS = (
    "raised", "reference", "case", "from", "to", "receiver", "because",
    "answer_due", "acknowledged", "answered", "ended", "outcome",
)  # fmt: skip
SHEET_COLUMNS = (
    "period", "worker", "grid", "street", "reported", "ended", "due", "in_time", "missed", "on_time_bp",
    "open_at_end", "overdue_at_end", "calls_raised", "calls_answered",
)  # fmt: skip
REJECTED_COLUMNS = ("file", "line", "reference", "column", "value", "reason")


TOLD = frozenset(
    {
        IssueReported, CaseRouted, CaseQueued, CaseWithheld, CaseEndedAtSource, CaseClosed, CaseWithdrawn, CaseReopened,
        CaseParked, ClockStarted, DeadlineMissed, CallRaised, CallWithdrawn, CallAcknowledged, CallAnswered, PoliciesAdopted,
    }
)  # fmt: skip
READ = frozenset(kind.name for kind in CATALOGUE.values() if kind.cls in TOLD | COUNTED)


class CaseLine(Struct, array_like=True):
    """What the logs say of one case so far."""

    reference: str
    line: str
    category: str
    reported: Instant
    rules: tuple[str, ...]
    grid: str = ""
    street: str = ""
    located_by: str = "none"
    due: Instant | None = None
    ended: Instant | None = None
    state: str = "open"
    late: bool = False
    facts: dict[tuple[int, str], Fact] = {}  # By what their keys have beside the case.

    @property
    def verdict(self) -> str:
        """none, overdue, on_time or running."""
        if self.due is None:
            return "none"
        if self.late:
            return "overdue"
        return "running" if self.state == "open" else "on_time"

    @property
    def kind(self) -> str:
        """In which of summary.json's counts of issues it is, unless it is parked."""
        return "awaiting_dispatcher" if self.state == "open" and not self.grid else self.state


class CallLine(Struct, array_like=True):
    """What the logs say of one call so far, and the reference of its case."""

    raised: Instant
    reference: str
    case: str
    from_level: str
    to_level: str
    unit: str
    because: str
    answer_due: Instant | None
    acknowledged: Instant | None = None
    answered: Instant | None = None
    ended: Instant | None = None
    outcome: str = "open"

    @classmethod
    def of(cls, event: CallRaised, time: Instant, reference: str) -> CallLine:
        """A call that was raised just now."""
        way = event.from_level, event.to_level
        return cls(
            time, reference, event.case, *way, event.receiver.unit, event.because, event.answer_due
        )


@dataclass(slots=True)
class LogSum:
    """How far a log was read, and the digest of its envelopes, each followed by LF."""

    positions: int
    sha256: Any


class Tables:
    """Reads rows as they pass, each log in its order; the logs among each other in any order that keeps cause before effect."""

    def __init__(self) -> None:
        self.cases = PackedDict(CaseLine)
        self.calls = PackedDict(CallLine)
        self.parked: set[str] = set()  # Perhaps before their report.
        self.logs = {log: LogSum(0, sha256()) for log in LOGS}
        self.zone = "UTC"

    def read(self, log: str, shard: str, entries: Sequence[Entry]) -> None:
        """Take the next entries of one log."""
        if not entries:
            return
        of = self.logs[log]
        assert entries[0].position == of.positions + 1, "a gap, or a repeat"
        of.positions = entries[-1].position
        of.sha256.update(b"\n".join([enveloped(log, shard, kept) for kept in entries]) + b"\n")
        for kept in entries:
            if kept.type in READ:
                self._take(row_of(log, shard, kept))
        self.cases.put_back()
        self.calls.put_back()

    def concluded(self, folder: Path, district: str, until: Instant) -> dict[str, Any]:
        """Write the three tables into a folder; give what summary.json says of them."""
        write_csv(folder / "cases.csv", CASE_COLUMNS, self.case_rows(district))
        write_csv(folder / "calls.csv", CALL_COLUMNS, self.call_rows())
        write_csv(
            folder / "evaluations.csv",
            SHEET_COLUMNS,
            map(sheet_row, sheets(self.facts(), self.zone, until)),
        )
        return self.summary()

    def _take(self, row: Row) -> None:
        if type(row.event) in TOLD:
            self._tell(row.event, row.time)
        if found := fact_of(row):
            key, fact = found
            merge_under(key[1:], fact, self.cases[key.case].facts)

    def _tell(self, event: Event, time: Instant) -> None:
        match event:
            case IssueReported():
                self.cases[event.issue] = CaseLine(
                    event.reference, event.line, event.category, time, event.rules
                )
            case CaseRouted() | CaseQueued() | CaseWithheld():
                case = self.cases[event.case]
                case.grid, case.street, case.located_by = (
                    event.holder.grid or "",
                    event.holder.street or "",
                    event.located_by,
                )
                case.rules += event.rules
            case CaseEndedAtSource():
                self._end(event.case, time, event.outcome)
                self.cases[event.case].rules += event.rules
            case ClockStarted(case=name, due=due):
                self.cases[name].due = due
            case DeadlineMissed(case=name):
                self.cases[name].late = True
            case CallRaised(call=call):
                self.calls[call] = CallLine.of(event, time, self.cases[event.case].reference)
            case CallWithdrawn(call=call):
                self._end_call(call, time, "withdrawn")
            case CallAcknowledged(call=call):
                self.calls[call].acknowledged = time
            case CallAnswered(call=call):
                self.calls[call].answered = time
                self._end_call(call, time, "answered")
            case CaseClosed(case=name):
                self._end(name, time, "closed")
            case CaseWithdrawn(case=name):
                self._end(name, time, "withdrawn")
            case CaseReopened(case=name):
                self.cases[name].state, self.cases[name].ended = "open", None
            case CaseParked(case=name):
                self.parked.add(name)
            case PoliciesAdopted(zone=zone):
                self.zone = zone
            case _:
                raise AssertionError(f"{event} is in no table")

    def _end(self, case: str, time: Instant, state: str) -> None:
        self.cases[case].ended, self.cases[case].state = time, state

    def _end_call(self, call: str, time: Instant, outcome: str) -> None:
        self.calls[call].ended, self.calls[call].outcome = time, outcome

    # ── As rows of files ─────────────────────────────────────────────────────────────────────────────────────────────

    def case_rows(self, district: str) -> Iterator[Sequence[str]]:
        """cases.csv, by (reported, reference): the order in which they were fed."""
        for name, case in self.cases.items():
            yield (
                case.reference, case.line, case.category, name, case.located_by, case.grid, case.street, district,
                rfc3339(case.reported), time(case.due), time(case.ended), case.state, case.verdict,
                ";".join(sorted(set(case.rules))),
            )  # fmt: skip

    def call_rows(self) -> Iterator[Sequence[str]]:
        """calls.csv, by (raised, reference, to), a street before the district. Their log has them by `raised` already."""
        for _, at_once in groupby(self.calls.values(), key=lambda call: call.raised):
            for call in sorted(
                at_once, key=lambda call: (call.reference, call.to_level == "district")
            ):
                yield (
                    time(call.raised), call.reference, call.case, call.from_level, call.to_level, call.unit, call.because,
                    time(call.answer_due), time(call.acknowledged), time(call.answered), time(call.ended), call.outcome,
                )  # fmt: skip

    # ── As figures ───────────────────────────────────────────────────────────────────────────────────────────────────

    def facts(self) -> Iterator[tuple[Key, Fact]]:
        """What evaluations.csv is summed from."""
        for name, case in self.cases.items():
            for of_case, fact in case.facts.items():
                yield Key(name, *of_case), fact

    def summary(self) -> dict[str, Any]:
        """The part of summary.json that comes from the logs."""
        counts = self._counts_of_cases()
        return {
            **{name: with_all(counts[name], keys) for name, keys in COUNTS.items()},
            "cases": len(self.cases),
            "not_attributed": counts["grid"][""],
            "calls": self._counts_of_calls(),
            "log": {
                log: {"positions": of.positions, "sha256": of.sha256.hexdigest()}
                for log, of in self.logs.items()
            },
        }

    def _counts_of_cases(self) -> Mapping[str, Counter[str]]:
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for name, case in self.cases.items():
            counts["issues"]["parked" if name in self.parked else case.kind] += 1
            counts["located_by"][case.located_by] += 1
            counts["lines"][case.line] += 1
            counts["verdicts"][case.verdict] += 1
            counts["rules"].update(set(case.rules))
            counts["grid"][case.grid] += 1
        return counts

    def _counts_of_calls(self) -> dict[str, dict[str, int]]:
        counts: dict[str, Counter[str]] = {"street": Counter(), "district": Counter()}
        for call in self.calls.values():
            counts[call.to_level].update(("raised", call.outcome))
        return {level: with_all(of_level, CALL_COUNTS) for level, of_level in counts.items()}


def time(at: Instant | None) -> str:
    """An instant as a cell; empty where there is none."""
    return "" if at is None else rfc3339(at)


def with_all(counts: Counter[str], keys: Sequence[str]) -> dict[str, int]:
    """Counts in which all keys are there, 0 included."""
    return {key: counts[key] for key in (*keys, *sorted(counts.keys() - set(keys)))}


def sheet_row(sheet: Sheet) -> Sequence[str]:
    """A line of evaluations.csv; on_time_bp is 10000·in_time/due, rounded half to even."""
    on_time_bp = round_half_even(10_000 * sheet.in_time, sheet.due) if sheet.due else ""
    values = {column: getattr(sheet, column, on_time_bp) for column in SHEET_COLUMNS}
    return [str(value) for value in values.values()]


def round_half_even(numerator: int, denominator: int) -> int:
    """Numerator / denominator, rounded half to even, in integers."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


class LineFeeds:
    """Ends each line with LF for a csv.writer that ends it with CR LF, so that it quotes a cell that holds either."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        return self._file.write(line.removesuffix("\r\n") + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """UTF-8, LF, a cell quoted only if it holds a comma, a quote, CR or LF."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(LineFeeds(file), lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows(rows)


def as_json(value: Any) -> bytes:
    """UTF-8, sorted keys, two spaces, a final newline."""
    return (json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()
