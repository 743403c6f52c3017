"""The tables of simulate, made by a reader of the three logs that knows nothing else. The contract is docs/simulate.md."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from sys import intern
from typing import Any, TextIO

from assessment.facts import COUNTED, Fact, Key, merge_into
from assessment.figures import Sheet, sheets
from events.catalogue import (
    CATALOGUE,
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
    Holder,
    Instant,
    IssueReported,
    PoliciesAdopted,
)
from events.envelope import Entry, enveloped, row_of
from events.instants import rfc3339

LOGS = ("intake", "cases", "calls")
RULES = (
    "closed_without_time", "ended_before_reported", "gap_time", "in_two_grids", "no_due", "no_point",
    "outside_map", "overlap_time", "unknown_point",
)  # fmt: skip
LOCATED_BY = ("point", "grid", "street", "none")
VERDICTS = ("none", "on_time", "overdue", "running")
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


class CaseLine:
    """What the logs say of one case so far."""

    __slots__ = ("category", "due", "ended", "holder", "late", "line", "located_by", "reference", "reported", "rules", "state")

    def __init__(self, issue: IssueReported, reported: Instant) -> None:
        self.reference = issue.reference
        self.line = intern(issue.line)
        self.category = intern(issue.category)
        self.reported = reported
        self.rules = issue.rules
        self.holder: Holder | None = None
        self.located_by = "none"
        self.due: Instant | None = None
        self.ended: Instant | None = None
        self.state = "open"
        self.late = False

    @property
    def verdict(self) -> str:
        """none, overdue, on_time or running."""
        if self.due is None:
            return "none"
        if self.late:
            return "overdue"
        return "running" if self.state == "open" else "on_time"

    @property
    def grid(self) -> str:
        return (self.holder.grid if self.holder else None) or ""

    @property
    def kind(self) -> str:
        """In which of summary.json's counts of issues it is, unless it is parked."""
        return "awaiting_dispatcher" if self.state == "open" and not self.grid else self.state


class CallLine:
    """What the logs say of one call so far."""

    __slots__ = (
        "acknowledged", "answer_due", "answered", "because", "case", "ended", "from_level", "outcome", "raised",
        "to_level", "unit",
    )  # fmt: skip

    def __init__(self, event: CallRaised, raised: Instant) -> None:
        self.case = event.case
        self.from_level = intern(event.from_level)
        self.to_level = intern(event.to_level)
        self.unit = intern(event.receiver.unit)
        self.because = intern(event.because)
        self.answer_due = event.answer_due
        self.raised = raised
        self.acknowledged: Instant | None = None
        self.answered: Instant | None = None
        self.ended: Instant | None = None
        self.outcome = "open"


@dataclass(slots=True)
class LogSum:
    """How far a log was read, and the digest of its envelopes, each followed by LF."""

    positions: int
    sha256: Any


