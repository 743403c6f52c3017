"""Routing: where a case is, and which level may have it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eventlog.testing.sentences import given
from events import catalogue as e
from tests.harness.city import (
    CASE,
    DAY,
    IN_0101,
    case_routed,
    issue,
    matter,
    routing,
)
from tests.harness.routing import (
    CITY,
    IN_DISTRICT,
    PLACE,
    QUEUED,
    ROUTED,
    STRICT,
    STRICT_CITY,
    VISIT,
    case_of,
    placement_of,
    refusal,
)


def test_a_report_goes_to_the_grid_that_contains_its_point() -> None:
    report = issue(IN_0101)
    given(routing, *CITY).when(report, DAY, (("0101",),)).then(case_of(report), ROUTED)


def test_a_point_in_two_grids_goes_to_the_lowest_code_and_says_so() -> None:
    placed = placement_of(*CITY, claims=(IN_0101,), result=(("0201", "0101"),))
    assert (placed.holder.grid, placed.rules) == ("0101", ("in_two_grids",))


def test_a_dedicated_grid_wins_over_the_basic_grid_around_it_and_that_is_no_dirt() -> None:
    placed = placement_of(*CITY, claims=(IN_0101,), result=(("0101", "SCHOOL"),))
    assert (placed.holder.grid, placed.holder.worker, placed.rules) == ("SCHOOL", None, ())


def test_a_grid_without_a_worker_is_nobodys_responsibility_yet() -> None:
    assert placement_of(*CITY, claims=(e.PlaceClaim(by="grid", code="SCHOOL"),)).holder.episode == 0


def test_the_first_claim_that_answers_wins() -> None:
    claims = (
        e.PlaceClaim(by="point", lat=9.0, lon=9.0),
        e.PlaceClaim(by="grid", code="9999"),
        e.PlaceClaim(by="grid", code="0201"),
    )
    placed = placement_of(*CITY, claims=claims, result=((),))
    assert (placed.holder.grid, placed.located_by, placed.rules) == (
        "0201",
        "grid",
        ("outside_map", "unknown_code"),
    )


def test_a_declared_code_that_the_map_does_not_have_leaves_its_rule_once() -> None:
    grid, street = e.PlaceClaim(by="grid", code="9999"), e.PlaceClaim(by="street", code="99")
    placed = placement_of(*CITY, claims=(grid, street))
    assert (type(placed), placed.located_by) == (e.CaseQueued, "none")
    assert placed.rules == ("unknown_code",)


def test_an_unknown_code_behind_the_place_that_answered_leaves_no_rule() -> None:
    known, unknown = e.PlaceClaim(by="street", code="01"), e.PlaceClaim(by="grid", code="9999")
    placed = placement_of(*CITY, claims=(known, unknown))
    assert (placed.located_by, placed.rules) == ("street", ())


def test_rules_of_claims_that_were_not_reached_do_not_count() -> None:
    placed = placement_of(
        *CITY, claims=(e.PlaceClaim(by="grid", code="0201"), e.PlaceClaim(by="no_point"))
    )
    assert placed.rules == ()


@pytest.mark.parametrize("rule", ["no_point", "unknown_point"])
def test_a_missing_or_unknown_point_leaves_its_rule(rule: Any) -> None:
    placed = placement_of(
        *CITY, claims=(e.PlaceClaim(by=rule), e.PlaceClaim(by="street", code="01"))
    )
    assert (placed.located_by, placed.rules) == ("street", (rule,))


def test_known_by_its_street_alone_it_waits_for_the_streets_dispatcher() -> None:
    report = issue(e.PlaceClaim(by="street", code="01"))
    given(routing, *CITY).when(report, DAY).then(case_of(report), QUEUED)


@pytest.mark.parametrize(
    "claims",
    [(), (e.PlaceClaim(by="street", code="99"),), (e.PlaceClaim(by="grid", code="nowhere"),)],
)
def test_known_by_nothing_it_waits_in_the_districts_queue(claims: tuple[e.PlaceClaim, ...]) -> None:
    placed = placement_of(*CITY, claims=claims)
    assert (type(placed), placed.holder, placed.located_by) == (e.CaseQueued, IN_DISTRICT, "none")


def test_without_a_map_everything_waits_in_the_districts_queue() -> None:
    assert (
        placement_of(claims=(IN_0101, e.PlaceClaim(by="grid", code="0101"))).holder == IN_DISTRICT
    )


def test_the_dispatcher_names_the_grid() -> None:
    bob = e.Assignment(
        level="grid", grid="0102", street="01", district="city", worker="bob", episode=1
    )
    given(routing, *CITY, QUEUED).when(PLACE).then(case_routed(bob, "dispatcher")).when(VISIT).then(
        e.CaseVisited(case=CASE, holder=bob, by="ann")
    )


def test_the_dispatcher_cannot_name_a_grid_that_is_not_there() -> None:
    wrong = replace(PLACE, grid="nowhere")
    given(routing, *CITY, QUEUED).when(wrong).then(refusal(wrong, "The map has no grid 'nowhere'."))


def test_a_case_that_has_its_place_is_in_nobodys_queue() -> None:
    given(routing, *CITY, ROUTED).when(PLACE).then(
        refusal(PLACE, "This case has its place: it is in nobody's queue.")
    )


# ── Admission ────────────────────────────────────────────────────────────────────────────────────


def test_a_category_on_the_list_for_grids_goes_to_the_grid() -> None:
    report = issue(IN_0101)
    admitted = replace(ROUTED, used=STRICT)
    given(routing, *STRICT_CITY).when(report, DAY, (("0101",),)).then(case_of(report), admitted)


def test_a_category_of_the_street_is_kept_from_the_grid_and_cites_the_row() -> None:
    report = issue(IN_0101, category="Roadworks")
    street = e.Assignment(
        level="street", grid="0101", street="01", district="city", worker=None, episode=0
    )
    withheld = e.CaseWithheld(
        case=CASE,
        matter=matter(category="Roadworks"),
        holder=street,
        located_by="point",
        rules=(),
        used=STRICT,
        row="list 2025, row 2",
    )
    given(routing, *STRICT_CITY).when(report, DAY, (("0101",),)).then(case_of(report), withheld)


@pytest.mark.parametrize(
    ("category", "row"),
    [("Permits", "list 2025, row 3"), ("Dragons", "'Dragons' is not on list-2025")],
)
def test_a_category_of_the_district_or_on_no_row_belongs_to_the_district(
    category: str, row: str
) -> None:
    report = issue(category=category)
    withheld = e.CaseWithheld(
        case=CASE,
        matter=matter(category=category),
        holder=IN_DISTRICT,
        located_by="none",
        rules=(),
        used=STRICT,
        row=row,
    )
    given(routing, *STRICT_CITY).when(report, DAY).then(case_of(report), withheld)


def test_a_streets_category_without_a_street_waits_until_its_street_is_known() -> None:
    report = issue(category="Roadworks")
    queued = e.CaseQueued(
        case=CASE,
        matter=matter(category="Roadworks"),
        holder=IN_DISTRICT,
        located_by="none",
        rules=(),
        used=STRICT,
    )
    given(routing, *STRICT_CITY).when(report, DAY).then(case_of(report), queued)


def test_a_dispatcher_cannot_give_a_grid_what_the_list_keeps_from_it() -> None:
    queued = replace(QUEUED, matter=matter(category="Roadworks"))
    placed = given(routing, *STRICT_CITY, queued).when(PLACE).events
    assert [type(event) for event in placed] == [e.CaseWithheld]
