"""Sentences about adoption: a roster and a map reach the cases that are open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eventlog.testing.sentences import Given, given
from events import catalogue as e
from events.reference_data import AdmissionList, AdmissionRow
from tests.harness.city import (
    ADMISSION_ADOPTED,
    ANN,
    CASE,
    DAY,
    IN_0101,
    POLICIES_ADOPTED,
    ROSTER_ADOPTED,
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
    CODE_0101,
    DAN,
    LIVES,
    NEXT_MAP,
    NEXT_ROSTER,
    NEXT_ROSTER_SENT,
    NOW_IN_0102,
    OUTSIDE,
    QUEUED,
    REPORTED,
    ROUTED,
    STILL_IN_0101,
    STREET,
    STREET_01,
    THE_DISTRICT,
    VISITED,
    WITHOUT_0101,
    WITHOUT_STREET_01,
    affected_cases,
    in_queue,
    issue_opened,
    map_of,
    reassignment,
)

# ── A roster ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("life", LIVES)
def test_the_successor_takes_an_open_case_over_in_the_stage_that_it_has(life: str) -> None:
    case: Given[Any, Any] = given(routing, *CITY, REPORTED, ROUTED, *LIVES[life], NEXT_ROSTER)
    taken_over = case.when(CHANGED, 2 * DAY, STILL_IN_0101).then(
        reassignment(DAN, because="roster")
    )
    assert taken_over.state == replace(case.state, holder=DAN)


def test_a_case_that_met_the_roster_in_force_meets_it_again_without_effect() -> None:
    case = given(routing, *CITY, REPORTED, ROUTED, NEXT_ROSTER)
    case = case.when(CHANGED, DAY, STILL_IN_0101).then(reassignment(DAN, because="roster"))
    case.when(CHANGED, DAY, STILL_IN_0101).then()


def test_a_grid_that_loses_its_worker_keeps_its_cases_as_nobodys_responsibility() -> None:
    in_0102, bob = e.PlaceClaim(by="grid", code="0102"), replace(BOB, episode=1)
    case = given(routing, *CITY, issue_opened(in_0102), case_routed(bob, "grid"), NEXT_ROSTER)
    case.when(CHANGED).then(
        reassignment(replace(bob, worker=None), bob, "roster", located_by="grid")
    )


def test_a_grid_that_gets_a_worker_gives_its_cases_a_first_responsibility() -> None:
    in_school = e.PlaceClaim(by="grid", code="SCHOOL")
    vacant = replace(ANN, grid="SCHOOL", worker=None, episode=0)
    sue = replace(vacant, worker="sue", episode=1)
    case = given(routing, *CITY, issue_opened(in_school), case_routed(vacant, "grid"), NEXT_ROSTER)
    case.when(CHANGED).then(reassignment(sue, vacant, "roster", located_by="grid"))


def test_a_worker_who_comes_back_begins_a_new_responsibility() -> None:
    case = given(routing, *CITY, REPORTED, ROUTED, NEXT_ROSTER)
    case = case.when(CHANGED, DAY, STILL_IN_0101).then(reassignment(DAN, because="roster"))
    back = given(routing, *case.past, ROSTER_ADOPTED).when(CHANGED, DAY, STILL_IN_0101).events[0]
    assert (back.holder, back.previous) == (replace(ANN, episode=3), DAN)


def test_a_roster_moves_no_case_that_a_higher_level_has() -> None:
    holder = replace(ANN, level="street", worker=None, episode=0)
    withheld = e.CaseWithheld(
        case=CASE,
        matter=matter(category="Roadworks"),
        holder=holder,
        located_by="point",
        rules=(),
        used=USED,
        row="list 2025, row 2",
    )
    case = given(routing, *CITY, REPORTED, withheld, NEXT_ROSTER)
    case.when(CHANGED, DAY, STILL_IN_0101).then()


def test_a_case_in_a_queue_or_at_its_end_meets_a_roster_without_effect() -> None:
    given(routing, *CITY, issue_opened(STREET), QUEUED, NEXT_ROSTER).when(CHANGED).then()
    given(routing, *CITY, REPORTED, ROUTED, VISITED, CLOSED, NEXT_ROSTER).when(CHANGED).then()


# ── A map ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("life", LIVES)
def test_a_case_goes_to_the_grid_that_has_its_point_now(life: str) -> None:
    case: Given[Any, Any] = given(routing, *CITY, REPORTED, ROUTED, *LIVES[life], NEXT_MAP)
    moved = case.when(CHANGED, DAY, NOW_IN_0102).then(reassignment(BOB))
    assert moved.state == replace(case.state, holder=BOB)
    moved.when(CHANGED, DAY, NOW_IN_0102).then()


def test_a_case_whose_point_stays_in_its_grid_stays() -> None:
    given(routing, *CITY, REPORTED, ROUTED, NEXT_MAP).when(CHANGED, DAY, STILL_IN_0101).then()


def test_a_worker_who_keeps_a_case_in_another_street_goes_on_with_it() -> None:
    other_street = map_of(("0101", "02"))
    case = given(routing, *CITY, REPORTED, ROUTED, other_street)
    case.when(CHANGED, DAY, STILL_IN_0101).then(reassignment(replace(ANN, street="02")))


def test_a_case_that_a_map_moves_is_admitted_by_the_list_in_force() -> None:
    permits = AdmissionList((AdmissionRow("Rubbish", "street", "list 2026, row 1"),))
    listed = e.ReferenceAdopted(kind="admission", name="list-2026", digest=digest(permits))
    case = given(routing, *CITY, REPORTED, ROUTED, listed, NEXT_MAP)
    street = replace(BOB, level="street", worker=None, episode=1)
    used = e.Versions("map-2", "roster-1", "list-2026")
    case.when(CHANGED, DAY, NOW_IN_0102).then(
        reassignment(street, used=used, row="list 2026, row 1")
    )


def test_an_admission_list_moves_no_open_case() -> None:
    permits = AdmissionList((AdmissionRow("Rubbish", "street", "list 2026, row 1"),))
    listed = e.ReferenceAdopted(kind="admission", name="list-2026", digest=digest(permits))
    case = given(routing, *CITY, REPORTED, ROUTED, listed)
    case.when(CHANGED, DAY, STILL_IN_0101).then()
    assert affected_cases(listed, *case.past) == []


def test_a_case_that_nobody_has_visited_goes_to_its_streets_queue_if_its_grid_is_gone() -> None:
    case = given(routing, *CITY, issue_opened(CODE_0101), case_routed(by="grid"), WITHOUT_0101)
    queue = replace(STREET_01, episode=1)
    lost = reassignment(queue, queued=True, located_by="former", rules=("unknown_code",))
    assert in_queue(case.when(CHANGED).then(lost))


def test_who_gets_it_from_that_queue_begins_a_new_responsibility() -> None:
    case = given(routing, *CITY, issue_opened(CODE_0101), case_routed(by="grid"), WITHOUT_0101)
    lost = case.when(CHANGED).events
    place = e.PlaceNamed(action="a9", issue=CASE, by="eve", grid="0102")
    (placed,) = given(routing, *case.past, *lost).when(place).events
    assert placed.holder == BOB


def test_it_goes_to_the_districts_queue_if_its_street_is_gone_too() -> None:
    case = given(routing, *CITY, REPORTED, ROUTED, WITHOUT_STREET_01)
    queue = replace(THE_DISTRICT, episode=1)
    lost = reassignment(queue, queued=True, located_by="none", rules=("outside_map",))
    assert in_queue(case.when(CHANGED, DAY, OUTSIDE).then(lost))


def test_the_other_claims_of_its_report_are_asked_if_its_point_is_on_no_grid() -> None:
    case = given(routing, *CITY, issue_opened(IN_0101, CODE_0101), ROUTED, NEXT_MAP)
    case.when(CHANGED, DAY, OUTSIDE).then()


@pytest.mark.parametrize(
    ("claims", "answers", "by"),
    [((IN_0101,), STILL_IN_0101, "point"), ((CODE_0101,), (), "grid")],
)
def test_a_case_in_a_queue_is_routed_by_the_map_that_has_its_place(
    claims: tuple[e.PlaceClaim, ...], answers: Any, by: str
) -> None:
    queued = replace(QUEUED, holder=THE_DISTRICT, located_by="none")
    case = given(routing, ROSTER_ADOPTED, issue_opened(*claims), queued, NEXT_MAP)
    used = replace(USED, map="map-2")
    case.when(CHANGED, DAY, answers).then(replace(case_routed(by=by), used=used))


def test_a_case_in_a_queue_that_no_map_has_goes_from_its_street_to_the_district() -> None:
    case = given(routing, *CITY, issue_opened(STREET), QUEUED, WITHOUT_STREET_01)
    case.when(CHANGED).then(
        reassignment(
            THE_DISTRICT, STREET_01, queued=True, located_by="none", rules=("unknown_code",)
        )
    )


def test_the_grid_that_a_dispatcher_named_outweighs_the_claims_of_the_report() -> None:
    named = case_routed(replace(ANN, grid="0102", worker="bob"), "dispatcher")
    case = given(routing, *CITY, issue_opened(IN_0101), QUEUED, named, NEXT_MAP)
    case.when(CHANGED).then()
    assert not routing.requests(CHANGED, case.aggregates)


def test_the_points_of_an_open_case_are_looked_up() -> None:
    case = given(routing, *CITY, REPORTED, ROUTED)
    assert routing.requests(CHANGED, case.aggregates) == [(IN_0101.lon, IN_0101.lat)]


# ── Which cases ──────────────────────────────────────────────────────────────────────────────────


def case_in(name: str, holder: e.Assignment, *life: e.Event) -> tuple[e.Event, ...]:
    claim = e.PlaceClaim(by="grid", code=holder.grid)
    events: tuple[Any, ...] = (issue_opened(claim), case_routed(holder, "grid"), *life)
    return tuple(replace(event, case=name) for event in events)


CASES = (
    *case_in("in 0101", ANN),
    *case_in("in 0101, visited", ANN, VISITED),
    *case_in("in 0101, ended", ANN, VISITED, CLOSED),
    *case_in("in 0102", replace(ANN, grid="0102", worker="bob")),
    *case_in("in 0201", replace(ANN, grid="0201", street="02", worker="cy")),
    *case_in("in the school", replace(ANN, grid="SCHOOL", worker=None, episode=0)),
    *(replace(event, case="queued") for event in (issue_opened(STREET), QUEUED)),
)


def test_a_roster_concerns_the_open_cases_of_grids_whose_worker_it_changes() -> None:
    assert affected_cases(NEXT_ROSTER_SENT, *CITY, *CASES, NEXT_ROSTER) == [
        "in 0101",
        "in 0101, visited",
        "in 0102",
        "in the school",
    ]


def test_a_map_concerns_every_open_case() -> None:
    assert affected_cases(NEXT_MAP, *CITY, *CASES, NEXT_MAP) == [
        "in 0101",
        "in 0101, visited",
        "in 0102",
        "in 0201",
        "in the school",
        "queued",
    ]


@pytest.mark.parametrize("kind", ["admission", "policies", "names", "decider"])
def test_other_reference_data_concern_no_case(kind: Any) -> None:
    adoption = e.ReferenceAdopted(kind=kind, name="new", digest=ADMISSION_ADOPTED.digest)
    assert affected_cases(adoption, *CITY, *CASES, POLICIES_ADOPTED) == []


def test_a_case_has_the_same_keys_for_as_long_as_it_has_its_holder() -> None:
    routed = given(routing, *CITY, REPORTED, ROUTED)
    visited = given(routing, *routed.past, VISITED)
    assert routing.keys(routed.state) is routing.keys(visited.state)
