"""Sentences about open cases whose grid a map lacks: a dispatcher has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eventlog.testing.sentences import Given, given
from events import catalogue as e
from events.reference_data import AdmissionList, AdmissionRow
from tests.harness.city import (
    ANN,
    CASE,
    DAY,
    digest,
    routing,
)
from tests.harness.reassignment import (
    ATTENDED,
    BOB,
    CHANGED,
    CITY,
    IN_QUEUE,
    LIVES,
    LOST,
    NAMED,
    NAMING,
    NEXT_MAP,
    NEXT_ROSTER,
    NEXT_ROSTER_SENT,
    OUTSIDE,
    REOPENING,
    REPORTED,
    ROUTED,
    STILL_IN_0101,
    WITHOUT_0101,
    affected_cases,
    in_queue,
    reassignment,
)


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
