"""The stage loop: time."""

from __future__ import annotations

from typing import Any

from eventlog.core.row import Row
from events import catalogue as e
from tests.harness.city import (
    ANN,
    DAY,
)
from tests.harness.tape import escalation_stage, report, summary_of


def test_before_an_input_of_time_t_all_that_was_due_before_t_is_fired() -> None:
    tape, stage = escalation_stage()
    stage.apply(tape.write(10, "a", *report("a", 10, 20)))
    rows = stage.apply(tape.write(21, "b", *report("b", 21, 99)))
    assert summary_of(rows) == [
        (20, "a", "DeadlineMissed"),
        (20, "a", "CallRaised"),
        (21, "b", "ClockStarted"),
    ]


def test_what_is_due_at_t_itself_is_not_fired_before_t() -> None:
    tape, stage = escalation_stage()
    stage.apply(tape.write(10, "a", *report("a", 10, 20)))
    rows = stage.apply(
        tape.write(20, "a", e.CaseEndedAtSource(case="a", holder=ANN, outcome="closed", rules=()))
    )
    assert summary_of(rows) == [(20, "a", "ClockStopped")]


def test_only_a_decisions_first_event_lets_time_pass() -> None:
    tape, stage = escalation_stage()
    rows = stage.apply(
        tape.write(
            10,
            "a",
            *report("a", 10, 5),
            e.CaseEndedAtSource(case="a", holder=ANN, outcome="closed", rules=()),
        )
    )
    assert summary_of(rows) == [(10, "a", "ClockStarted"), (10, "a", "ClockStopped")]


def test_a_deadline_that_was_past_when_it_started_fires_at_once_and_not_before_its_report() -> None:
    tape, stage = escalation_stage()
    stage.apply(tape.write(10, "a", *report("a", 10, 5)))
    assert summary_of(stage.advance_time(11)) == [
        (10, "a", "DeadlineMissed"),
        (10, "a", "CallRaised"),
    ]


def test_clocks_that_run_out_together_fire_by_due_then_case() -> None:
    tape, stage = escalation_stage()
    for case, due in (("c", 20), ("b", 21), ("a", 21), ("d", 19)):
        stage.apply(tape.write(10, case, *report(case, 10, due)))
    missed = [row for row in stage.advance_time(50) if isinstance(row.event, e.DeadlineMissed)]
    assert [row.subject for row in missed] == ["d", "c", "a", "b"]


def test_a_fired_clock_starts_the_next_one_which_fires_in_its_turn() -> None:
    tape, stage = escalation_stage()
    stage.apply(tape.write(10, "a", *report("a", 10, 20)))
    rows = stage.advance_time(20 + DAY + 1)
    assert summary_of(rows)[-1] == (20 + DAY, "a", "CallRaised")
    assert rows[-1].cause == "clock/a/answer/1"
    assert (rows[0].step, rows[1].step, rows[2].step) == (1, 2, 1)


def test_a_clock_past_its_due_at_its_start_fires_before_the_next_input_of_the_same_instant() -> (
    None
):
    tape, stage = escalation_stage()
    stage.apply(tape.write(10, "a", *report("a", 10, 5)))
    rows = stage.apply(
        tape.write(10, "a", e.CaseEndedAtSource(case="a", holder=ANN, outcome="closed", rules=()))
    )
    assert [name for _, _, name in summary_of(rows)] == [
        "DeadlineMissed",
        "CallRaised",
        "ClockStopped",
        "CallWithdrawn",
    ]


def test_a_watermark_changes_nothing_but_the_moment() -> None:
    def run(*marks: int) -> list[Row]:
        tape, stage = escalation_stage()
        rows = stage.apply(tape.write(10, "a", *report("a", 10, 20)))
        for mark in marks:
            rows += stage.advance_time(mark)
        return rows + stage.apply(tape.write(3 * DAY, "b", *report("b", 3 * DAY, None)))

    assert run() == run(15) == run(20, 21) == run(21, 12, DAY, 2 * DAY)


def test_firing_costs_what_is_due_not_what_is_pending() -> None:
    tape, stage = escalation_stage()
    for i in range(1000):
        stage.apply(tape.write(10, f"c{i}", *report(f"c{i}", 10, DAY + i)))
    queried: list[str] = []
    clocks = stage.decider.timers

    def count_query(state: Any) -> Any:
        queried.append("")
        return clocks(state)

    stage.decider.timers = count_query  # type: ignore[method-assign]
    stage.advance_time(DAY + 1)
    assert len(queried) < 5
