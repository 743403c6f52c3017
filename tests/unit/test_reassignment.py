"""Sentences about adoption: a roster and a map reach the cases that are open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eventlog.core.decider import ON_ITS_TURN, ReferenceChanged
from eventlog.testing.sentences import Given, given
from events import catalogue as e
from events.reference_data import AdmissionList, AdmissionRow, Grid, GridMap, Roster
from tests.harness.city import (
    ADMISSION_ADOPTED,
    ANN,
    CASE,
    DAY,
    IN_0101,
    MAP_ADOPTED,
    POLICIES_ADOPTED,
    ROSTER_ADOPTED,
    USED,
    case_routed,
    digest,
    issue,
    matter,
    routing,
    square,
)

CITY = (MAP_ADOPTED, ROSTER_ADOPTED)

# Ann has left 0101 to Dan, nobody follows Bob in 0102, and the school has got somebody at last.
NEXT_WORKERS = Roster({"0101": "dan", "0201": "cy", "SCHOOL": "sue"}, ())
NEXT_ROSTER = e.RosterAdopted(name="roster-2", digest=digest(NEXT_WORKERS), receivers=())
NEXT_ROSTER_SENT = e.ReferenceAdopted(kind="roster", name="roster-2", digest=NEXT_ROSTER.digest)


def map_of(*grids: tuple[str, str]) -> e.ReferenceAdopted:
    """Return the adoption of a map of grids, each with its street. Where they are is looked up."""
    content = GridMap(
        "city",
        "City",
        tuple(Grid(code, street, False, square(i, 0)) for i, (code, street) in enumerate(grids)),
    )
    return e.ReferenceAdopted(kind="map", name="map-2", digest=digest(content))


NEXT_MAP = map_of(("0101", "01"), ("0102", "01"), ("0201", "02"))
WITHOUT_0101 = map_of(("0102", "01"), ("0201", "02"))
WITHOUT_STREET_01 = map_of(("0201", "02"))

NOW_IN_0102 = (("0102",),)
STILL_IN_0101 = (("0101",),)
OUTSIDE: tuple[tuple[str, ...], ...] = ((),)

CHANGED = ReferenceChanged(CASE)
VISIT = e.VisitMade(action="a1", issue=CASE, by="ann")
VISITED = e.CaseVisited(case=CASE, holder=ANN, by="ann")
RESOLVED = e.CaseResolved(case=CASE, holder=ANN, by="ann", root_cause="a broken bin")
VERIFIED = e.CaseVerified(case=CASE, holder=ANN, by="eve")
CLOSED = e.CaseClosed(case=CASE, holder=ANN, by="eve")
REOPENING = e.ReopeningAsked(action="a6", issue=CASE, because="recurrence")
DAN = replace(ANN, worker="dan", episode=2)
BOB = replace(ANN, grid="0102", worker="bob", episode=2)
NOBODY = replace(ANN, worker=None)
STREET_01 = e.Assignment(
    level="street", grid=None, street="01", district="city", worker=None, episode=0
)
THE_DISTRICT = replace(STREET_01, level="district", street=None)


def issue_opened(*claims: e.PlaceClaim, category: str = "Rubbish") -> e.CaseReported:
    report = issue(*claims, category=category)
    return e.CaseReported(
        case=CASE,
        issue=CASE,
        reference="R-1",
        matter=matter(category=category),
        claims=report.claims,
        rules=(),
    )


REPORTED, ROUTED = issue_opened(IN_0101), case_routed()
CODE_0101, STREET = e.PlaceClaim(by="grid", code="0101"), e.PlaceClaim(by="street", code="01")
QUEUED = e.CaseQueued(
    case=CASE, matter=matter(), holder=STREET_01, located_by="street", rules=(), used=USED
)


def reassignment(
    holder: e.Assignment, previous: e.Assignment = ANN, because: Any = "map", **fields: Any
) -> e.CaseReassigned:
    changed = "roster" if because == "roster" else "map"
    used = replace(USED, **{changed: f"{changed}-2"})
    event = e.CaseReassigned(
        case=CASE,
        holder=holder,
        previous=previous,
        because=because,
        queued=False,
        located_by="point",
        rules=(),
        used=used,
        row="",
    )
    return replace(event, **fields)


def in_queue(case: Given[Any, Any]) -> bool:
    """Tell whether a dispatcher may name the place of a case."""
    place = e.PlaceNamed(action="a9", issue=CASE, by="eve", grid="0201")
    return not isinstance(case.when(place).events[0], e.InputDeclined)


# ── A roster ─────────────────────────────────────────────────────────────────────────────────────

LIVES: dict[str, tuple[e.Event, ...]] = {
    "routed": (),
    "visited": (VISITED,),
    "resolved": (VISITED, RESOLVED),
    "verified": (VISITED, RESOLVED, VERIFIED),
}


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


ATTENDED = ["visited", "resolved", "verified"]
IN_QUEUE = replace(STREET_01, episode=1)
LOST = reassignment(IN_QUEUE, queued=True, located_by="former", rules=("outside_map",))
NAMING = e.PlaceNamed(action="a9", issue=CASE, by="eve", grid="0102")
NAMED = reassignment(BOB, IN_QUEUE, "dispatcher", located_by="dispatcher")


def after_its_loss(life: str, *events: e.Event) -> Given[Any, Any]:
    """Return a case in a stage of its life, after a map came that lacks its grid."""
    return given(routing, *CITY, REPORTED, ROUTED, *LIVES[life], WITHOUT_0101, LOST, *events)


@pytest.mark.parametrize("life", ATTENDED)
def test_what_was_done_on_a_case_stays_if_its_grid_is_gone_and_its_dispatcher_has_it(
    life: str,
) -> None:
    case: Given[Any, Any] = given(routing, *CITY, REPORTED, ROUTED, *LIVES[life], WITHOUT_0101)
    lost = case.when(CHANGED, DAY, OUTSIDE).then(LOST)
    assert lost.state == replace(case.state, holder=IN_QUEUE, queued=True)
    lost.when(CHANGED, DAY, OUTSIDE).then()


@pytest.mark.parametrize("life", ATTENDED)
def test_a_case_that_was_visited_keeps_its_visit_when_a_dispatcher_names_its_lost_place(
    life: str,
) -> None:
    case = after_its_loss(life)
    placed = case.when(NAMING).then(NAMED)
    assert placed.state == replace(
        case.state, holder=BOB, queued=False, claims=(e.PlaceClaim(by="grid", code="0102"),)
    )
    assert not in_queue(placed)


def test_a_lost_place_cannot_be_a_grid_that_the_map_lacks() -> None:
    because = "The map has no grid '0101'."
    after_its_loss("visited").when(replace(NAMING, grid="0101")).then(
        e.InputDeclined(case=CASE, input_id="a9", because=because)
    )


def test_a_named_place_that_the_list_keeps_from_grids_goes_to_its_street_and_cites_the_row() -> (
    None
):
    permits = AdmissionList((AdmissionRow("Rubbish", "street", "list 2026, row 1"),))
    listed = e.ReferenceAdopted(kind="admission", name="list-2026", digest=digest(permits))
    (named,) = after_its_loss("visited", listed).when(NAMING).events
    assert named.holder == replace(IN_QUEUE, grid="0102")
    assert (named.queued, named.row) == (False, "list 2026, row 1")


def test_the_work_on_a_visited_case_goes_on_while_its_place_is_sought() -> None:
    case = after_its_loss("visited")
    for action in (
        e.ResolutionClaimed(action="a2", issue=CASE, by="ann", root_cause="a broken bin"),
        e.ResolutionChecked(action="a4", issue=CASE, by="eve", holds=False),
        e.ResolutionClaimed(action="a2", issue=CASE, by="ann", root_cause="a broken bin"),
        e.ResolutionChecked(action="a3", issue=CASE, by="eve", holds=True),
    ):
        assert in_queue(case)
        events = case.when(action).events
        assert events[0].holder == IN_QUEUE
        case = given(routing, *case.past, *events)
    closed = e.CaseClosed(case=CASE, holder=IN_QUEUE, by="eve")
    assert in_queue(case)
    case.when(e.ClosingAsked(action="a5", issue=CASE, by="eve")).then(closed)


@pytest.mark.parametrize("life", ATTENDED)
def test_a_case_whose_lost_grid_a_later_map_has_again_goes_to_its_worker_of_then(life: str) -> None:
    case = after_its_loss(life, NEXT_ROSTER, NEXT_MAP)
    back = reassignment(replace(ANN, worker="dan", episode=2), IN_QUEUE)
    used = e.Versions("map-2", "roster-2", None)
    placed = case.when(CHANGED, DAY, STILL_IN_0101).then(replace(back, used=used))
    assert placed.state == replace(case.state, holder=back.holder, queued=False)


@pytest.mark.parametrize("life", ATTENDED)
def test_a_later_roster_reaches_a_case_whose_lost_place_was_named(life: str) -> None:
    case = after_its_loss(life, NAMED)
    nobody = replace(BOB, worker=None)
    assert affected_cases(NEXT_ROSTER_SENT, *case.past, NEXT_ROSTER) == [CASE]
    (left,) = given(routing, *case.past, NEXT_ROSTER).when(CHANGED).events
    assert (left.because, left.holder, left.previous) == ("roster", nobody, BOB)


def test_a_visited_case_that_ends_in_a_queue_reopens_there() -> None:
    ended = e.CaseEndedAtSource(case=CASE, holder=IN_QUEUE, outcome="closed", rules=())
    case = after_its_loss("visited", ended)
    reopened = given(routing, *case.past, *case.when(REOPENING, 9 * DAY, OUTSIDE).events)
    assert in_queue(reopened)
    (routed,) = reopened.when(NAMING).events
    assert routed.holder == BOB


def test_a_case_that_has_its_grid_is_in_nobodys_queue_in_whatever_stage_it_is() -> None:
    for life in LIVES.values():
        assert not in_queue(given(routing, *CITY, REPORTED, ROUTED, *life))


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


def affected_cases(event: e.ReferenceAdopted, *past: Any) -> list[str]:
    return sorted(routing.find_affected(event, given(routing, *past).aggregates))


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


# ── Reopening ────────────────────────────────────────────────────────────────────────────────────

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
