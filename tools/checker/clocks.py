"""Clocks that ran out (guarantee 5)."""

from __future__ import annotations

from tools.checker.call_inputs import CallInput, Policies
from tools.checker.order import Timeline
from tools.checker.report import Report
from tools.checker.rows import BEGINNING, Head, Row
from tools.checker.watches import OpenCall, Watch

ABOVE = {"grid": "street", "street": "district", "district": "district"}


class Clocks:
    """The decisions that follow from a clock of escalation: missed deadlines and silent streets.

    `time` is the time of the last decision, and `policies` are those in force. A retry lets clocks
    run out `_until` an instant: that of the input which it decides next, or its own.
    """

    def __init__(self, shard: str, timeline: Timeline, report: Report) -> None:
        self.policies = Policies()
        self.time: int | None = None
        self._until: int | None = None
        self._shard = shard
        self._timeline = timeline
        self._report = report

    def fire_at_retry(
        self, retry: Row, rows: list[Row], watch: Watch, following: CallInput | None
    ) -> None:
        """Let a clock run out within a retry, before the input that follows, or at the end."""
        self._until = self._time_before(retry, watch, following)
        self.fire(rows, watch)
        self._until = None

    def _time_before(self, row: Row, watch: Watch, input_: CallInput | None) -> int:
        """Return up to which instant clocks run out before an input. None stands for the end.

        At the end no clock is new any more, because a retry is a decision of its own.
        """
        if input_ is not None:
            return self.time_of(input_.position)
        watch.started = BEGINNING
        return row.time

    def fire(self, rows: list[Row], watch: Watch) -> None:
        first = rows[0]
        clock, _, number = first.cause.rpartition("/")
        if watch.parked or (watch.ended and self._until is None):  # An end may wait in a retry.
            over = "is parked" if watch.parked else "has ended"
            self._report.say(
                "deadline", f"{first.name} lets {first.cause} run out, but its case {over}"
            )
        if first.kind == "case-parked":
            watch.parked, watch.started = True, BEGINNING  # Its clock had run out.
        elif clock == f"clock/{first.subject}/deadline":
            self._miss(rows, watch, number)
        elif clock == f"clock/{first.subject}/answer":
            self._fire_silence(rows, watch, watch.calls.get(f"{first.subject}/{number}"))
        else:
            self._report.say(
                "cause",
                f"{first.name} names {first.cause!r} as its cause, which is no clock of its case",
            )

    def _miss(self, rows: list[Row], watch: Watch, number: str) -> None:
        missed, raised = rows[0], rows[1:]
        if missed.kind != "deadline-missed" or [row.kind for row in raised] != ["call-raised"]:
            kinds = ", ".join(row.kind for row in rows)
            self._report.say(
                "call",
                f"{missed.name}: {missed.cause} led to {kinds}, not to a missed deadline and "
                "one call",
            )
        if missed.kind == "deadline-missed":
            self._check_missed(missed, watch, number)
        for row in raised:
            if row.kind == "call-raised":
                self._raise_call(row, watch, watch.level, "deadline")

    def _check_missed(self, row: Row, watch: Watch, number: str) -> None:
        run, due, level = row.number("run"), row.number("due"), row.text("holder", "level")
        named = (
            watch.running
            and not watch.missed
            and (run, due, level) == (watch.run, watch.due, watch.level)
        )
        if not named or number != str(run):
            self._report.say(
                "deadline",
                f"{row.name} says that {row.cause} ran out at {due} in a {level}; no such "
                "clock runs",
            )
        else:
            self._check_time("deadline", row, watch.since, watch.due, watch.started)
        watch.missed = True

    def _fire_silence(self, rows: list[Row], watch: Watch, call: OpenCall | None) -> None:
        first = rows[0]
        if len(rows) != 1 or first.kind != "call-raised":
            self._report.say(
                "silence", f"{first.name}: {first.cause} led to {len(rows)} rows, not to one call"
            )
        if call is None or call.due is None or call.to != "street" or call.silent:
            self._report.say(
                "silence",
                f"{first.name}: {first.cause} ran out, but no street is asked and silent there",
            )
        else:
            call.silent = True
            self._check_time("silence", first, call.since, call.due)
        for row in rows:
            if row.kind == "call-raised":
                self._raise_call(row, watch, "street", "silence")

    def _check_time(
        self, kind: str, row: Row, since: int, due: int, started: int = BEGINNING
    ) -> None:
        """Check the time of a fired row: its due time, or the time of the row before if later."""
        if self._until is not None:
            if (ran_out := max(due, started)) >= self._until:
                self._report.say(
                    kind,
                    f"{row.name} comes before what came at {self._until}, and its clock ran out at "
                    f"{ran_out}",
                )
            return
        if row.time != (at := due if self.time is None else max(due, self.time)):
            self._report.say(
                kind,
                f"{row.name} is at {row.time}, but its clock was due at {due}, and it should "
                f"be at {at}",
            )
        passed = self._timeline.first_beyond(since, due)
        after = self._timeline.last if passed is None else passed - 1
        if row.input != after:
            soon = "too early" if row.input < after else "too late"
            self._report.say(
                kind,
                f"{row.name} was made after input {row.input}, {soon}: due at {due}, it comes "
                f"after {after}",
            )

    def _raise_call(self, row: Row, watch: Watch, level: str, because: str) -> None:
        call, to = row.text("call"), ABOVE.get(level, "nobody")
        actual = (row.text("from_level"), row.text("to_level"), row.text("because"))
        if actual != (level, to, because):
            kind = "call" if because == "deadline" else "silence"
            self._report.say(
                kind,
                f"{row.name} calls {' → '.join(actual[:2])} for {actual[2]}, not {level} → "
                f"{to} for {because}",
            )
        if call != f"{row.subject}/{watch.raised + 1}":
            self._report.say(
                "call", f"{row.name} raises call {call}, after {watch.raised} of case {row.subject}"
            )
        if any(other.to == actual[1] for other in watch.calls.values()):
            self._report.say(
                "call", f"{row.name} raises call {call} to the {actual[1]}, where one is open"
            )
        watch.raised += 1
        watch.calls[call] = OpenCall(actual[1], self._answer_due(row), row.input)

    def _answer_due(self, row: Row) -> int | None:
        """Return the time to answer a call: counted from its row, by the policies in force."""
        due, by_policy = (
            row.instant("answer_due"),
            None if self.policies.within is None else row.time + self.policies.within,
        )
        if due != by_policy:
            self._report.say(
                "silence",
                f"{row.name} is to be answered by {due}; by the policies in force it is "
                f"{by_policy}",
            )
        return due

    def check_due_before(self, row: Row, watch: Watch, input_: CallInput | None) -> None:
        """Report each clock that a retry should have let run out before an input, or at its end."""
        until = self._time_before(row, watch, input_)
        if watch.running and not watch.missed and max(watch.due, watch.started) < until:
            self._report.say(
                "deadline",
                f"{row.name} follows from what came at {until}, and the deadline at {watch.due} "
                "was not missed before",
            )
        for name, call in watch.calls.items():
            if call.due is None or call.to != "street" or call.silent:
                continue
            if call.due < until:
                self._report.say(
                    "silence",
                    f"{row.name} follows from what came at {until}, and call {name}, to be "
                    f"answered by {call.due}, led to nothing before",
                )

    def time_of(self, position: int) -> int:
        """Return the time of an input."""
        return self._timeline.times.get(position, 0)

    def check_overdue(self, case: str, watch: Watch, head: Head) -> None:
        """Report once each clock that should have run out. A parked case has no running clock."""
        if (
            watch.running
            and not (watch.missed or watch.parked)
            and self._has_run_out(watch.since, watch.due, head)
        ):
            self._report.say(
                "deadline",
                f"{self._shard}: case {case} was due at {watch.due}, and no deadline was missed",
            )
            watch.missed = True
        for name, call in watch.calls.items():
            if call.due is None or call.to != "street" or call.silent or watch.parked:
                continue
            if self._has_run_out(call.since, call.due, head):
                self._report.say(
                    "silence",
                    f"{self._shard}: call {name} was to be answered by {call.due}, and nobody "
                    "was called",
                )
                call.silent = True

    def _has_run_out(self, since: int, due: int, head: Head) -> bool:
        """Return whether a clock has run out.

        A clock that was overdue when it started waits until time passes once more.
        """
        passed = self._timeline.first_beyond(since, due)
        return head.time > max(due, self._timeline.times.get(since, 0)) or (
            passed is not None and passed <= head.input
        )
