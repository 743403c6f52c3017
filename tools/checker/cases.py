"""The cases of routing (guarantees 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass

from tools.checker.call_inputs import (
    CALL_ACTIONS,
    CALL_INPUTS,
    ENDED,
    PLACED,
    REASSIGNED,
    RETRY,
    CallInput,
    call_input,
)
from tools.checker.holders import Holders
from tools.checker.inputs import Input, Inputs
from tools.checker.order import Timeline, cause_position
from tools.checker.report import Report
from tools.checker.rows import REFERENCE, Head, Row, Unreadable
from tools.checker.waiting import WAITING, WaitingInputs

PROGRESS = ("case-resolved", "case-verified", "resolution-rejected")  # After its visit.
OUTCOMES = {  # What may become of each input, beside WAITING.
    "reference-adopted": ("reference-adopted", "policies-adopted", "roster-adopted"),
    "issue-reported": ("case-reported",),
    "place-named": ("input-declined", *PLACED, REASSIGNED),
    "visit-made": ("input-declined", "case-visited"),
    "resolution-claimed": ("input-declined", "case-resolved"),
    "resolution-checked": ("input-declined", "case-verified", "resolution-rejected"),
    "closing-asked": ("input-declined", "case-closed"),
    "reopening-asked": ("input-declined", "case-reopened"),
    "issue-withdrawn": ("input-declined", "case-withdrawn"),
    "ended-at-source": ("input-declined", "case-ended-at-source"),
    "acknowledgement-given": ("acknowledgement-passed-on",),
    "answer-given": ("answer-passed-on",),
    "retry-asked": ("input-declined", "case-retried", "retry-passed-on"),
}
EARLY = ("action-waits", "action-expired")  # These name the issue of a case that is still to come.
WAITING_MAX = 32  # Actions of one source that wait for one issue.
QUEUED = {"open": "queued", "queued": "queued", "visited": "sought", "sought": "sought"}
HELD = {"open": "open", "visited": "visited", "sought": "visited"}
OPEN_STATES = tuple(QUEUED)  # A case is `sought` if it was visited before it came to a queue.
PLACES = (*OPEN_STATES, "closed", "withdrawn", "parked")  # Where an accepted issue can be.


@dataclass(slots=True)
class Life:
    """The state of a case, and its states before it ended and before it was parked.

    `due` is the due time that its line promised.
    """

    state: str = "unreported"
    before: str = ""
    parked: str = ""
    due: int | None = None


class Cases:
    """Routing's log of one shard.

    Each input has an outcome, each issue has a case, and each case is in one state.
    """

    def __init__(self, shard: str, accepted: Inputs, timeline: Timeline, report: Report) -> None:
        self.call_inputs: list[CallInput] = []
        self._shard = shard
        self._inputs = accepted.inputs
        self._issues = accepted.issues
        self._timeline = timeline
        self._report = report
        self._waiting = WaitingInputs(shard, timeline, report)
        self._decided_inputs: set[int] = set()
        self._in_decision: set[int] = set()  # The inputs of which this decision has rows.
        self._opened: dict[str, str] = {}
        self._lives: dict[str, Life] = {}
        self._holders = Holders(shard, report)

    def take(self, row: Row) -> None:
        position = cause_position(row)
        if row.step == 1:
            self._in_decision.clear()
        given = None if position is None else self._inputs.get(position)
        if position is not None and position not in self._in_decision:
            self._in_decision.add(position)
            self._outcome(row, given)
        if position is not None and row.step == 1:
            self._decided_inputs.add(position)
        self._waiting.take(row, given)
        if row.subject != REFERENCE:
            self._apply_to_case(row, row.text("issue" if row.kind in EARLY else "case"), given)
        self._holders.take(row)
        if row.kind in CALL_INPUTS:
            self.call_inputs.append(call_input(row))

    def _outcome(self, row: Row, given: Input | None) -> None:
        """Check that a decision's first row about an input is an outcome of that input."""
        if given is None:
            return
        if given.kind not in OUTCOMES:
            raise Unreadable(f"{row.cause} has a type that this check does not know: {given.kind}")
        if row.kind not in (*OUTCOMES[given.kind], *self._early_outcomes(row)):
            self._report.say(
                "outcome", f"{row.name} ({row.kind}) is no outcome of {row.cause} ({given.kind})"
            )
        if row.subject != given.issue and row.kind != "input-held":  # Behind another case.
            self._report.say(
                "outcome",
                f"{row.name} is about {row.subject}, but {row.cause} is about {given.issue}",
            )
        if row.kind in CALL_ACTIONS and row.text("call") != given.call:
            self._report.say(
                "outcome",
                f"{row.name} is about call {row.text('call')}, but {row.cause} about {given.call}",
            )

    def _early_outcomes(self, row: Row) -> tuple[str, ...]:
        """Return what may become of any input: before its report, any action may be declined."""
        reported = self._lives.get(row.subject, Life()).state != "unreported"
        return WAITING if reported else (*WAITING, "input-declined")

    def _open(self, row: Row, case: str) -> None:
        issue = row.text("issue")
        if issue not in self._issues or self._issues[issue] != cause_position(row):
            self._report.say(
                "case",
                f"{row.name} opens case {case} for issue {issue}, because of {row.cause}, "
                "which is not it",
            )
        if issue in self._opened:
            self._report.say(
                "case",
                f"{row.name} opens case {case} for issue {issue}, which has case "
                f"{self._opened[issue]}",
            )
        self._opened[issue] = case

    def _apply_to_case(self, row: Row, case: str, given: Input | None) -> None:
        if row.subject != case:
            self._report.say(
                "subject", f"{row.name} is filed under {row.subject}, and tells of case {case}"
            )
        life = self._lives.setdefault(case, Life())
        if row.kind == "case-reported":
            self._open(row, case)
            life.due = row.instant("matter", "due")
        self._check_promise(row, life, case)
        if given is not None and life.state == "unreported":
            self._check_limit(row, given)
        self._move(row, life, case, given)

    def _check_promise(self, row: Row, life: Life, case: str) -> None:
        """Check that a reopened case keeps the due time of its line as long as that is to come.

        An input that waited behind a parked case was decided at its own, earlier time.
        """
        if row.kind != "case-reopened":
            return
        due = life.due if life.due is not None and row.time <= life.due else None
        is_late = cause_position(row) != row.input
        if row.instant("matter", "due") not in ({due, life.due} if is_late else {due}):
            self._report.say(
                "clock",
                f"{row.name} reopens case {case} until {row.instant('matter', 'due')}; its line "
                f"promised {life.due}",
            )

    def _check_limit(self, row: Row, given: Input) -> None:
        """Check that actions before a report wait up to the limit, and are declined beyond it."""
        if row.kind not in ("action-waits", "input-declined") or given.kind == "retry-asked":
            return
        waiting = self._waiting.count(row.subject, given.source)
        if waiting > WAITING_MAX or (row.kind == "input-declined" and waiting < WAITING_MAX):
            self._report.say(
                "outcome",
                f"{row.name} ({row.kind}) leaves {waiting} actions of {given.source!r} waiting for "
                f"{row.subject}; the limit is {WAITING_MAX}",
            )

    def _move(self, row: Row, life: Life, case: str, given: Input | None) -> None:
        again = (
            row.kind == "case-parked"
            and life.state == "parked"
            and given is not None
            and given.kind == "retry-asked"
        )
        state = "parked" if again else next_state(life, row)
        if state is None:
            self._report.say(
                "state", f"{row.name} ({row.kind}) is about case {case}, which is {life.state}"
            )
            return
        if life.state in OPEN_STATES:
            life.before = life.state
        if row.kind == "case-parked" and not again:
            life.parked = life.state
        life.state = state

    def close(self, head: Head) -> None:
        self._waiting.close(head)
        self._holders.close()
        for position in self._timeline.times:
            if position not in self._decided_inputs:
                self._report.say(
                    "outcome", f"intake/{self._shard}/{position} has no outcome in cases"
                )
        for issue, position in self._issues.items():
            if issue not in self._opened and self._lives.get(issue, Life()).state != "parked":
                self._report.say(
                    "case",
                    f"intake/{self._shard}/{position} reported issue {issue}, which has no case",
                )
        for case, life in self._lives.items():
            if life.state not in (*PLACES, "unreported"):
                self._report.say(
                    "state",
                    f"{self._shard}: case {case} is {life.state}, and in none of "
                    f"{', '.join(PLACES)}",
                )


