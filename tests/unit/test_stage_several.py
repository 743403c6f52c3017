"""The stage loop: decisions about several cases, the index, and decisions that are taken back."""

from __future__ import annotations

import pytest

from eventlog.core.decider import Key
from tests.harness.kernel.shard import (
    ToyShard,
    close,
    kinds_of,
    merge,
    move,
    note,
    report,
    split,
)
from tests.harness.kernel.toy import ISSUE, MATTER

pytestmark = pytest.mark.usefixtures("toys")


def shard_with_two_cases(*delays: int) -> ToyShard:
    shard = ToyShard()
    shard.come(report(1, "noise", *delays), report(2, "rubbish"), at=10)
    return shard


def test_a_decision_changes_several_cases_and_each_counts_its_own_rows() -> None:
    shard = shard_with_two_cases()
    rows = shard.come(merge(1, into=2), at=11)
    assert kinds_of(rows) == [("c1", "Noted"), ("c2", "Joined"), ("c1", "Left")]
    assert [(row.position, row.step, row.sequence) for row in rows] == [
        (3, 1, 2),
        (4, 2, 2),
        (5, 3, 3),
    ]
    assert {(row.time, row.input, row.cause) for row in rows} == {(11, 3, "toy-inputs/toytown/3")}
    assert shard.case("c2").issues == ("1", "2")
    shard.take_over()


def test_an_input_finds_the_case_that_has_its_issue_now() -> None:
    shard = shard_with_two_cases()
    shard.come(merge(1, into=2), at=11)
    assert kinds_of(shard.come(note(1), at=12)) == [("c2", "Noted")]
    shard.come(split(1, "noise"), at=13)
    assert kinds_of(shard.come(note(1), at=14)) == [("c2+1", "Noted")]
    shard.take_over()
    assert kinds_of(shard.come(note(1), note(2), at=15)) == [("c2+1", "Noted"), ("c2", "Noted")]


def test_a_report_joins_the_open_case_of_its_matter_and_no_other() -> None:
    shard = shard_with_two_cases()
    assert kinds_of(shard.come(report(3, "noise"), at=11)) == [("c1", "Joined")]
    shard.come(move(1, "smell"), at=12)
    assert kinds_of(shard.come(report(4, "noise"), at=13)) == [("c4", "Opened")]
    assert kinds_of(shard.come(report(5, "smell"), at=13)) == [("c1", "Joined")]
    shard.come(close(1), at=14)
    shard.take_over()
    assert kinds_of(shard.come(report(6, "smell"), at=15)) == [("c6", "Opened")]


def test_cases_that_share_a_key_are_found_by_their_ids() -> None:
    shard = ToyShard()
    for issue, matter in ((3, "a"), (1, "b"), (2, "c")):
        shard.come(report(issue, matter), at=10)
        shard.come(move(issue, "noise"), at=10)
    assert list(shard.find(Key(MATTER, "noise"))) == ["c1", "c2", "c3"]
    shard.come(move(2, "smell"), at=11)
    assert list(shard.find(Key(MATTER, "noise"))) == ["c1", "c3"]
    assert set(shard.stage.aggregates.values(MATTER)) == {"noise", "smell"}
    shard.come(close(2), at=12)
    assert set(shard.stage.aggregates.values(MATTER)) == {"noise"}, "a value without a case is gone"
    assert list(shard.find(Key(ISSUE, "2"))) == ["c2"]


def test_what_came_early_is_decided_with_its_report_and_names_its_own_cause() -> None:
    shard = ToyShard()
    shard.come(note(1), at=5)
    shard.take_over()
    rows = shard.come(report(1), at=10)
    assert kinds_of(rows) == [("c1", "Opened"), ("c1", "Noted"), ("c1", "Taken")]
    assert [row.cause for row in rows] == [f"toy-inputs/toytown/{n}" for n in (2, 1, 2)]
    assert {row.input for row in rows} == {2}


@pytest.mark.parametrize("poison", ["decide", "evolve", "keys", "timers", "unhashable"])
def test_a_decision_that_fails_changes_no_case_and_no_key(poison: str) -> None:
    shard = shard_with_two_cases(5)
    before = shard.case("c1"), shard.case("c2")
    rows = shard.come(merge(1, into=2, poison=poison, cure=1), at=11)
    assert kinds_of(rows) == [("c1", "CaseParked")]
    assert (shard.case("c1"), shard.case("c2")) == before
    assert list(shard.find(Key(ISSUE, "1"))) == ["c1"]
    assert list(shard.find(Key(MATTER, "noise"))) == ["c1"]
    assert list(shard.find(Key(MATTER, "rubbish"))) == ["c2"]
    shard.take_over()


def test_a_timer_that_started_in_a_decision_that_failed_does_not_fire() -> None:
    shard = shard_with_two_cases(5)
    shard.come(merge(1, into=2, poison="keys", cure=1), at=11)
    assert shard.advance_time(99) == []


def test_a_case_that_only_a_failed_decision_knew_is_unknown() -> None:
    shard = ToyShard()
    shard.come(report(1, "noise", 5, poison="keys", cure=1), at=10)
    assert shard.case("c1") == shard.stage.decider.initial_state
    assert not shard.stage.aggregates.values(MATTER)
    shard.take_over()


def test_keys_that_fail_between_two_events_of_a_decision_fail_the_decision() -> None:
    """A replay folds the events one by one, and would fail there for ever."""
    shard = ToyShard()
    shard.come(report(1), at=10)
    rows = shard.come(note(1, poison="amid", cure=1), at=11)
    assert kinds_of(rows) == [("c1", "CaseParked")]
    shard.take_over()


def test_rows_do_not_depend_on_the_cut_into_batches() -> None:
    events = [report(1), report(2), merge(1, into=2), note(1), split(1, "smell"), close(2)]
    together, single = ToyShard(), ToyShard()
    rows = together.come(*events, at=10)
    assert rows == [row for event in events for row in single.come(event, at=10)]
