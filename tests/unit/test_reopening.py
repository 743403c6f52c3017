"""Sentences about cases that reopen after other reference data came."""

from __future__ import annotations

from dataclasses import replace

from eventlog.core.decider import ON_ITS_TURN
from eventlog.testing.sentences import given
from events import catalogue as e
from events.reference_data import AdmissionList, AdmissionRow, Roster
from tests.harness.city import (
    ANN,
    CASE,
    DAY,
    IN_0101,
    USED,
    case_routed,
    digest,
    matter,
    routing,
)
from tests.harness.reassignment import (
    BOB,
    CHANGED,
    CITY,
    CLOSED,
    DAN,
    LOST,
    NEXT_MAP,
    NEXT_ROSTER,
    NOBODY,
    NOW_IN_0102,
    OUTSIDE,
    QUEUED,
    REOPENING,
    REPORTED,
    ROUTED,
    STILL_IN_0101,
    STREET_01,
    VISITED,
    WITHOUT_0101,
    in_queue,
    issue_opened,
    map_of,
)

ENDED = (REPORTED, ROUTED, VISITED, CLOSED)


def test_a_case_reopens_with_the_worker_whom_its_grid_has_now() -> None:
    case = given(routing, *CITY, *ENDED, NEXT_ROSTER)
    (reopened,) = case.when(REOPENING, 9 * DAY, STILL_IN_0101).events
    assert reopened.holder == DAN


def test_a_case_reopens_with_nobody_if_its_grid_has_no_worker_now() -> None:
    nobody = e.RosterAdopted(name="roster-3", digest=digest(Roster({}, ())), receivers=())
    case = given(routing, *CITY, *ENDED, nobody)
    (reopened,) = case.when(REOPENING, 9 * DAY, STILL_IN_0101).events
    assert reopened.holder == NOBODY


def test_a_case_whose_grid_is_gone_reopens_in_the_queue_of_its_street() -> None:
    case = given(routing, *CITY, *ENDED, WITHOUT_0101)
    events = case.when(REOPENING, 9 * DAY, OUTSIDE).events
    assert events == (case_reopened(NOBODY), replace(LOST, previous=NOBODY))
    assert in_queue(given(routing, *case.past, *events))


def case_reopened(holder: e.Assignment) -> e.CaseReopened:
    return e.CaseReopened(case=CASE, matter=matter(due=None), holder=holder, because="recurrence")


def test_a_case_reopens_in_the_grid_that_has_its_point_now() -> None:
    case = given(routing, *CITY, *ENDED, NEXT_MAP)
    reopened = case.when(REOPENING, 9 * DAY, NOW_IN_0102).then(case_reopened(BOB))
    moved = given(routing, *reopened.past, map_of(("0101", "01"), ("0102", "01")))
    assert routing.requests(CHANGED, moved.aggregates) == [(IN_0101.lon, IN_0101.lat)]
    (back,) = moved.when(CHANGED, 10 * DAY, STILL_IN_0101).events
    assert back.holder == replace(ANN, episode=3)


def test_a_case_reopens_by_the_grid_that_a_dispatcher_named() -> None:
    in_0102 = replace(BOB, episode=1)
    named = case_routed(in_0102, "dispatcher")
    closed = replace(CLOSED, holder=in_0102)
    case = given(routing, *CITY, issue_opened(IN_0101), QUEUED, named, closed, NEXT_MAP)
    case.when(REOPENING, 9 * DAY).then(case_reopened(BOB))


def test_a_case_whose_new_place_the_list_keeps_from_grids_reopens_at_its_level() -> None:
    permits = AdmissionList((AdmissionRow("Rubbish", "street", "list 2026, row 1"),))
    listed = e.ReferenceAdopted(kind="admission", name="list-2026", digest=digest(permits))
    case = given(routing, *CITY, *ENDED, listed)
    case.when(REOPENING, 9 * DAY, STILL_IN_0101).then(case_reopened(replace(ANN, episode=2)))
    street = replace(BOB, level="street", worker=None, episode=1)
    case.when(REOPENING, 9 * DAY, NOW_IN_0102).then(case_reopened(street))


def test_a_case_that_ended_in_a_queue_reopens_there_and_is_routed_if_the_map_has_its_point() -> (
    None
):
    ended = e.CaseEndedAtSource(case=CASE, holder=STREET_01, outcome="closed", rules=())
    case = given(routing, *CITY, issue_opened(IN_0101), QUEUED, ended, NEXT_MAP)
    routed = replace(case_routed(due=None), used=replace(USED, map="map-2"))
    case.when(REOPENING, 9 * DAY, STILL_IN_0101).then(case_reopened(STREET_01), routed)


def test_the_points_of_an_ended_case_are_looked_up_when_its_reopening_is_decided() -> None:
    case = given(routing, *CITY, *ENDED)
    assert routing.requests(REOPENING, case.aggregates) is ON_ITS_TURN
    assert routing.requests(CHANGED, case.aggregates) == [(IN_0101.lon, IN_0101.lat)]


def test_a_case_that_its_line_withdrew_has_no_place_any_more_because_it_never_reopens() -> None:
    withdrawn = e.CaseWithdrawn(case=CASE, holder=ANN, because="a mistake")
    case = given(routing, *CITY, REPORTED, ROUTED, withdrawn)
    assert not routing.requests(CHANGED, case.aggregates)
