"""The stage loop: reference data reach the cases that they affect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from eventlog.core.decider import REFERENCE, Key
from tests.harness.kernel.shard import (
    ToyShard,
    adopt_level,
    close,
    kinds_of,
    move,
    note,
    report,
    retry,
)
from tests.harness.kernel.toy import ALARM, ASKS_OFFICE, NEW, OLD, SIZE, look_up

pytestmark = pytest.mark.usefixtures("toys")


def shard_with_cases(*issues: int, **others: Any) -> ToyShard:
    """Return a shard with a case of a matter of its own for each issue."""
    shard = ToyShard()
    for issue in issues:
        shard.come(report(issue, f"matter {issue}", **others), at=10)
    return shard


def test_each_affected_case_meets_reference_data_once_in_the_order_of_ids() -> None:
    shard = shard_with_cases(3, 1, 2)
    shard.come(close(2), at=11)
    rows = shard.come(adopt_level(1, "east"), at=12)
    assert kinds_of(rows) == [
        (REFERENCE, "InForce"),
        ("c1", "Reassigned"),
        ("c3", "Reassigned"),
    ]
    assert [row.step for row in rows] == [1, 2, 3], "they are one decision"
    assert {row.cause for row in rows} == {"toy-inputs/toytown/5"}
    assert shard.case("c3").office == "east at 1"
    shard.take_over()


def test_reference_data_that_change_nothing_reach_nobody() -> None:
    shard = shard_with_cases(1)
    shard.come(adopt_level(1), at=11)
    assert shard.come(adopt_level(1), at=12) == []


def test_a_place_without_an_open_case_is_no_fault() -> None:
    shard = shard_with_cases(1)
    assert kinds_of(shard.come(adopt_level(1, "north"), at=11)) == [(REFERENCE, "InForce")]


def test_reference_data_count_their_own_rows() -> None:
    shard = shard_with_cases(1)
    rows = shard.come(adopt_level(1), adopt_level(2, version=NEW), adopt_level(3), at=11)
    assert [row.sequence for row in rows if row.subject == REFERENCE] == [1, 2, 3, 4]
    shard.take_over()
    (first, *_) = shard.come(adopt_level(4), at=12)
    assert first.sequence == 5


@pytest.mark.parametrize("is_together", [True, False])
def test_an_input_that_needs_its_cases_state_is_looked_up_on_its_turn(is_together: bool) -> None:
    shard, asks = ToyShard(), note(1, ASKS_OFFICE)
    inputs = [report(1, "a", place="west"), asks, close(1), asks]
    for batch in [inputs] if is_together else [[one] for one in inputs]:
        shard.come(*batch, at=10)
    assert shard.case("c1").notes == ("west at 0",)


def test_such_an_input_is_looked_up_at_its_retry_too() -> None:
    shard = ToyShard()
    shard.come(report(1, "a"), note(1, poison="decide", cure=1), note(1, ASKS_OFFICE), at=10)
    shard.come(adopt_level(1), retry("c1"), at=11)
    assert shard.case("c1").notes == ("hello", "east at 1")


def test_a_fault_of_such_a_look_up_parks_its_case() -> None:
    shard = ToyShard()
    shard.come(report(1, "a", poison="meet", cure=1), report(2, "b"), at=10)
    rows = shard.come(note(1, ASKS_OFFICE), note(2), at=11)
    assert kinds_of(rows) == [("c1", "CaseParked"), ("c2", "Noted")]


def test_all_look_ups_of_an_adoption_are_one_question() -> None:
    questions: list[Sequence[str]] = []

    def count_questions(reference: Any, requests: Sequence[str]) -> Sequence[str]:
        questions.append(requests)
        return look_up(reference, requests)

    shard = ToyShard(count_questions)
    shard.come(report(1, "a"), report(2, "b", place="west"), at=10)
    questions.clear()
    shard.come(adopt_level(1), at=11)
    assert [each for each in questions if each] == [["east", "west"]]


def test_a_case_that_cannot_meet_reference_data_is_parked_alone() -> None:
    shard = shard_with_cases(1, 3)
    shard.come(report(2, "matter 2", allergy=1), at=10)
    rows = shard.come(adopt_level(1), at=11)
    assert kinds_of(rows)[1:] == [
        ("c1", "Reassigned"),
        ("c2", "CaseParked"),
        ("c3", "Reassigned"),
    ]
    assert rows[2].event.input is None, "reference data are in force and need not wait"
    assert shard.case("c2").office == "east at 0"
    shard.take_over()


def test_a_fault_in_the_requests_for_one_case_parks_that_case_alone() -> None:
    shard = shard_with_cases(1, 2)
    shard.come(note(1, poison="meet", cure=9), at=10)
    rows = shard.come(adopt_level(1), at=11)
    assert kinds_of(rows)[1:] == [("c1", "CaseParked"), ("c2", "Reassigned")]
    assert shard.case("c2").office == "east at 1", "its answer is its own"


def test_a_parked_case_is_left_out_and_meets_what_is_in_force_at_its_retry() -> None:
    shard = shard_with_cases(1, 2)
    shard.come(note(1, poison="decide", cure=2), at=11)
    assert kinds_of(shard.come(adopt_level(1), adopt_level(2), at=12)) == [
        (REFERENCE, "InForce"),
        ("c2", "Reassigned"),
        (REFERENCE, "InForce"),
        ("c2", "Reassigned"),
    ]
    shard.take_over()
    rows = shard.come(retry("c1"), at=13)
    assert kinds_of(rows) == [("c1", "CaseRetried"), ("c1", "Reassigned"), ("c1", "Noted")]
    assert shard.case("c1").office == "east at 2"


def two_of_a_matter() -> ToyShard:
    shard = shard_with_cases(1, 2)
    shard.come(move(2, "matter 1"), at=10)
    return shard


def test_an_adoption_that_would_change_a_parked_case_parks_its_own() -> None:
    shard = two_of_a_matter()
    shard.come(note(1, poison="decide", cure=9), at=11)
    rows = shard.come(adopt_level(1, is_shared=True), at=12)
    assert kinds_of(rows)[1:] == [("c2", "CaseParked")]
    assert rows[1].event.fault == "Waits: it would change c1, which is parked"


def test_a_retry_keeps_reference_data_that_would_change_a_parked_case() -> None:
    shard = two_of_a_matter()
    shard.come(note(1, poison="decide", cure=2), at=11)
    shard.come(adopt_level(1, is_shared=True), at=12)
    assert kinds_of(shard.come(retry("c2"), at=13)) == [("c2", "CaseParked")]
    shard.come(adopt_level(2), retry("c1"), at=14)
    shard.take_over()
    assert kinds_of(shard.come(retry("c2"), at=15)) == [
        ("c2", "CaseRetried"),
        ("c2", "Reassigned"),
    ]
    assert shard.case("c2").office == "east at 2", "it met what is in force"


# ── Versions ──────────────────────────────────────────────────────────────────────────────────────


def test_another_decider_finds_the_keys_that_it_gives_to_all_cases() -> None:
    shard = shard_with_cases(1, 2)
    assert not shard.find(Key(SIZE, 1))
    shard.come(adopt_level(1, "nowhere", version=NEW), at=11)
    assert list(shard.find(Key(SIZE, 1))) == ["c1", "c2"]
    shard.take_over()
    shard.come(adopt_level(2, "nowhere", version=OLD), at=12)
    assert not shard.find(Key(SIZE, 1))
    shard.take_over()


def test_another_decider_stops_and_starts_timers_of_all_cases() -> None:
    shard = ToyShard()
    shard.come(report(1, "noise", 50, 5), at=10)
    assert [timer.kind for timer in shard.case("c1").timers] == ["deadline", ALARM]
    shard.come(adopt_level(1, "nowhere", version=NEW), at=11)
    assert shard.advance_time(20) == [], "the new decider has no alarms"
    shard.come(adopt_level(2, "nowhere", version=OLD), at=21)
    shard.take_over()
    (row,) = shard.advance_time(22)
    assert (row.time, row.cause) == (21, "clock/c1/alarm/2/1")
