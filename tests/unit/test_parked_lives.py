"""Deadlines behind a parked case are missed or kept as if it had not been parked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given

from escalation.core.decider import Escalation
from eventlog.core.row import Row
from events import catalogue as e
from tests.harness.parked_lives import (
    CASES,
    NO_DUE,
    Lives,
    Unready,
    check_calls,
    decide,
    draw_lives,
    write_lives,
)


@given(draw_lives(delays=(0, 0, 1, 2, 5)))
def test_the_checker_finds_nothing_in_a_log_of_parked_cases(lives: Lives) -> None:
    assert check_calls(lives, decide(lives, Unready())) == []


def test_an_end_without_a_clock_is_no_forgotten_one_if_its_case_reopens_in_the_same_retry() -> None:
    lives = write_lives([
        (1, "report", "a", NO_DUE, None),
        (1, "end", "a", 0, "a/"),
        (1, "reopen", "a", 9, None),
        (1, "retry", "a", 0, "/"),
    ])  # fmt: skip
    rows = decide(lives, Unready())
    assert [type(row.event) for row in rows if row.subject == "a"][2:4] == [
        e.CaseRetried,
        e.ClockStarted,
    ]
    assert check_calls(lives, rows) == []


def test_a_retry_that_cannot_be_declined_parks_its_case_and_waits_for_the_next_one() -> None:
    lives = write_lives([
        (1, "report", "a", 5, None),
        (1, "retry", "a", 0, "a/Retry"),
        (1, "retry", "a", 0, "/"),
    ])  # fmt: skip
    rows = decide(lives, Unready())
    assert [type(row.event) for row in rows if row.subject == "a"][:4] == [
        e.ClockStarted,
        e.CaseParked,
        e.CaseRetried,
        e.InputDeclined,
    ]
    assert check_calls(lives, rows) == []


def fates_of(rows: Sequence[Row], case: str) -> list[tuple[Any, ...]]:
    """Return what became of the deadlines of a case, in order."""
    fates = list[tuple[Any, ...]]()
    for row in rows:
        match row.event:
            case e.ClockHandedOver(case=name, run=run, holder=holder, missed=missed):
                fate: tuple[Any, ...] = (run, "handed over", holder.worker, missed)
            case e.DeadlineMissed(case=name, run=run, holder=holder, due=due):
                fate = (run, "missed", holder.worker, due)
            case e.ClockStopped(case=name, run=run, holder=holder):
                fate = (run, "stopped", holder.worker)
            case _:
                continue
        fates += [fate] if name == case else []
    return fates


@given(draw_lives(delays=(1, 1, 2, 5)))
def test_a_deadline_is_missed_or_kept_as_if_its_case_had_never_been_parked(lives: Lives) -> None:
    parked, spared = decide(lives, Unready()), decide(lives, Escalation())
    assert check_calls(lives, spared) == []
    for case in CASES:
        assert fates_of(parked, case) == fates_of(spared, case)
