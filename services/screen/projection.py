"""What the screen knows: a fold of the three logs. What two logs tell of a case is the same in both, so the
order in which they are read against each other changes nothing.

It remembers every open case, and of those that ended the last ones.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice

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
    CaseReported,
    CaseResolved,
    CaseRetried,
    CaseRouted,
    CaseVerified,
    CaseVisited,
    CaseWithdrawn,
    CaseWithheld,
    ClockStarted,
    DeadlineMissed,
    Event,
    IssueReported,
    Level,
    PlaceClaim,
    PoliciesAdopted,
    ReferenceAdopted,
    ResolutionRejected,
)
from events.instants import Instant

REMEMBERED = 1_000  # Cases that ended.
SHOWN = 6  # Cases and calls in each column.
LATEST = 14  # Events.
ORDER = {"intake": 0, "cases": 1, "calls": 2}

STATES: Mapping[type[object], str] = {
    CaseRouted: "routed", CaseQueued: "queued", CaseWithheld: "withheld", CaseVisited: "visited", CaseResolved: "resolved",
    ResolutionRejected: "visited", CaseVerified: "verified", CaseReopened: "reopened", CaseClosed: "closed",
    CaseWithdrawn: "withdrawn", CaseEndedAtSource: "ended",
}  # fmt: skip
OVER = frozenset({"closed", "withdrawn", "ended"})
TOLD = frozenset(
    {
        *STATES,
        CaseParked,
        CaseRetried,
        DeadlineMissed,
        CallRaised,
        CallAcknowledged,
        CallAnswered,
        CallWithdrawn,
    }
)  # What is worth a line among the last events.


@dataclass(slots=True)
class Call:
    """An open call: whom it asks, why, since when, and until when it should be answered."""

    id: str
    to: Level
    unit: str
    because: str
    raised: Instant
    answer_due: Instant | None
    acknowledged: bool = False


@dataclass(slots=True)
class Case:
    """A case as the screen shows it. `rows` are the events of its life, log by log."""

    id: str
    reference: str = ""
    line: str = ""
    category: str = ""
    urgency: str = "normal"
    grid: str | None = None
    street: str | None = None
    state: str = "reported"
    reported: Instant = 0
    parked: bool = False
    due: Instant | None = None
    missed: bool = False
    calls: dict[str, Call] = field(default_factory=dict)
    claims: tuple[PlaceClaim, ...] = ()
    placed: CaseRouted | CaseQueued | CaseWithheld | None = None
    clock: ClockStarted | None = None
    rows: list[Row] = field(default_factory=list)
    counted: bool = False

    @property
    def open(self) -> bool:
        """Whether somebody must still act."""
        return self.state not in OVER

    @property
    def calling(self) -> str | None:
        """The highest level that is called."""
        levels = {call.to for call in self.calls.values()}
        return "district" if "district" in levels else "street" if levels else None


class Deadlines:
    """What runs out, the soonest first; behind it what never does, as it changed last."""

    def __init__(self) -> None:
        self._sorted: list[tuple[Instant, str]] = []
        self._endless: dict[str, None] = {}

    def put(self, at: Instant | None, name: str) -> None:
        if at is None:
            self._endless[name] = None
        else:
            insort(self._sorted, (at, name))

    def drop(self, at: Instant | None, name: str) -> None:
        if at is None:
            self._endless.pop(name, None)
            return
        where = bisect_left(self._sorted, (at, name))
        if self._sorted[where : where + 1] == [(at, name)]:
            del self._sorted[where]

    def first(self, count: int) -> list[str]:
        return list(islice(chain((name for _, name in self._sorted), self._endless), count))

    def __len__(self) -> int:
        return len(self._sorted) + len(self._endless)


class View:
    """One district, as far as its logs were read."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self.read = {"intake": 0, "cases": 0, "calls": 0}
        self.applied = {"cases": 0, "calls": 0}  # The last input of which a row tells.
        self.totals: Counter[str] = Counter()
        self.lines: dict[str, Counter[str]] = {line: Counter() for line in LINES}
        self.grids: dict[str, Counter[str]] = {}
        self.touched: dict[str, int] = {}  # Grid → the version in which its counts changed.
        self.version = 0
        self.latest: dict[str, deque[str]] = {line: deque(maxlen=SHOWN) for line in LINES}
        self.events: list[Row] = []
        self.running = Deadlines()
        self.called: dict[str, Deadlines] = {"street": Deadlines(), "district": Deadlines()}
        self.references: dict[str, ReferenceAdopted | PoliciesAdopted] = {}
        self._ended: dict[str, None] = {}
        self._of_call: dict[str, str] = {}
        self._changing: dict[str, Case] = {}  # Those that stand in no count for now.

    def take(self, *logs: Iterable[Row]) -> None:
        """Fold the next rows of some logs. What changes is counted once, however many rows tell of it."""
        self.version += 1
        for row in chain(*logs):
            self.read[row.log] = row.position
            if row.log in self.applied:
                self.applied[row.log] = row.input
            self._take(row)
        for case in self._changing.values():
            self._count(case, +1)
            self._remember(case)
        self._changing.clear()

    def case_of_call(self, call: str) -> Case:
        """The case of an open call."""
        return self.cases[self._of_call[call]]

    def _take(self, row: Row) -> None:
        event = row.event
        match event:
            case ReferenceAdopted() if row.log == "intake":
                self.references[event.kind] = event
            case PoliciesAdopted() if row.log == "calls":
                self.references["policies in force"] = event
            case IssueReported():
                self._came(row, event)
            case _ if row.log != "intake" and (case := getattr(event, "case", None)):
                self._happened(self._case(case, event), row)

    def _case(self, name: str, event: Event) -> Case:
        case = self.cases.get(name)
        if case is None:
            case = self.cases[name] = Case(name)
            if isinstance(
                event, CaseReopened
            ):  # It ended so long ago that it was forgotten, but it is counted.
                case.state, case.line, case.counted = "closed", event.matter.line, True
        return case

    def _came(self, row: Row, event: IssueReported) -> None:
        """An issue is in the log; its case follows."""
        case = self._case(event.issue, event)
        case.claims = event.claims
        case.reference, case.line, case.reported = event.reference, event.line, row.time
        case.category, case.urgency = event.category, event.urgency
        case.rows.append(row)
        self.lines[event.line]["accepted"] += 1
        self.latest[event.line].append(event.issue)

    def _happened(self, case: Case, row: Row) -> None:
        """Take a case out of all counts, and of those that may be forgotten; change it."""
        if case.id not in self._changing:
            self._count(case, -1)
            self._ended.pop(case.id, None)
            self._changing[case.id] = case
        if row.log == "cases":
            changed_by_routing(case, row.event)
        else:
            self._changed_by_escalation(case, row.event, row.time)
        case.rows.append(row)
        if type(row.event) in TOLD:
            self._tell(row)

    def _changed_by_escalation(self, case: Case, event: Event, time: Instant) -> None:
        match event:
            case ClockStarted(due=due):
                case.clock, case.due, case.missed = event, due, False
            case DeadlineMissed():
                case.missed = True
            case CallRaised(call=name):
                unit = event.receiver.unit
                case.calls[name] = Call(
                    name, event.to_level, unit, event.because, time, event.answer_due
                )
                self._of_call[name] = case.id
            case CallAcknowledged(call=name) if name in case.calls:
                case.calls[name].acknowledged = True
            case CallAnswered(call=name) | CallWithdrawn(call=name):
                case.calls.pop(name, None)
                self._of_call.pop(name, None)

    def _count(self, case: Case, by: int) -> None:
        """Add a case to, or take it from, every count and every ladder that it stands in."""
        if not case.line or case.counted == (by > 0):
            return
        case.counted = by > 0
        names = [name for name, holds in standing(case).items() if holds]
        for name in names:
            self.totals[name] += by
            self.lines[case.line][name] += by
        if case.grid is not None:
            counts = self.grids.setdefault(case.grid, Counter())
            for name in names:
                counts[name] += by
            self.touched[case.grid] = self.version
        if case.open and not case.missed:
            put_or_drop(self.running, case.due, case.id, by)
        for call in case.calls.values():
            put_or_drop(self.called[call.to], call.answer_due or call.raised, call.id, by)

    def _remember(self, case: Case) -> None:
        if not case.open and not case.calls:
            self._ended[case.id] = None
        while len(self._ended) > REMEMBERED:
            oldest = next(iter(self._ended))
            del self._ended[oldest], self.cases[oldest]

    def _tell(self, row: Row) -> None:
        if len(self.events) == LATEST and order(row) < order(self.events[0]):
            return
        insort(self.events, row, key=order)
        del self.events[:-LATEST]


