"""Inputs that wait in `cases`: for their report, or behind a parked case (guarantee 1).

Each is decided once, in the decision that lets it go on, or expires at its instant, or still waits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

from tools.checker.inputs import Input
from tools.checker.order import Timeline, cause_position
from tools.checker.report import Report
from tools.checker.rows import Head, Row

WAITING = ("action-waits", "case-parked", "input-held")
NO_TIMES: Mapping[int, int] = {}


@dataclass(slots=True, eq=False)
class Wait:
    """An input that waits: for the report of `case` if it is `early`, else until `case` goes on.

    Its timer runs after the input `since`, up to `expires`, but not while the case is parked.
    """

    position: int
    case: str
    early: bool
    source: str
    expires: int | None
    since: int


class WaitingInputs:
    """The inputs of a shard that wait."""

    def __init__(self, shard: str, timeline: Timeline, report: Report) -> None:
        self._shard = shard
        self._timeline = timeline
        self._report = report
        self._waits: dict[int, Wait] = {}
        self._of_case: defaultdict[str, dict[int, Wait]] = defaultdict(dict)
        self._due: list[tuple[int, int]] = []  # When each is to expire, and its position.
        self._parked: set[str] = set()
        self._going_on: dict[int, Wait] = {}  # Those that this decision must decide.
        self._overdue: set[int] = set()  # Those that were said not to have expired.
        self._retried: Row | None = None  # The first row of this decision, if it is a retry.
        self._time: int | None = None  # The time of the row before.

    def take(self, row: Row, given: Input | None) -> None:
        """Take the next row. `given` is its cause, if that is an input."""
        position = cause_position(row)
        if row.step == 1:
            self._settle()
            if position is not None:
                self._check_overdue(row.time, row.input)
        if position is not None and position != row.input:
            self._decide(row, position)
        match row.kind:
            case "action-expired":
                self._expire(row)
            case "case-retried":
                self._release(row)
            case "case-reported":
                self._report_case(row)
            case "case-parked" | "input-held":
                self._parked.add(row.subject)
        if row.kind in WAITING and row.has_input and position is not None and given is not None:
            self._wait(row, position, given)
        self._time = row.time

    def count(self, case: str, source: str) -> int:
        """Return how many actions of a source wait for the report of a case."""
        waits = self._of_case[case].values() if case in self._of_case else ()
        return sum(wait.early and wait.source == source for wait in waits)

    def close(self, head: Head) -> None:
        """Check that all has expired that was due before the time that has passed."""
        self._settle()
        self._check_overdue(head.time, head.input + 1, self._timeline.times)

    # ── Waiting, and going on ────────────────────────────────────────────────────────────────────

    def _wait(self, row: Row, position: int, given: Input) -> None:
        if row.text("input", "id") != row.cause:
            self._report.say(
                "outcome", f"{row.name} stores {row.text('input', 'id')}, because of {row.cause}"
            )
        early = row.kind == "action-waits"
        expires = row.instant("expires") if early else None
        self._forget(position)
        wait = Wait(position, row.subject, early, given.source, expires, row.input)
        self._waits[position] = self._of_case[row.subject][position] = wait
        if expires is not None:
            heappush(self._due, (expires, position))

    def _decide(self, row: Row, position: int) -> None:
        """Let an input go that is decided late. Order says so if it did not wait at all."""
        wait = self._waits.get(position)
        if wait is None:
            return
        if self._going_on.pop(position, None) is not wait:
            self._say("outcome", wait, f"is decided by {row.name}, though it still had to wait")
        self._forget(position)
        if self._retried is not None and not wait.early:
            self._check_expired(self._retried, self._timeline.times.get(position, 0))

    def _forget(self, position: int) -> None:
        wait = self._waits.pop(position, None)
        if wait is not None:
            del self._of_case[wait.case][position]

    def _release(self, row: Row) -> None:
        """Let a case go on: what waits behind it is to be decided now, and its timers run again."""
        self._retried = row
        self._parked.discard(row.subject)
        for wait in self._of_case[row.subject].values():
            if not wait.early:
                self._going_on[wait.position] = wait
            elif wait.expires is not None:
                wait.since = row.input
                heappush(self._due, (wait.expires, wait.position))

    def _report_case(self, row: Row) -> None:
        """Let the early actions of a case go on: they are to be decided now."""
        for wait in self._of_case[row.subject].values():
            if wait.early:
                self._going_on[wait.position] = wait

    def _settle(self) -> None:
        """Check that the last decision decided all that it let go on."""
        if self._retried is not None:
            self._check_expired(self._retried, self._retried.time)
            self._retried = None
        for wait in self._going_on.values():
            self._say("outcome", wait, f"had waited for case {wait.case}, and was not decided")
            self._forget(wait.position)
        self._going_on.clear()

    # ── Expiry ───────────────────────────────────────────────────────────────────────────────────

    def _expire(self, row: Row) -> None:
        """Check that an action expires that waits, exactly when it is due."""
        timer, _, number = row.cause.rpartition("/")
        wait = self._waits.get(int(number)) if number.isdecimal() else None
        if (
            timer != f"clock/{row.subject}/expiry"
            or wait is None
            or wait.expires is None
            or wait.case != row.subject
            or wait.case in self._parked
            or row.text("input") != f"intake/{self._shard}/{number}"
        ):
            self._report.say(
                "expiry",
                f"{row.name} lets {row.field('input')} expire because of {row.cause}; no such "
                "action waits there",
            )
            return
        due = wait.expires
        if self._retried is not None:
            self._expire_at_retry(row, wait, due)
            return
        if row.time != (at := due if self._time is None else max(due, self._time)):
            self._say("expiry", wait, f"expires at {row.time} in {row.name}, and should at {at}")
        passed = self._timeline.first_beyond(wait.since, due)
        after = self._timeline.last if passed is None else passed - 1
        if row.input != after:
            self._say(
                "expiry",
                wait,
                f"expires in {row.name} after input {row.input}; due at {due}, it expires after "
                f"{after}",
            )
        self._forget(wait.position)

    def _expire_at_retry(self, row: Row, wait: Wait, due: int) -> None:
        """Check that an action expires in a retry before all that came after it was due."""
        times = self._timeline.times
        later = [times.get(position, 0) for position in self._going_on]
        if due >= min((row.time, *later)):
            self._say("expiry", wait, f"expires too early in {row.name}: it was due at {due}")
        self._forget(wait.position)

    def _check_expired(self, retried: Row, until: int) -> None:
        """Report what a retry should have let expire before an instant."""
        for wait in self._of_case[retried.subject].values():
            if not wait.early or wait.expires is None or wait.position in self._overdue:
                continue
            if wait.expires < until:
                self._overdue.add(wait.position)
                self._say("expiry", wait, f"was to expire at {wait.expires}, and waits at {until}")

    def _check_overdue(self, time: int, input_: int, times: Mapping[int, int] = NO_TIMES) -> None:
        """Report what should have expired before an input of this time, each once.

        What is parked waits on. A timer that was due when it started fires with the next decision,
        or at the end when time has passed once more.
        """
        again = []
        while self._due and self._due[0][0] < time:
            due, position = heappop(self._due)
            wait = self._waits.get(position)
            if wait is None or wait.expires != due or wait.case in self._parked:
                continue
            if wait.since >= input_ or times.get(wait.since, due) >= time:
                again.append((due, position))
            elif position not in self._overdue:
                self._overdue.add(position)
                self._say("expiry", wait, f"was to expire at {due}, and still waits at {time}")
        for each in again:
            heappush(self._due, each)

    def _say(self, kind: str, wait: Wait, sentence: str) -> None:
        self._report.say(kind, f"intake/{self._shard}/{wait.position} {sentence}")
