"""The cases of routing (guarantees 1 and 2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tools.checker.call_inputs import (
    CALL_ACTIONS,
    CALL_INPUTS,
    ENDED,
    PLACED,
    RETRY,
    CallInput,
    call_input,
)
from tools.checker.inputs import Input, Inputs
from tools.checker.order import cause_position
from tools.checker.report import Report
from tools.checker.rows import REFERENCE, Row, Unreadable

PROGRESS = ("case-visited", "case-resolved", "case-verified", "resolution-rejected")
OUTCOMES = {  # What may become of each input, beside WAITING.
    "reference-adopted": ("reference-adopted", "policies-adopted", "roster-adopted"),
    "issue-reported": ("case-reported",),
    "place-named": ("input-declined", *PLACED),
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
WAITING = ("action-waits", "case-parked", "input-held")
WAITING_MAX = 32  # Actions of one source that wait for one issue.
OPEN_STATES = ("open", "queued")
PLACES = (*OPEN_STATES, "closed", "withdrawn", "parked")  # Where an accepted issue can be.


@dataclass(slots=True)
class Life:
    """The state of a case, and its states before it ended and before it was parked.

    `waiting` counts the actions that came before its report, and `waiting_of` those of each source.
    `due` is the due time that its line promised. `retried` is true while the rows of a retry are
    read: they decide the inputs that were deferred.
    """

    state: str = "unreported"
    before: str = ""
    parked: str = ""
    waiting: int = 0
    waiting_of: Counter[str] = field(default_factory=Counter)
    due: int | None = None
    retried: bool = False


class Cases:
    """Routing's log of one shard.

    Each input has an outcome, each issue has a case, and each case is in one state.
    """

    def __init__(self, shard: str, accepted: Inputs, report: Report) -> None:
        self.call_inputs: list[CallInput] = []
        self._shard = shard
        self._inputs = accepted.inputs
        self._issues = accepted.issues
        self._report = report
        self._decided_inputs: set[int] = set()
        self._opened: dict[str, str] = {}
        self._lives: dict[str, Life] = {}

    def take(self, row: Row) -> None:
        position = cause_position(row)
        if position is not None and row.step == 1:
            self._decided_inputs.add(position)
            self._outcome(row, self._inputs.get(position))
        if row.subject != REFERENCE:
            self._apply_to_case(row, row.text("issue" if row.kind == "action-waits" else "case"))
        if row.kind in CALL_INPUTS:
            self.call_inputs.append(call_input(row))

    def _outcome(self, row: Row, given: Input | None) -> None:
        """Check that a decision's first row is an outcome of its cause."""
        if given is None:
            return
        if given.kind not in OUTCOMES:
            raise Unreadable(f"{row.cause} has a type that this check does not know: {given.kind}")
        if row.kind not in (*OUTCOMES[given.kind], *self._early_outcomes(row)):
            self._report.say(
                "outcome", f"{row.name} ({row.kind}) is no outcome of {row.cause} ({given.kind})"
            )
        if row.subject != given.issue:
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
        if issue not in self._issues or (
            self._issues[issue] != cause_position(row) and not self._lives[case].retried
        ):
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

    def _apply_to_case(self, row: Row, case: str) -> None:
        if row.subject != case:
            self._report.say(
                "subject", f"{row.name} is filed under {row.subject}, and tells of case {case}"
            )
        life = self._lives.setdefault(case, Life())
        if row.step == 1:
            life.retried = row.kind == "case-retried"
        if row.kind == "case-reported":
            self._open(row, case)
            life.due = row.instant("matter", "due")
        self._check_promise(row, life, case)
        self._check_limit(row, life)
        if row.kind == "action-waits":
            life.waiting += 1
        elif life.retried:
            life.waiting = life.waiting if row.kind != "case-reported" else 0
        elif row.step > 2:  # The report, its place, then what waited.
            life.waiting = max(0, life.waiting - 1)
        self._move(row, life, case)

    def _check_promise(self, row: Row, life: Life, case: str) -> None:
        """Check that a reopened case keeps the due time of its line as long as that is to come.

        An input that waited behind a parked case was decided at its own, earlier time.
        """
        if row.kind != "case-reopened":
            return
        due = life.due if life.due is not None and row.time <= life.due else None
        if row.instant("matter", "due") not in ({due, life.due} if life.retried else {due}):
            self._report.say(
                "clock",
                f"{row.name} reopens case {case} until {row.instant('matter', 'due')}; its line "
                f"promised {life.due}",
            )

    def _check_limit(self, row: Row, life: Life) -> None:
        """Check that actions before a report wait up to the limit, and are declined beyond it."""
        given = self._inputs.get(cause_position(row) or 0)
        if row.kind not in ("action-waits", "input-declined") or life.state != "unreported":
            return
        if given is None or given.kind == "retry-asked":
            return
        if row.kind == "action-waits":
            life.waiting_of[given.source] += 1
        waiting = life.waiting_of[given.source]
        if waiting > WAITING_MAX or (row.kind == "input-declined" and waiting < WAITING_MAX):
            self._report.say(
                "outcome",
                f"{row.name} ({row.kind}) leaves {waiting} actions of {given.source!r} waiting for "
                f"{row.subject}; the limit is {WAITING_MAX}",
            )

    def _move(self, row: Row, life: Life, case: str) -> None:
        given = self._inputs.get(cause_position(row) or 0)
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

    def close(self, inputs: Iterable[int]) -> None:
        for position in inputs:
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
            if life.waiting and life.state not in ("unreported", "parked"):
                self._report.say(
                    "outcome",
                    f"{self._shard}: {life.waiting} actions that waited for case {case} have "
                    "no outcome",
                )
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
        case "case-parked" | "input-held":
            return "parked" if (state == "parked") == (row.kind == "input-held") else None
        case "case-retried":
            return life.parked if state == "parked" else None
        case _ if state == "parked":
            return None
        case "case-reported":
            return "reported" if state == "unreported" else None
        case "case-reopened":
            return life.before if state == "closed" else None
        case "action-waits":
            return state if state == "unreported" else None
        case "input-declined":
            return state
        case kind if kind in (*CALL_ACTIONS, RETRY):
            return state if state != "unreported" else None
        case kind if kind in PLACED:
            return PLACED[kind] if state in (*OPEN_STATES, "reported") else None
        case kind if kind in PROGRESS:
            return state if state == "open" else None
        case kind if kind in ENDED:
            return ending_state(row) if state in OPEN_STATES else None
    raise Unreadable(f"{row.name} has a type that this check does not know: {row.kind}")


def ending_state(row: Row) -> str:
    known = {"case-closed": "closed", "case-withdrawn": "withdrawn"}
    return known.get(row.kind) or row.text("outcome")
