"""The screen's read model of one district: a fold of its logs over the casebook.

The order in which the logs are read against each other changes nothing. The projection keeps every
open case, and the last ones that ended.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

from casebook import (
    CALL_CHANGES,
    Call,
    Case,
    PublicCase,
    evolve_call,
    evolve_case,
    public_case,
    raised_call,
)
from eventlog.core.row import Row
from eventlog.core.versions import readable
from events.catalogue import (
    LINES,
    CallAcknowledged,
    CallAnswered,
    CallRaised,
    CallWithdrawn,
    CaseParked,
    CaseReopened,
    CaseReported,
    CaseRetried,
    ClockStarted,
    DeadlineMissed,
    Event,
    InputDeclined,
    IssueReported,
    Level,
    PoliciesAdopted,
    ReferenceAdopted,
)
from events.instants import Instant
from events.registry import newest_types
from events.topology import SERVICE
from screen.core.deadlines import Deadlines

LOGS = SERVICE["screen"].inputs
LOG_ORDER = {log: number for number, log in enumerate(LOGS)}
ENDED_MAX = 1_000  # Cases that ended and are kept.
LATEST_MAX = 10  # Latest cases of each line. The page shows as many as it has room for.
EVENTS_MAX = 60  # Latest events of the district.

# The events among the latest: those that bring a case on, and those about deadlines and calls.
LISTED_EVENTS = frozenset(
    {
        *(kind.cls for kind in newest_types() if kind.case_stage),
        CaseParked, CaseRetried, DeadlineMissed, *CALL_CHANGES,
    }
    - {CaseReported}
)  # fmt: skip


@dataclass(slots=True)
class CaseFile:
    """A case, its open calls by id, and the rows of its life in the order of each log.

    `counted` is True while the case is part of the district's counts. `opened` is True once routing
    has opened it.
    """

    case: Case
    calls: dict[str, Call] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    counted: bool = False
    opened: bool = False

    @property
    def highest_call(self) -> Level | None:
        """The highest level that is called; None without an open call."""
        levels = {call.to_level for call in self.calls.values()}
        return "district" if "district" in levels else "street" if levels else None

    @property
    def parked(self) -> bool:
        """True while routing has parked the case."""
        return "cases" in self.case.parked_in


class DistrictProjection:
    """One district, as far as its logs were read. Events of unknown types are passed.

    `positions` are the last positions read. `applied` are the input positions of those rows.
    `grid_versions` has, for each grid, the version in which its counts changed last. `settled` has
    the public view of each case that ended so long ago that its file is gone.
    """

    def __init__(self) -> None:
        self.files: dict[str, CaseFile] = {}
        self.positions = dict.fromkeys(LOGS, 0)
        self.applied = dict.fromkeys(LOGS[1:], 0)
        self.totals: Counter[str] = Counter()
        self.lines: dict[str, Counter[str]] = {line: Counter() for line in LINES}
        self.grids: dict[str, Counter[str]] = {}
        self.grid_versions: dict[str, int] = {}
        self.version = 0
        self.latest: dict[str, deque[str]] = {line: deque(maxlen=LATEST_MAX) for line in LINES}
        self.events: list[Row] = []
        self.running = Deadlines()
        self.overdue = Deadlines()
        self.called = {"street": Deadlines(), "district": Deadlines()}
        self.references: dict[str, ReferenceAdopted] = {}
        self.policies: PoliciesAdopted | None = None
        self.settled: dict[str, PublicCase] = {}
        self._ended: dict[str, None] = {}
        self._file_of_call: dict[str, CaseFile] = {}
        self._changing: dict[str, CaseFile] = {}  # Part of no count for the moment.

    def apply(self, *logs: Iterable[Row]) -> None:
        """Fold the next rows of some logs. A case that changes several times is counted once."""
        self.version += 1
        for row in chain(*logs):
            self.positions[row.log] = row.position
            if row.log in self.applied:
                self.applied[row.log] = row.input
            for known in readable((row,)):
                self._apply(known)
        for file in self._changing.values():
            self._count(file, +1)
            self._keep(file)
        self._changing.clear()

    def file_of_call(self, call: str) -> CaseFile:
        """Return the file of the case that an open call is about."""
        return self._file_of_call[call]

    def public_case(self, case: str) -> PublicCase | None:
        """Return what everybody may know of a case; None if nothing was read about it."""
        file = self.files.get(case)
        return self.settled.get(case) if file is None else public_case(file.case)

    def _apply(self, row: Row) -> None:
        match row.event:
            case ReferenceAdopted() as reference if row.log == "intake":
                self.references[reference.kind] = reference
            case PoliciesAdopted() as policies if row.log == "calls":
                self.policies = policies
            case IssueReported() as issue:
                self._apply_issue(row, issue)
            case event if row.log != "intake" and (case := getattr(event, "case", None)):
                if case in self.settled and not isinstance(event, CaseReopened):
                    self._apply_to_settled(case, row)
                elif not self._is_about_nothing(row):
                    self._apply_to_case(self._file(case, row), row)

    def _apply_to_settled(self, case: str, row: Row) -> None:
        """Note the deadline of a case whose file is gone: its other rows show nothing new."""
        if isinstance(row.event, ClockStarted):
            self.settled[case] = self.settled[case]._replace(due=row.event.due)

    def _is_about_nothing(self, row: Row) -> bool:
        """Return True for a declined action whose case was never opened, and perhaps never is."""
        if row.log != "cases" or not isinstance(row.event, InputDeclined):
            return False
        file = self.files.get(row.event.case)
        return file is None or not file.opened

    def _file(self, case: str, row: Row) -> CaseFile:
        file = self.files.get(case)
        if file is None:
            file = self.files[case] = CaseFile(Case(case))
            self.settled.pop(case, None)
            if isinstance(row.event, CaseReopened):
                # It ended so long ago that its file is gone, but it is still counted as ended.
                file.case.line, file.case.ended = row.event.matter.line, row.time
                file.counted = file.opened = True
        return file

    def _apply_issue(self, row: Row, issue: IssueReported) -> None:
        file = self._file(issue.issue, row)
        evolve_case(file.case, row)
        file.rows.append(row)
        self.lines[issue.line]["accepted"] += 1
        self.latest[issue.line].append(issue.issue)

    def _apply_to_case(self, file: CaseFile, row: Row) -> None:
        """Change a case after taking it out of all counts, and of the cases that may go."""
        case = file.case
        if case.id not in self._changing:
            self._count(file, -1)
            self._ended.pop(case.id, None)
            self._changing[case.id] = file
        evolve_case(case, row)
        file.opened |= isinstance(row.event, CaseReported)
        self._apply_to_calls(file, row.event, row.time)
        file.rows.append(row)
        if type(row.event) in LISTED_EVENTS:
            self._list(row)

    def _apply_to_calls(self, file: CaseFile, event: Event, time: Instant) -> None:
        match event:
            case CallRaised(call=call):
                file.calls[call] = raised_call(event, time)
                self._file_of_call[call] = file
            case CallAcknowledged(call=call) if call in file.calls:
                evolve_call(file.calls[call], event, time)
            case CallAnswered(call=call) | CallWithdrawn(call=call):
                file.calls.pop(call, None)
                self._file_of_call.pop(call, None)

    def _count(self, file: CaseFile, by: int) -> None:
        """Add a case to every count and list that it belongs to (by +1), or remove it (by -1)."""
        case = file.case
        if not case.line or file.counted == (by > 0):
            return
        file.counted = by > 0
        for counts in self._counts(case):
            for name in counters(file):
                counts[name] += by
        if case.open:
            change(self.overdue if case.missed else self.running, case.due, case.id, by)
        for call in file.calls.values():
            change(self.called[call.to_level], call.answer_due or call.raised, call.id, by)

    def _counts(self, case: Case) -> list[Counter[str]]:
        """Return the counts of the district, the line and the grid of a case."""
        counts = [self.totals, self.lines[case.line]]
        if case.grid is not None:
            self.grid_versions[case.grid] = self.version
            counts.append(self.grids.setdefault(case.grid, Counter()))
        return counts

    def _keep(self, file: CaseFile) -> None:
        """Keep the file of a case that ended, and let the oldest one go."""
        if not file.case.open and not file.calls:
            self._ended[file.case.id] = None
        while len(self._ended) > ENDED_MAX:
            oldest = next(iter(self._ended))
            self.settled[oldest] = public_case(self.files[oldest].case)
            del self._ended[oldest], self.files[oldest]

    def _list(self, row: Row) -> None:
        """Put a row among the latest events, if it is one of them."""
        if len(self.events) == EVENTS_MAX and row_order(row) < row_order(self.events[0]):
            return
        insort(self.events, row, key=row_order)
        del self.events[:-EVENTS_MAX]


def row_order(row: Row) -> tuple[Instant, int, int]:
    """Return the sort key of rows of several logs: at one instant a cause precedes its effect."""
    return row.time, LOG_ORDER[row.log], row.position


def change(deadlines: Deadlines, due: Instant | None, id_: str, by: int) -> None:
    """Add an id to a list of deadlines (by +1), or remove it (by -1)."""
    (deadlines.add if by > 0 else deadlines.remove)(due, id_)


def counters(file: CaseFile) -> list[str]:
    """Return the names of the counters that count a case."""
    case = file.case
    is_counted = {
        "open": case.open,
        "ended": not case.open,
        "overdue": case.overdue,
        "calling": bool(file.calls),
        "queued": case.open and case.queued,
        "parked": file.parked,
    }
    return [name for name, holds in is_counted.items() if holds]
