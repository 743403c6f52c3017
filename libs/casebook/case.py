"""The fold of one case over `intake`, `cases` and `calls`.

Facts that two logs carry are the same in both. Each log must be read in its own order. The order in
which the logs are read against each other changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from casebook.call import CallChange
from eventlog.core.row import Row
from events.catalogue import (
    Action,
    ActionExpired,
    ActionWaits,
    Adopted,
    Assignment,
    CallAction,
    CallActionDeclined,
    CaseClosed,
    CaseEndedAtSource,
    CaseFacts,
    CaseParked,
    CaseQueued,
    CaseReassigned,
    CaseReopened,
    CaseReported,
    CaseResolved,
    CaseRetried,
    CaseRouted,
    CaseVerified,
    CaseVisited,
    CaseWithdrawn,
    CaseWithheld,
    ClockHandedOver,
    ClockStarted,
    ClockStopped,
    DeadlineMissed,
    EvaluationEvent,
    Event,
    InputDeclined,
    InputHeld,
    IssueReported,
    Level,
    ReopenedWithoutDeadline,
    ResolutionRejected,
    RetryAsked,
    RetryPassedOn,
)
from events.instants import BEGINNING, Instant
from events.registry import TYPE_OF

Unchanging = (
    Adopted | Action | RetryAsked | CallAction | RetryPassedOn | CallChange | CallActionDeclined
    | ClockHandedOver | ClockStopped | ActionWaits | ActionExpired | InputDeclined | InputHeld
    | EvaluationEvent
)  # fmt: skip
"""The events that change no field of a case: inputs, whose outcome is another event, calls, and
months.
"""


ATTENDED = ("visited", "resolved", "verified")  # The stages of an open case after its visit.
STAGE_OF = {cls: kind.case_stage for cls, kind in TYPE_OF.items() if kind.case_stage}


@dataclass(slots=True)
class Case:
    """A case as the rows so far describe it. All its fields are plain, so that it packs small.

    `stage` is the `case_stage` that its last event declares. `reason` says why, as `recurrence`,
    `unsatisfied`, `check_failed`, or the outcome that a source reported. `level`,
    `grid`, `street` and `worker` say who answers for it. `queued` says that a dispatcher must say
    where it is, though somebody may have visited it; one that ended so reopens so. `missed` says
    that its present deadline ran out, `ever_missed` that this one or an earlier one did. `ended`
    and `outcome` are None while it is open. `parked_in` names the logs in which it is parked.
    `changed` is the instant of the last row about its stage, its deadline or its parking. `line` is
    empty until a row says what the case is about.
    """

    id: str
    reference: str = ""
    line: str = ""
    category: str = ""
    urgency: str = "normal"
    reported: Instant = 0
    stage: str = "reported"
    level: Level = "grid"
    grid: str | None = None
    street: str | None = None
    worker: str | None = None
    queued: bool = False
    located_by: str = "none"
    data_flags: tuple[str, ...] = ()
    due: Instant | None = None
    missed: bool = False
    ever_missed: bool = False
    ended: Instant | None = None
    outcome: Literal["closed", "withdrawn"] | None = None
    parked_in: tuple[str, ...] = ()
    reason: str = ""
    changed: Instant = BEGINNING

    @property
    def open(self) -> bool:
        """True while somebody must still act."""
        return self.ended is None

    @property
    def overdue(self) -> bool:
        """True while the case is open beyond its deadline."""
        return self.missed and self.ended is None


def evolve_case(case: Case, row: Row) -> None:
    """Change a case by the next row about it. Rows about its calls change the calls (call.py)."""
    event: Event = row.event
    match event:
        case IssueReported():
            case.reference, case.line, case.reported = event.reference, event.line, row.time
            case.category, case.urgency = event.category, event.urgency
            add_flags(case, event.rules)
            note_change(case, row.time)
        case CaseReported():
            case.reference, case.reported = event.reference, event.matter.reported
            describe(case, event.matter)
            add_flags(case, event.rules)
        case CaseRouted() | CaseQueued() | CaseWithheld():
            assign(case, event.holder)
            case.queued = isinstance(event, CaseQueued)
            case.located_by = event.located_by
            add_flags(case, event.rules)
        case CaseReassigned():
            reassign(case, event, row.time)
        case ClockStarted():
            case.due, case.missed = event.due, False
            note_change(case, row.time)
        case ReopenedWithoutDeadline():
            case.due, case.missed = None, False
            note_change(case, row.time)
        case DeadlineMissed():
            case.missed = case.ever_missed = True
            note_change(case, row.time)
        case CaseEndedAtSource():
            case.ended, case.outcome = row.time, event.outcome
            add_flags(case, event.rules)
        case CaseClosed():
            case.ended, case.outcome = row.time, "closed"
        case CaseWithdrawn():
            case.ended, case.outcome = row.time, "withdrawn"
        case CaseReopened():
            case.ended = case.outcome = None
            describe(case, event.matter)
            assign(case, event.holder)
        case CaseParked():
            case.parked_in = tuple(sorted({*case.parked_in, row.log}))
            note_change(case, row.time)
        case CaseRetried():
            case.parked_in = tuple(log for log in case.parked_in if log != row.log)
            note_change(case, row.time)
        case CaseVisited() | CaseResolved() | CaseVerified() | ResolutionRejected():
            assign(case, event.holder)
        case unchanging:
            leave(unchanging)
    if stage := STAGE_OF.get(type(event)):
        case.stage, case.reason = stage, reason_of(event)
        note_change(case, row.time)


def reassign(case: Case, event: CaseReassigned, time: Instant) -> None:
    """Give a case to another holder. The stage of one that was visited stays."""
    assign(case, event.holder)
    case.queued = event.queued
    case.located_by = event.located_by
    add_flags(case, event.rules)
    if event.queued and case.stage not in ATTENDED:
        case.stage, case.reason = "queued", ""
    elif case.stage in ("routed", "withheld"):
        case.stage = "routed" if event.holder.level == "grid" else "withheld"
    note_change(case, time)


def reason_of(event: Event) -> str:
    """Return the code that says why a case comes into its stage; empty if the stage says all."""
    match event:
        case CaseReopened(because=because):
            return because
        case CaseEndedAtSource(outcome=outcome):
            return outcome
        case ResolutionRejected():
            return "check_failed"
        case _:
            return ""


def note_change(case: Case, time: Instant) -> None:
    """Set the instant of the last change, unless a row of another log is later."""
    case.changed = max(case.changed, time)


def leave(event: Unchanging) -> None:
    """Do nothing. A type error here names the event that `evolve_case` forgets."""


def describe(case: Case, facts: CaseFacts) -> None:
    """Set the fields that say what the case is about."""
    case.line, case.category, case.urgency = facts.line, facts.category, facts.urgency


def assign(case: Case, assignment: Assignment) -> None:
    """Set the fields that say who answers for the case."""
    case.level, case.grid = assignment.level, assignment.grid
    case.street, case.worker = assignment.street, assignment.worker


def add_flags(case: Case, flags: tuple[str, ...]) -> None:
    """Add flags about dirt in the source's data, sorted, each once."""
    if flags:
        case.data_flags = tuple(sorted({*case.data_flags, *flags}))
