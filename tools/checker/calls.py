"""Calls and their clocks (guarantee 5)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import groupby
from operator import attrgetter

from tools.checker.call_inputs import (
    CALL_ACTIONS,
    ENDED,
    PLACED,
    REASSIGNED,
    RETRY,
    CallInput,
)
from tools.checker.clocks import Clocks
from tools.checker.order import Timeline, cause_position
from tools.checker.report import Report
from tools.checker.rows import REFERENCE, Head, Row, Unreadable
from tools.checker.watches import Watch

cause_of = attrgetter("cause")


class Calls:
    """Escalation's log of one shard, decision by decision, beside its inputs of `cases`.

    A clock fires before the first input that lets time pass beyond its due time. So the input
    of a fired decision is known, and with it whether an answer or an ending came first.
    """

    def __init__(
        self, shard: str, call_inputs: list[CallInput], timeline: Timeline, report: Report
    ) -> None:
        self._shard = shard
        self._inputs_left: Iterator[CallInput] = iter(call_inputs)
        self._next = next(self._inputs_left, None)
        self._now: CallInput | None = None  # The last input, until it is settled.
        self._decided = False
        self._clocks = Clocks(shard, timeline, report)
        self._report = report
        self._watches: dict[str, Watch] = {}

    def take(self, rows: list[Row]) -> None:
        """Take the rows of the next decision."""
        self._read_until(rows[0].input)
        try:
            if rows[0].subject == REFERENCE:
                self._cause(rows[0])
            else:
                self._take(rows)
        finally:
            self._clocks.time = rows[-1].time

    def _take(self, rows: list[Row]) -> None:
        case = rows[0].subject
        for row in rows:
            if row.text("case") != case:
                self._report.say(
                    "subject",
                    f"{row.name} is filed under {case}, and tells of case {row.text('case')}",
                )
        watch = self._watches.setdefault(case, Watch())
        if rows[0].cause.startswith("clock/"):
            self._settle()
            self._clocks.fire(rows, watch)
        else:
            self._clocks.check_overdue(case, watch, Head(input=rows[0].input))
            if rows[0].kind == "case-retried":
                self._retry_case(rows, watch)
                return
            for row in rows:
                self._apply_row(row, watch, self._cause(row))

    def _read_until(self, until: int) -> None:
        """Apply the rows of `cases` up to a position. Each is settled before the next."""
        while self._next and self._next.position <= until:
            self._settle()
            self._now, self._decided = self._next, False
            self._apply_input(self._now)
            self._next = next(self._inputs_left, None)

    def _apply_input(self, now: CallInput) -> None:
        watch = self._watches.setdefault(now.case, Watch())
        watch.ended = now.kind in ENDED or (watch.ended and now.kind != "case-reopened")
        self._clocks.policies = now.policies or self._clocks.policies

    def _cause(self, row: Row) -> CallInput | None:
        """Return the last input if this row follows from it."""
        now = self._now
        if now is None or now.case != row.subject or now.position != cause_position(row):
            return None
        self._decided = True
        return now

    def _settle(self) -> None:
        """Check that all that had to follow from the last input has followed."""
        now, self._now = self._now, None
        if now is None:
            return
        watch, name = self._watches[now.case], f"cases/{self._shard}/{now.position}"
        if watch.parked:
            self._settle_parked(name)
        elif now.kind in ENDED:
            self._settle_ending(watch, name)
        elif now.kind in CALL_ACTIONS:
            self._settle_action(watch, now, name)
        elif not self._decided and self._concerns(now, watch):
            self._report.say(
                "clock",
                f"{name} ({now.kind}) is about {now.case}, and nothing follows from it in calls",
            )

    def _concerns(self, now: CallInput, watch: Watch) -> bool:
        """Return whether escalation must act: on policies, or on a case with a holder.

        A reopening always has an effect, because a missing deadline is said.
        """
        if now.kind == REASSIGNED:
            return watch.running
        return (
            now.kind in (*CALL_ACTIONS, RETRY, "case-reopened")
            or watch.running
            or now.due is not None
            or now.policies is not None
            or self._clocks.policies.limit(now.matter)
        )

    def _settle_parked(self, name: str) -> None:
        if not self._decided:
            self._report.say("clock", f"{name} is about a case that was parked, and was not held")

    def _settle_ending(self, watch: Watch, name: str) -> None:
        if watch.running:
            self._report.say(
                "clock", f"{name} ended its case, and its clock {watch.run} was not stopped"
            )
        for call in watch.calls:
            self._report.say("ending", f"{name} ended its case, and call {call} is open")
        watch.running = False
        watch.calls.clear()

    def _settle_action(self, watch: Watch, now: CallInput, name: str) -> None:
        if not self._decided:
            self._report.say(
                "ending", f"{name} is about call {now.call}, and has no outcome in calls"
            )
        elif now.kind == "answer-passed-on" and now.call in watch.calls:
            self._report.say("ending", f"{name} answers call {now.call}, which is still open")

    def _apply_row(self, row: Row, watch: Watch, cause: CallInput | None) -> None:
        stores = row.kind in ("case-parked", "input-held") and row.has_input
        again = row.kind == "case-retried" or (
            row.kind == "case-parked" and cause is not None and not stores
        )
        if watch.parked != (again or row.kind == "input-held"):
            parked = "is parked" if watch.parked else "is not parked"
            self._report.say(
                "clock", f"{row.name} ({row.kind}) is about case {row.subject}, which {parked}"
            )
        match row.kind:
            case "clock-started":
                self._start_clock(row, watch, cause)
            case "clock-handed-over":
                self._check_running(row, watch, cause, (*PLACED, REASSIGNED))
                self._check_handover(row, watch)
                self._assign(row, watch, cause)
            case "reopened-without-deadline":
                self._check_no_deadline(row, watch, cause)
            case "clock-stopped":
                self._check_running(row, watch, cause, ENDED)
                watch.running = False
            case "call-answered":
                self._end_call(
                    row,
                    watch,
                    cause is not None
                    and (cause.kind, cause.call) == ("answer-passed-on", row.text("call")),
                )
            case "call-withdrawn":
                self._end_call(row, watch, cause is not None and cause.kind in ENDED)
            case "case-parked" | "input-held":
                watch.parked = True
                if cause and stores:
                    watch.deferred.append(cause)
            case "case-retried":
                self._check_retry(row, watch, cause)
            case "deadline-missed" | "call-raised":
                kind = "call" if row.kind == "call-raised" else "deadline"
                self._report.say(
                    kind, f"{row.name} ({row.kind}) follows from {row.cause}, which is no clock"
                )
            case kind if kind not in (
                "call-acknowledged",
                "call-action-declined",
                "input-declined",
            ):
                raise Unreadable(f"{row.name} has a type that this check does not know: {kind}")

    def _check_retry(self, row: Row, watch: Watch, cause: CallInput | None) -> None:
        """Let the clocks run again."""
        if cause is None or cause.kind != RETRY:
            self._report.say(
                "clock", f"{row.name} retries case {row.subject}; {row.cause} does not ask for it"
            )
        watch.parked, watch.since = False, row.input
        for call in watch.calls.values():
            call.since = row.input

    def _retry_case(self, rows: list[Row], watch: Watch) -> None:
        """Settle the deferred inputs in one decision: each row names the one that it follows from.

        An input that concerns no clock and no call leaves no row. A clock that ran out before the
        time of an input fires before it. Inputs of one instant count as one decision.
        """
        waiting = {input_.position: input_ for input_ in watch.deferred}
        settled = list[int]()
        self._apply_row(rows[0], watch, self._cause(rows[0]))
        groups = [list(rows_of_one) for _, rows_of_one in groupby(rows[1:], key=cause_of)]
        causes = [waiting.get(cause_position(caused[0]) or 0) for caused in groups]
        for i, caused in enumerate(groups):
            if caused[0].cause.startswith("clock/"):
                following = next(filter(None, causes[i:]), None)
                self._clocks.fire_at_retry(rows[0], caused, watch, following)
                continue
            if (input_ := causes[i]) is not None:
                settled.append(input_.position)
                self._pass_over(rows[0], watch, input_.position)
                self._clocks.check_due_before(caused[0], watch, input_)
            for row in caused:
                self._apply_row(row, watch, input_)
        self._pass_over(rows[0], watch, rows[0].input)
        self._clocks.check_due_before(rows[0], watch, None)
        if settled != sorted(settled):
            self._report.say("clock", f"{rows[0].name} settles what waited in another order")

    def _pass_over(self, retry: Row, watch: Watch, position: int) -> None:
        """Check that what waited up to a position, and left no row, concerned nothing then."""
        while watch.deferred and watch.deferred[0].position <= position:
            input_ = watch.deferred.pop(0)
            if input_.position == position:
                return
            ended = input_.kind in ENDED
            if watch.running if ended else self._concerns(input_, watch):
                self._report.say(
                    "clock",
                    f"{retry.name} retries case {input_.case}, and nothing follows from "
                    f"cases {input_.position}",
                )

    def _start_clock(self, row: Row, watch: Watch, cause: CallInput | None) -> None:
        run, due = row.number("run"), row.number("due")
        if watch.running or run != watch.run + 1:
            self._report.say(
                "clock",
                f"{row.name} starts clock {run} of case {row.subject}, after clock {watch.run}",
            )
        if cause and cause.due not in (None, due):
            self._report.say(
                "clock",
                f"{row.name} starts a clock until {due}, but {row.cause} promised {cause.due}",
            )
        if row.field("policies") != self._clocks.policies.name:
            self._report.say(
                "clock",
                f"{row.name} starts a clock by {row.field('policies')}, not by "
                f"{self._clocks.policies.name}",
            )
        watch.run, watch.due, watch.since = run, due, row.input
        watch.started = self._clocks.time_of(cause.position) if cause else 0
        watch.running, watch.missed = True, False
        self._assign(row, watch, cause)

    def _check_no_deadline(self, row: Row, watch: Watch, cause: CallInput | None) -> None:
        """Check that a case reopened, and that nothing gives it a deadline."""
        if cause is None or cause.kind != "case-reopened" or watch.running:
            self._report.say(
                "clock",
                f"{row.name} says that case {row.subject} reopened without a deadline; it did not",
            )
        elif cause.due is not None or self._clocks.policies.limit(cause.matter):
            self._report.say(
                "clock",
                f"{row.name} says that case {row.subject} has no deadline, but {row.cause} or the "
                "policies in force give one",
            )

    def _assign(self, row: Row, watch: Watch, cause: CallInput | None) -> None:
        watch.level = row.text("holder", "level")
        if cause is None or cause.level != watch.level:
            self._report.say(
                "clock",
                f"{row.name} runs for the {watch.level}, but {row.cause} did not give it the case",
            )

    def _check_running(
        self, row: Row, watch: Watch, cause: CallInput | None, because: Collection[str]
    ) -> None:
        """Check that a row is about the running clock, and follows from what may concern it."""
        if not watch.running or (row.number("run"), row.number("due")) != (watch.run, watch.due):
            self._report.say(
                "clock",
                f"{row.name} ({row.kind}) is about clock {row.number('run')} of case "
                f"{row.subject}, which does not run",
            )
        if cause is None or cause.kind not in because:
            self._report.say(
                "clock",
                f"{row.name} ({row.kind}) follows from {row.cause}, which does nothing to a clock",
            )

    def _check_handover(self, row: Row, watch: Watch) -> None:
        """Check that a hand-over says whose deadline it was: missed before, or still to be kept."""
        if row.field("missed") is not watch.missed:
            self._report.say(
                "clock",
                f"{row.name} says missed: {row.field('missed')}, and of clock {watch.run} it is "
                f"{watch.missed}",
            )

    def _end_call(self, row: Row, watch: Watch, because: bool) -> None:
        call = row.text("call")
        if watch.calls.pop(call, None) is None:
            self._report.say(
                "ending", f"{row.name} ({row.kind}) ends call {call}, which is not open"
            )
        if not because:
            self._report.say(
                "ending", f"{row.name} ({row.kind}) ends call {call}; {row.cause} does not"
            )

    def close(self, head: Head) -> None:
        """Check that all clocks due before the time that has passed have run out."""
        self._read_until(head.input)
        self._settle()
        for case, watch in self._watches.items():
            self._clocks.check_overdue(case, watch, head)
