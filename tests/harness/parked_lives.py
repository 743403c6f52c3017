"""Random lives of cases for escalation, and a decider that policies make fail for some of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from hypothesis import strategies as st

from escalation.core.decider import Escalation
from eventlog.codec import entry
from eventlog.core.decider import REFERENCE, Input
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from events import catalogue as e
from tests.harness.calls import BOB, reassignment
from tests.harness.city import ANN, POLICIES_ADOPTED
from tests.harness.tape import Tape, report
from tools.checker import rows as checker_rows
from tools.checker.call_inputs import CALL_INPUTS, call_input
from tools.checker.calls import Calls
from tools.checker.order import Order, Timeline
from tools.checker.report import Report, Violation

STREET = e.Assignment(
    level="street", grid=None, street="01", district="city", worker=None, episode=0
)
HOLDERS = (ANN, BOB, STREET)
CASES = ("a", "b")
WITHIN = 4  # The time to answer a call.
NO_DUE = 9  # The number of a report without a due time.

# Beside "wait", each step is the name of a method of Lives. Some are drawn more often.
WORDS = (
    "report", "report", "report_and_end", "report_and_hand_over", "hand_over", "place_again",
    "end", "end", "reopen", "answer", "acknowledge", "retry", "retry", "wait",
)  # fmt: skip
# Names of policies: the cases that fail by them, and at what. None leaves those in force.
FAILING = (
    None, None, None, None, None, None, "/", "/", "/", "a/", "b/", "ab/",
    "ab/Ended", "a/Reassigned", "ab/TimerFired", "a/Retry",
)  # fmt: skip


class Unready(Escalation):
    """Fails as the name of the policies in force says: `ab/` for two cases, `a/End` at an end."""

    def decide(self, input_: Input, view: Any) -> Sequence[Any]:
        name = view.reference.policies.name
        cases, _, kind = name.partition("/")
        if input_.subject in cases and kind in type(input_.event).__name__:
            raise KeyError(name)
        return super().decide(input_, view)


class Lives:
    """Writes the log of routing as it could be. A step that its case does not allow does nothing.

    `decisions` are the rows of each, and `time` is the last instant.
    """

    def __init__(self) -> None:
        self.tape = Tape("cases")
        self.time = 10
        self.decisions: list[list[Row]] = []
        self._open: dict[str, bool] = {}

    def adopt_policies(self, failing: str) -> None:
        """Adopt policies whose name says what cannot be decided by them."""
        self._write(REFERENCE, replace(POLICIES_ADOPTED, name=failing, answer_within=WITHIN))

    def step(self, word: str, case: str, number: int) -> None:
        """Let something happen to a case. `number` is a due time, a holder or a call."""
        if word != "wait":
            getattr(self, word)(case, number)

    def report(self, case: str, number: int, *more: e.Event) -> None:
        if case not in self._open:
            self._open[case] = True
            due = None if number == NO_DUE else self.time + 3 * number - 6
            self._write(case, *report(case, self.time, due), *more)

    def report_and_end(self, case: str, number: int) -> None:
        if case not in self._open:
            self.report(case, number, self._end_of(case))
            self._open[case] = False

    def report_and_hand_over(self, case: str, number: int) -> None:
        self.report(case, number, reassignment(BOB, case=case))

    def hand_over(self, case: str, number: int) -> None:
        if self._open.get(case):
            self._write(case, reassignment(HOLDERS[number % 3], case=case))

    def place_again(self, case: str, number: int) -> None:
        if self._open.get(case):
            _, placed = report(case, self.time, None)
            self._write(case, replace(placed, holder=HOLDERS[number % 3]))  # type: ignore[arg-type]

    def end(self, case: str, number: int) -> None:
        if self._open.get(case):
            self._open[case] = False
            self._write(case, self._end_of(case))

    def _end_of(self, case: str) -> e.Event:
        return e.CaseEndedAtSource(case=case, holder=ANN, outcome="closed", rules=())

    def reopen(self, case: str, number: int) -> None:
        if self._open.get(case) is False:
            self._open[case] = True
            due = self.time + 2 * number if number % 2 else None
            matter = e.CaseFacts(
                line="hotline", category="Rubbish", urgency="normal", reported=10, due=due
            )
            self._write(
                case, e.CaseReopened(case=case, matter=matter, holder=ANN, because="unsatisfied")
            )

    def answer(self, case: str, number: int) -> None:
        call = f"{case}/{number % 3 + 1}"
        self._write(case, e.AnswerPassedOn(case=case, holder=ANN, call=call, by="officer"))

    def acknowledge(self, case: str, number: int) -> None:
        call = f"{case}/{number % 3 + 1}"
        self._write(case, e.AcknowledgementPassedOn(case=case, holder=ANN, call=call, by="officer"))

    def retry(self, case: str, number: int) -> None:
        self._write(case, e.RetryPassedOn(case=case, action="try", by="operator"))

    def _write(self, subject: str, *events: e.Event) -> None:
        self.decisions.append(self.tape.write(self.time, subject, *events))


def draw_lives(delays: Sequence[int]) -> st.SearchStrategy[Lives]:
    """Return a strategy of lives. All that waits is retried in the end."""
    steps = st.tuples(
        st.sampled_from(delays),
        st.sampled_from(WORDS),
        st.sampled_from(CASES),
        st.integers(0, 9),
        st.sampled_from(FAILING),
    )
    return st.lists(steps, min_size=20, max_size=60).map(write_lives)


def write_lives(steps: Iterable[tuple[int, str, str, int, str | None]]) -> Lives:
    """Return lives that were drawn. A step may adopt policies, an instant before it."""
    lives = Lives()
    lives.adopt_policies("/")
    for delay, word, case, number, failing in steps:
        if failing is not None:
            lives.time += delay
            lives.adopt_policies(failing)
        lives.time += delay
        lives.step(word, case, number)
    lives.time += 20
    lives.adopt_policies("/")
    for case in CASES:
        lives.time += 1
        lives.retry(case, 0)
    lives.time += 20
    return lives


def decide(lives: Lives, decider: Escalation) -> list[Row]:
    """Return the rows that a stage makes of lives, until all their clocks have run out."""
    stage: Stage[Any, Any] = Stage(decider, "city")
    rows = [row for decision in lives.decisions for row in stage.apply(decision)]
    assert not stage.parked
    return [*rows, *stage.advance_time(lives.time)]


def check_calls(lives: Lives, rows: Sequence[Row]) -> list[Violation]:
    """Return what the checker finds in the rows of a stage."""
    checked, timeline, result = [as_checked(row) for row in rows], Timeline(), Report()
    inputs = []
    for row in map(as_checked, lives.tape.rows):
        timeline.take(row)
        if row.kind in CALL_INPUTS:
            inputs.append(call_input(row))
    order = Order("calls", "city", timeline, result)
    calls = Calls("city", inputs, timeline, result)
    for row in checked:
        order.take(row)
    for _, decision in groupby(checked, key=lambda row: row.position - row.step):
        calls.take(list(decision))
    calls.close(checker_rows.Head(checked[-1].position, lives.time, lives.tape.rows[-1].position))
    return result.violations


def as_checked(row: Row) -> checker_rows.Row:
    """Return a row as the checker reads it."""
    *columns, type_name, data = entry(row)
    kind = checker_rows.kind_of(type_name)
    return checker_rows.Row._make((row.log, row.shard, *columns, kind, json.loads(data)))