def order(row: Row) -> tuple[Instant, int, int]:
    """Events of several logs in one line: what follows from another at the same instant comes after it."""
    return row.time, ORDER[row.log], row.position


def put_or_drop(deadlines: Deadlines, at: Instant | None, name: str, by: int) -> None:
    """One more, or one less."""
    (deadlines.put if by > 0 else deadlines.drop)(at, name)


def standing(case: Case) -> dict[str, bool]:
    """The counts in which a case stands."""
    return {
        "open": case.open,
        "ended": not case.open,
        "overdue": case.open and case.missed,
        "calling": bool(case.calls),
        "queued": case.state == "queued",
        "parked": case.parked,
    }


def changed_by_routing(case: Case, event: Event) -> None:
    """What `cases` tells of a case."""
    match event:
        case CaseReported(matter=matter, reference=reference):
            case.reference, case.line, case.category = reference, matter.line, matter.category
            case.urgency, case.reported = matter.urgency, matter.reported
        case CaseRouted(holder=holder) | CaseQueued(holder=holder) | CaseWithheld(holder=holder):
            case.placed = event
            case.grid, case.street = holder.grid, holder.street
        case CaseReopened(holder=holder, matter=matter):
            case.line, case.category, case.urgency = matter.line, matter.category, matter.urgency
            case.grid, case.street = holder.grid, holder.street
        case CaseParked():
            case.parked = True
        case CaseRetried():
            case.parked = False
    case.state = STATES.get(type(event), case.state)