def next_state(life: Life, row: Row) -> str | None:
    """Return the state of a case after one more row, or None if no step leads there."""
    state = life.state
    match row.kind:
        case "case-parked" if state == "reported":
            return None  # Its placement is an event of the report's own decision.
        case "case-parked" | "input-held":
            return "parked" if (state == "parked") == (row.kind == "input-held") else None
        case "case-retried":
            return life.parked if state == "parked" else None
        case _ if state == "parked":
            return None
        case "case-reported":
            return "reported" if state == "unreported" else None
        case "case-reopened":
            queued = QUEUED.get(life.before) == life.before  # It ended in a queue.
            return ("queued" if queued else "open") if state == "closed" else None
        case "action-waits" | "action-expired":
            return state if state == "unreported" else None
        case "input-declined":
            return state
        case kind if kind in (*CALL_ACTIONS, RETRY):
            return state if state != "unreported" else None
        case kind if kind in PLACED:
            return PLACED[kind] if state in ("reported", "queued") else None
        case kind if kind == REASSIGNED:
            reassigned = QUEUED if row.field("queued") is True else HELD
            return reassigned.get(state)
        case "case-visited":
            return "visited" if state == "open" else None
        case kind if kind in PROGRESS:
            return state if state in ("visited", "sought") else None
        case kind if kind in ENDED:
            return ending_state(row) if state in OPEN_STATES else None
    raise Unreadable(f"{row.name} has a type that this check does not know: {row.kind}")


def ending_state(row: Row) -> str:
    known = {"case-closed": "closed", "case-withdrawn": "withdrawn"}
    return known.get(row.kind) or row.text("outcome")
