"""Sentences about assessment: facts merge in any order, and every figure lists its events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessment.core.facts import Fact, Key, Stamp, facts_in, merge, merge_into
from assessment.core.figures import FLOWS, Months, Sheet, receipts, sheets
from eventlog.core.row import Row
from events import catalogue as e
from events.instants import BEGINNING, instant_of
from tests.harness.calls import (
    DISTRICT_CALLED,
    FIRST,
    MISSED,
    STARTED,
    STREET_CALLED,
    reassignment,
)
from tests.harness.city import ANN, CASE, DAY, case_routed

UNTIL = 400 * DAY  # 1971-02-05


def story(*events: tuple[str, int, e.Event]) -> dict[Key, Fact]:
    facts: dict[Key, Fact] = {}
    merge_into(
        facts,
        [
            Row(log, "city", position, time, 0, 1, CASE, position, "", event)
            for position, (log, time, event) in enumerate(events, 1)
        ],
    )
    return facts


OVERDUE: tuple[tuple[str, int, e.Event], ...] = (
    ("cases", DAY, case_routed()),
    ("calls", DAY, STARTED),
    ("calls", 5 * DAY, MISSED),
    ("calls", 5 * DAY, STREET_CALLED),
    ("calls", 6 * DAY, DISTRICT_CALLED),
    ("calls", 40 * DAY, e.CallAnswered(case=CASE, holder=ANN, call=FIRST, by="officer")),
    ("cases", 70 * DAY, e.CaseEndedAtSource(case=CASE, holder=ANN, outcome="closed", rules=())),
)


def figures_of(
    facts: dict[Key, Fact], until: int = UNTIL, zone: str = "UTC"
) -> list[tuple[Any, ...]]:
    return [
        (
            sheet.period,
            *(getattr(sheet, flow) for flow in FLOWS),
            sheet.open_at_end,
            sheet.overdue_at_end,
        )
        for sheet in sheets(facts.items(), zone, until)
    ]


def test_a_missed_deadline_counts_in_its_month_and_the_ending_in_its_own() -> None:
    assert figures_of(story(*OVERDUE)) == [
        #           reported, ended, due, in_time, missed, raised, answered, open, overdue
        ("1970-01", 1, 0, 1, 0, 1, 2, 0, 1, 1),
        ("1970-02", 0, 0, 0, 0, 0, 0, 1, 1, 1),
        ("1970-03", 0, 1, 0, 0, 0, 0, 0, 0, 0),
    ]


def test_a_deadline_that_was_kept_is_in_time_also_if_it_was_kept_in_another_month() -> None:
    in_time = (
        *OVERDUE[:1],
        ("calls", DAY, replace(STARTED, due=40 * DAY)),
        ("cases", 35 * DAY, e.CaseClosed(case=CASE, holder=ANN, by="eve")),
    )
    assert figures_of(story(*in_time)) == [
        ("1970-01", 1, 0, 0, 0, 0, 0, 0, 1, 0),
        ("1970-02", 0, 1, 1, 1, 0, 0, 0, 0, 0),
    ]


def test_what_is_due_later_than_the_instant_of_the_figures_does_not_count_yet() -> None:
    facts = story(*OVERDUE[:1], ("calls", DAY, STARTED))
    assert [row[3] for row in figures_of(facts, 5 * DAY)] == [0]
    assert [row[3] for row in figures_of(facts, 5 * DAY + 1)] == [1]


def test_a_month_ends_at_the_instant_of_the_figures_if_that_is_earlier() -> None:
    assert figures_of(story(*OVERDUE), 6 * DAY) == [("1970-01", 1, 0, 1, 0, 1, 1, 0, 1, 1)]


def test_open_cases_alone_make_no_sheet() -> None:
    facts = story(*OVERDUE[:1], ("cases", 100 * DAY, e.CaseClosed(case=CASE, holder=ANN, by="eve")))
    assert [row[0] for row in figures_of(facts)] == ["1970-01", "1970-04"]


def test_months_are_those_of_the_zone() -> None:
    facts = story(("cases", 31 * DAY - 1, case_routed()))
    assert [row[0] for row in figures_of(facts, zone="Asia/Shanghai")] == ["1970-02"]
    assert [row[0] for row in figures_of(facts, zone="UTC")] == ["1970-01"]


def test_months_reach_as_far_as_needed() -> None:
    months = Months("Europe/Dublin")
    names = [months.name(at) for at in (0, 50 * 365 * DAY, -10 * 365 * DAY, 1)]
    assert names == ["1970-01", "2019-12", "1960-01", "1970-01"]


def test_a_december_without_its_30th_ends_a_day_sooner() -> None:
    """Check Samoa in 2011, where the clock skipped 30 December."""
    new_year = instant_of("2011-12-31T10:00:00Z")
    months = Months("Pacific/Apia")
    names = [months.name(new_year + step) for step in (-1, 0, DAY - 1)]
    assert names == ["2011-12", "2012-01", "2012-01"]


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Asia/Shanghai"])
def test_months_reach_to_both_ends_of_the_calendar(zone: str) -> None:
    months = Months(zone)
    assert months.name(BEGINNING) == "0001-01"
    assert months.name(253_402_300_799_999_999) == "9999-12"


def test_a_case_due_before_its_report_is_overdue_from_its_report_on() -> None:
    past = (
        *OVERDUE[:1],
        ("calls", 40 * DAY, replace(STARTED, due=5 * DAY)),
        ("calls", 40 * DAY, MISSED),
    )
    facts = story(("cases", 40 * DAY, case_routed()), *past[1:])
    assert [(row[0], row[3], row[5], row[-1]) for row in figures_of(facts)] == [
        ("1970-01", 1, 1, 0),
        ("1970-02", 0, 0, 1),
    ]


def test_a_deadline_missed_before_a_worker_had_the_case_is_not_the_workers() -> None:
    late, early = (
        e.ClockHandedOver(case=CASE, holder=ANN, run=1, due=2 * DAY, missed=True),
        e.ClockHandedOver(case=CASE, holder=ANN, run=1, due=50 * DAY, missed=False),
    )
    assert [
        row[3]
        for row in figures_of(story(("cases", 40 * DAY, case_routed()), ("calls", 40 * DAY, late)))
    ] == [0]
    assert [
        row[3]
        for row in figures_of(story(("cases", 40 * DAY, case_routed()), ("calls", 40 * DAY, early)))
    ] == [1]


def test_a_case_in_a_queue_is_on_nobodys_sheet() -> None:
    queue = e.Assignment(
        level="district", grid=None, street=None, district="city", worker=None, episode=0
    )
    assert (
        story(("cases", DAY, case_routed(queue)), ("calls", DAY, replace(STARTED, holder=queue)))
        == {}
    )


def test_a_reopened_case_is_a_new_responsibility() -> None:
    again = replace(ANN, episode=2)
    reopened = e.CaseReopened(
        case=CASE,
        matter=e.CaseFacts(
            line="hotline", category="Rubbish", urgency="normal", reported=DAY, due=None
        ),
        holder=again,
        because="recurrence",
    )
    facts = story(*OVERDUE, ("cases", 80 * DAY, reopened))
    assert [(row[0], row[1]) for row in figures_of(facts)] == [
        ("1970-01", 1),
        ("1970-02", 0),
        ("1970-03", 1),
    ]


BOB = replace(ANN, worker="bob", episode=2)


def handed_over(at: int, previous: e.Assignment, holder: e.Assignment) -> tuple[str, int, e.Event]:
    return "cases", at, reassignment(holder, previous)


def clock_handed_over(at: int, due: int, *, missed: bool = False) -> tuple[str, int, e.Event]:
    return "calls", at, e.ClockHandedOver(case=CASE, holder=BOB, run=1, due=due, missed=missed)


def figures_by_worker(*events: tuple[str, int, e.Event]) -> dict[str, list[tuple[Any, ...]]]:
    facts = story(*events)
    return {
        worker: figures_of({key: fact for key, fact in facts.items() if key.worker == worker})
        for worker in sorted({key.worker for key in facts})
    }


def test_a_deadline_after_the_hand_over_is_the_successors_who_also_ends_the_case() -> None:
    closed = e.CaseClosed(case=CASE, holder=BOB, by="eve")
    in_time = (
        *OVERDUE[:2],
        handed_over(3 * DAY, ANN, BOB),
        clock_handed_over(3 * DAY, 5 * DAY),
        ("cases", 4 * DAY, closed),
    )
    assert figures_by_worker(*in_time) == {
        #                  reported, ended, due, in_time, missed, raised, answered, open, overdue
        "ann": [("1970-01", 1, 0, 0, 0, 0, 0, 0, 0, 0)],
        "bob": [("1970-01", 0, 1, 1, 1, 0, 0, 0, 0, 0)],
    }


def test_a_deadline_that_was_missed_before_the_hand_over_stays_the_formers() -> None:
    late = (
        *OVERDUE[:4],
        handed_over(6 * DAY, ANN, BOB),
        clock_handed_over(6 * DAY, 5 * DAY, missed=True),
        ("calls", 40 * DAY, e.CallAnswered(case=CASE, holder=BOB, call=FIRST, by="officer")),
    )
    assert figures_by_worker(*late) == {
        "ann": [("1970-01", 1, 0, 1, 0, 1, 1, 0, 0, 0)],
        "bob": [("1970-02", 0, 0, 0, 0, 0, 0, 1, 1, 0)],
    }


@pytest.mark.parametrize("due", [5 * DAY, 5 * DAY + 1])
def test_a_deadline_at_the_instant_of_the_hand_over_is_the_successors(due: int) -> None:
    in_time = (
        *OVERDUE[:1],
        ("calls", DAY, replace(STARTED, due=due)),
        handed_over(5 * DAY, ANN, BOB),
        clock_handed_over(5 * DAY, due),
    )
    assert [(worker, row[0][3]) for worker, row in figures_by_worker(*in_time).items()] == [
        ("ann", 0),
        ("bob", 1),
    ]


def test_a_case_that_goes_to_a_queue_leaves_the_stock_of_its_worker() -> None:
    queue = replace(ANN, level="street", grid=None, worker=None)
    lost = story(*OVERDUE[:2], handed_over(3 * DAY, ANN, queue))
    assert [(row[0], row[-2]) for row in figures_of(lost)] == [("1970-01", 0)]


@pytest.mark.parametrize("finder", ["ann", "bob"])
def test_a_case_that_came_back_from_a_queue_was_reported_to_its_first_worker_alone(
    finder: str,
) -> None:
    queue = replace(ANN, level="street", grid=None, worker=None)
    routed = case_routed(replace(ANN, worker=finder, episode=2), "dispatcher")
    placed = reassignment(replace(ANN, worker=finder, episode=2), queue)
    for again in (routed, placed):
        lost = (*OVERDUE[:2], handed_over(3 * DAY, ANN, queue), ("cases", 4 * DAY, again))
        rows = [row for of_one in figures_by_worker(*lost).values() for row in of_one]
        assert sum(row[1] for row in rows) == 1
        back = {key.worker: fact for key, fact in story(*lost).items() if key.episode == 2}
        assert back[finder].taken_over == Stamp(4 * DAY, "cases", 4)


def test_a_worker_who_goes_on_in_another_grid_has_one_responsibility() -> None:
    moved = story(*OVERDUE[:2], handed_over(3 * DAY, ANN, replace(ANN, street="02")))
    assert moved == story(*OVERDUE[:2])


def test_every_figure_lists_its_events() -> None:
    facts = story(*OVERDUE)
    assert receipts(facts.items(), "UTC", UNTIL, "ann", "1970-01") == {
        "reported": ["cases/1"],
        "ended": [],
        "due": ["calls/2"],
        "in_time": [],
        "missed": ["calls/3"],
        "calls_raised": ["calls/4", "calls/5"],
        "calls_answered": [],
    }
    for sheet in sheets(facts.items(), "UTC", UNTIL):
        listed = receipts(facts.items(), "UTC", UNTIL, sheet.worker, sheet.period)
        assert {flow: len(events) for flow, events in listed.items()} == {
            flow: getattr(sheet, flow) for flow in FLOWS
        }


def test_events_that_say_nothing_of_a_responsibility_make_no_fact() -> None:
    silent = Row(
        "calls",
        "city",
        1,
        DAY,
        0,
        1,
        CASE,
        1,
        "",
        e.ClockStopped(case=CASE, holder=ANN, run=1, due=DAY),
    )
    assert facts_in(silent) == ()


# ── Any order ────────────────────────────────────────────────────────────────────────────────────

ROWS = [
    Row(log, "city", position, time, 0, 1, CASE, position, "", event)
    for position, (log, time, event) in enumerate(
        (
            *OVERDUE[:4],
            handed_over(6 * DAY, ANN, BOB),
            clock_handed_over(6 * DAY, 5 * DAY, missed=True),
            *OVERDUE[4:],
        ),
        1,
    )
]


@given(st.permutations(ROWS), st.lists(st.integers(0, len(ROWS)), max_size=4))
def test_facts_merged_in_any_order_and_grouping_are_equal(
    order: list[Row], cuts: list[int]
) -> None:
    expected: dict[Key, Fact] = {}
    merge_into(expected, ROWS)
    groups = []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(order)], strict=True):
        group: dict[Key, Fact] = {}
        merge_into(group, order[start:end])
        groups.append(group)
    whole: dict[Key, Fact] = {}
    for group in groups:
        for key, fact in group.items():
            whole[key] = merge(whole[key], fact) if key in whole else fact
    assert whole == expected


stamp = st.builds(Stamp, st.integers(0, 9), st.sampled_from(["calls", "cases"]), st.integers(1, 9))
stamps = st.none() | stamp
many = st.lists(stamp, max_size=3).map(lambda stamps: tuple(sorted(set(stamps))))
some_facts = st.builds(Fact, st.just("g"), st.just("s"), *[stamps] * 4, many, many, stamps, stamps)


@given(some_facts, some_facts, some_facts)
def test_merging_is_commutative_associative_and_idempotent(a: Fact, b: Fact, c: Fact) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) == a


def test_a_sheet_has_no_figure_that_is_not_declared() -> None:
    assert set(FLOWS) < set(Sheet.__dataclass_fields__)
