"""The stage loop: inputs that wait behind parked cases, and timers of several kinds."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog.core.decider import Key, Timer
from eventlog.core.decisions import FAULT_CHARACTERS
from events.stored_inputs import event_of
from tests.harness.kernel.shard import (
    ToyShard,
    adopt_level,
    close,
    kinds_of,
    merge,
    move,
    note,
    report,
    retry,
)
from tests.harness.kernel.toy import ISSUE, MATTER, Toy

pytestmark = pytest.mark.usefixtures("toys")


def shard_with_parked(*parked: int, of: int = 2, delay: int = 99) -> ToyShard:
    """Return a shard with so many cases of one matter, of which some are parked."""
    shard = ToyShard()
    for issue in range(1, of + 1):
        shard.come(report(issue, f"matter {issue}", delay), move(issue, "noise"), at=10)
    for issue in parked:
        shard.come(note(issue, "poison", poison="decide", cure=1), at=11)
    return shard


def test_an_input_that_would_change_a_parked_case_waits_behind_it() -> None:
    shard = shard_with_parked(1)
    (row,) = shard.come(merge(2, into=1), at=12)
    assert (row.subject, event_of(row.event.input)) == ("c1", merge(2, into=1))
    assert kinds_of(shard.come(note(2), at=13)) == [("c2", "Noted")], "its own case goes on"
    shard.take_over()
    shard.come(adopt_level(1, "nowhere"), at=14)
    rows = shard.come(retry("c1"), at=15)
    assert kinds_of(rows)[-3:] == [("c2", "Noted"), ("c1", "Joined"), ("c2", "Left")]
    assert {row.cause for row in rows[-3:]} == {"toy-inputs/toytown/6"}


def test_a_deferred_input_that_would_change_another_parked_case_waits_behind_that() -> None:
    shard = shard_with_parked(1, 2, of=3)
    shard.come(note(3, is_shared=True), at=12)
    shard.come(adopt_level(1, "nowhere"), at=13)
    rows = shard.come(retry("c1"), at=14)
    assert kinds_of(rows)[-1] == ("c2", "InputHeld")
    stored = rows[-1].event.input
    assert (stored.id, stored.time) == ("toy-inputs/toytown/9", 12), "as it came at first"
    shard.take_over()
    rows = shard.come(retry("c2"), at=15)
    assert kinds_of(rows)[-3:] == [("c3", "Noted"), ("c1", "Noted"), ("c2", "Noted")]


def test_a_deferred_input_is_decided_about_the_case_that_has_its_issue_then() -> None:
    shard = shard_with_parked(1, of=3)
    shard.come(note(1, "late"), at=12)
    shard.come(merge(3, into=2), at=12)
    shard.come(note(3, "through 1", is_shared=True), at=13)
    shard.come(adopt_level(1, "nowhere"), at=14)
    shard.come(retry("c1"), at=15)
    assert shard.case("c1").notes == ("poison", "late", "through 1")
    assert shard.case("c2").notes == ("through 1",)


@pytest.mark.parametrize("poison", ["decide", "keys"])
def test_a_retry_that_fails_takes_back_what_its_earlier_inputs_changed(poison: str) -> None:
    shard = shard_with_parked(1, delay=10)
    shard.come(move(1, "smell"), merge(1, into=2), at=12)
    shard.come(note(1, "worse", poison=poison, cure=9), at=12)
    shard.come(adopt_level(1, "nowhere"), at=13)
    before = shard.case("c1"), shard.case("c2")
    (row,) = shard.come(retry("c1"), at=14)
    assert (row.event.fault, row.event.input) == (f"Poisoned: {poison}", None)
    assert (shard.case("c1"), shard.case("c2")) == before
    assert list(shard.find(Key(ISSUE, "1"))) == ["c1"]
    assert list(shard.find(Key(MATTER, "noise"))) == ["c1", "c2"]
    assert not shard.find(Key(MATTER, "smell"))
    shard.take_over()
    assert [row.cause for row in shard.advance_time(21)] == ["clock/c2/deadline/1/2"]


def test_a_retry_of_a_case_that_is_not_parked_may_have_to_wait_too() -> None:
    shard = shard_with_parked(1)
    (row,) = shard.come(retry("c2"), at=12)
    assert (row.subject, event_of(row.event.input)) == ("c1", retry("c2"))
    shard.come(adopt_level(1, "nowhere"), at=13)
    shard.take_over()
    assert kinds_of(shard.come(retry("c1"), at=14))[-2:] == [("c2", "Declined"), ("c1", "Noted")]


def test_a_timer_that_would_change_a_parked_case_parks_its_own_and_fires_later() -> None:
    shard = ToyShard()
    shard.come(report(1, "a"), report(2, "b", 50, 51, 5), at=10)
    shard.come(move(1, "b"), note(1, poison="decide", cure=1), at=11)
    assert kinds_of(shard.advance_time(20)) == [("c2", "CaseParked")]
    shard.come(adopt_level(1, "nowhere"), retry("c1"), at=30)
    shard.take_over()
    rows = shard.come(retry("c2"), at=31)[-2:]
    assert kinds_of(rows) == [("c2", "TimerEnded"), ("c1", "Noted")]
    assert (rows[0].time, rows[0].cause) == (31, "clock/c2/echo/3/2")
    assert shard.advance_time(32) == []


def test_timers_of_one_instant_fire_by_case_kind_run_and_origin() -> None:
    shard = ToyShard()
    shard.come(report(2, "b", 7, 7), report(1, "a", 7, 7), at=10)
    shard.come(report(3, "a", 7), at=10)
    causes = [row.cause for row in shard.advance_time(18)]
    assert causes == [
        "clock/c1/alarm/2/1",
        "clock/c1/deadline/1/1",
        "clock/c1/deadline/3/3",
        "clock/c2/alarm/2/2",
        "clock/c2/deadline/1/2",
    ]
    timers = [Timer(7, "c", "kind", 1, origin) for origin in (2, 0, 1)]
    assert [timer.origin for timer in sorted(timers)] == [0, 1, 2]


def test_timers_go_with_their_issue_and_end_with_its_case() -> None:
    shard = ToyShard()
    shard.come(report(1, "a", 5), report(2, "b", 6), merge(1, into=2), at=10)
    shard.take_over()
    assert {row.subject for row in shard.advance_time(16)} == {"c2"}
    shard.come(close(1), at=16)
    assert shard.advance_time(99) == []


def test_a_timer_that_runs_on_after_it_fired_parks_its_case() -> None:
    """A new owner would fire it again."""
    shard = ToyShard()
    shard.come(report(1, "a", 5), note(1, poison="endless", cure=1), at=10)
    (row,) = shard.advance_time(20)
    assert row.event.fault == "RuntimeError: clock/c1/deadline/1/1 still runs after it fired"
    assert shard.case("c1").notes == ("hello",)
    shard.take_over()
    assert shard.advance_time(99) == []


@pytest.mark.parametrize("poison", ["subject", "requests"])
def test_a_fault_before_the_decision_parks_what_is_known_of_the_input(poison: str) -> None:
    shard = ToyShard()
    (row,) = shard.come(report(1, poison=poison, cure=1), at=10)
    assert (row.subject, row.event.fault) == (
        "i1" if poison == "subject" else "c1",
        f"Poisoned: {poison}",
    )
    shard.take_over()
    shard.come(adopt_level(1), at=11)
    assert kinds_of(shard.come(retry(row.subject), at=12))[-1] == ("c1", "Opened")


def test_a_fault_with_a_long_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Toy, *_: Any) -> Any:
        raise ValueError("x" * 99_999)

    monkeypatch.setattr(Toy, "decide", fail)
    (row,) = ToyShard().come(report(1), at=10)
    assert len(row.event.fault) == FAULT_CHARACTERS