class Tables:
    """Reads rows as they pass, each log in its order; the logs among each other in any order that keeps cause before effect."""

    def __init__(self) -> None:
        self.cases: dict[str, CaseLine] = {}
        self.calls: dict[str, CallLine] = {}
        self.holders: dict[Holder, Holder] = {}  # A grid's cases share one.
        self.parked: set[str] = set()  # Perhaps before their report.
        self.facts: dict[Key, Fact] = {}
        self.logs = {log: LogSum(0, sha256()) for log in LOGS}
        self.zone = "UTC"

    def read(self, log: str, shard: str, entries: Sequence[Entry]) -> None:
        """Take the next entries of one log."""
        if not entries:
            return
        of = self.logs[log]
        assert entries[0].pos == of.positions + 1, "a gap, or a repeat"
        of.positions = entries[-1].pos
        of.sha256.update(b"\n".join([enveloped(log, shard, kept) for kept in entries]) + b"\n")
        rows = [row_of(log, shard, kept) for kept in entries if kept.type in READ]
        for row in rows:
            if type(row.event) in TOLD:
                self._take(row.event, row.ts)
        if log != "intake":
            merge_into(self.facts, rows)

    def concluded(
        self, folder: Path, district: str, until: Instant, verdicts: Mapping[str, bool], named: bool
    ) -> dict[str, Any]:
        """Write the three tables into a folder; give what summary.json says of them."""

        def other_tables() -> None:
            write_csv(folder / "calls.csv", CALL_COLUMNS, self.call_rows())
            write_csv(folder / "evaluations.csv", SHEET_COLUMNS, map(sheet_row, sheets(self.facts, self.zone, until)))

        with meanwhile(other_tables):
            write_csv(folder / "cases.csv", CASE_COLUMNS, self.case_rows(district))
            return {**self.summary(), "published": self.published(verdicts, named)}

    def _take(self, event: Event, ts: Instant) -> None:
        match event:
            case IssueReported():
                self.cases[event.issue] = CaseLine(event, ts)
            case CaseRouted() | CaseQueued() | CaseWithheld():
                case = self.cases[event.case]
                case.holder, case.located_by = self.holders.setdefault(event.holder, event.holder), intern(event.located_by)
                case.rules += event.rules
            case CaseEndedAtSource():
                self._end(event.case, ts, event.outcome)
                self.cases[event.case].rules += event.rules
            case ClockStarted(case=name, due=due):
                self.cases[name].due = due
            case DeadlineMissed(case=name):
                self.cases[name].late = True
            case CallRaised(call=call):
                self.calls[call] = CallLine(event, ts)
            case CallWithdrawn(call=call):
                self._end_call(call, ts, "withdrawn")
            case CallAcknowledged(call=call):
                self.calls[call].acknowledged = ts
            case CallAnswered(call=call):
                self.calls[call].answered = ts
                self._end_call(call, ts, "answered")
            case CaseClosed(case=name):
                self._end(name, ts, "closed")
            case CaseWithdrawn(case=name):
                self._end(name, ts, "withdrawn")
            case CaseReopened(case=name):
                self.cases[name].state, self.cases[name].ended = "open", None
            case CaseParked(case=name):
                self.parked.add(name)
            case PoliciesAdopted(zone=zone):
                self.zone = zone
            case _:
                raise AssertionError(f"{event} is in no table")

    def _end(self, case: str, ts: Instant, state: str) -> None:
        self.cases[case].ended, self.cases[case].state = ts, state

    def _end_call(self, call: str, ts: Instant, outcome: str) -> None:
        self.calls[call].ended, self.calls[call].outcome = ts, outcome

    # ── As rows of files ─────────────────────────────────────────────────────────────────────────────────────────────

    def case_rows(self, district: str) -> Iterator[Sequence[str]]:
        """cases.csv, by (reported, reference): the order in which they were fed."""
        for name, case in self.cases.items():
            holder = case.holder
            yield (
                case.reference, case.line, case.category, name, case.located_by, case.grid,
                (holder.street if holder else None) or "", district, rfc3339(case.reported), time(case.due), time(case.ended),
                case.state, case.verdict, ";".join(sorted(set(case.rules))),
            )  # fmt: skip

    def call_rows(self) -> Iterator[Sequence[str]]:
        """calls.csv, by (raised, reference, to), a street before the district."""
        lines = [(line.raised, self.cases[line.case].reference, line) for line in self.calls.values()]
        for raised, reference, line in sorted(lines, key=lambda item: (*item[:2], item[2].to_level == "district")):
            yield (
                time(raised), reference, line.case, line.from_level, line.to_level, line.unit, line.because,
                time(line.answer_due), time(line.acknowledged), time(line.answered), time(line.ended), line.outcome,
            )  # fmt: skip

    # ── As figures ───────────────────────────────────────────────────────────────────────────────────────────────────

    def summary(self) -> dict[str, Any]:
        """The part of summary.json that comes from the logs."""
        cases = self.cases.values()
        kinds = ("parked" if name in self.parked else case.kind for name, case in self.cases.items())
        return {
            "issues": counted(kinds, ("open", "closed", "withdrawn", "awaiting_dispatcher", "parked")),
            "cases": len(self.cases),
            "located_by": counted((case.located_by for case in cases), LOCATED_BY),
            "lines": counted((case.line for case in cases), LINES),
            "verdicts": counted((case.verdict for case in cases), VERDICTS),
            "rules": counted((rule for case in cases for rule in set(case.rules)), RULES),
            "not_attributed": sum(1 for case in cases if not case.grid),
            "calls": {level: self._calls_to(level) for level in ("street", "district")},
            "log": {log: {"positions": of.positions, "sha256": of.sha256.hexdigest()} for log, of in self.logs.items()},
        }

    def _calls_to(self, level: str) -> dict[str, int]:
        outcomes = Counter(line.outcome for line in self.calls.values() if line.to_level == level)
        return {"raised": outcomes.total(), **{key: outcomes[key] for key in ("answered", "withdrawn", "open")}}

    def published(self, verdicts: Mapping[str, bool], named: bool) -> dict[str, int]:
        """How the verdicts compare with the source's own (reference → overdue or not); `named`: the profile has a column."""
        differ = sum(
            1
            for case in self.cases.values()
            if case.reference in verdicts and verdicts[case.reference] != (case.verdict == "overdue")
        )
        return {"compared": len(verdicts), "differ": differ, "blank": len(self.cases) - len(verdicts) if named else 0}


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Do some work in a fork of this process. If it fails there it is done again here, where its error can be raised."""
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    try:
        yield
    finally:
        _, status = os.waitpid(pid, 0)
    if status:
        work()


def time(at: Instant | None) -> str:
    """An instant as a cell; empty where there is none."""
    return "" if at is None else rfc3339(at)


def counted(values: Iterable[str], keys: Sequence[str]) -> dict[str, int]:
    """How often each value occurs; all keys are there, 0 included."""
    counts = Counter(values)
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
