"""Reference data are checked against themselves and against what is in force, before adoption."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from events.catalogue import DeadlineRule, OnCall
from events.reference_data import (
    AdmissionList,
    AdmissionRow,
    Grid,
    GridMap,
    Names,
    Policies,
    Roster,
)
from events.topology import DECIDER_VERSION, DECIDER_VERSIONS
from gridcall.demo.licheng.contents import contents as demo_contents
from intake.adoption import check_contents
from intake.core.reference_checks import Finding, InForce, check_content, check_decider
from tests.harness.city import ADMISSION, DAY, GRID_MAP, POLICIES, ROSTER, square

IN_FORCE = InForce(map=GRID_MAP, roster=ROSTER, admission=ADMISSION, policies=POLICIES)


def rule(
    line: str = "*", category: str = "*", urgency: str = "*", amount: int = 2, unit: Any = "days"
) -> DeadlineRule:
    return DeadlineRule(line=line, category=category, urgency=urgency, amount=amount, unit=unit)


def refusals(content: Any, in_force: InForce = IN_FORCE, district: str = "city") -> list[str]:
    findings = check_content(content, district, in_force)
    return [f"{each.part}: {each.what}" for each in findings if each.severity == "refused"]


def reports(content: Any, in_force: InForce = IN_FORCE) -> list[str]:
    findings = check_content(content, "city", in_force)
    return [f"{each.part}: {each.what}" for each in findings if each.severity == "reported"]


def test_the_reference_data_of_the_city_fit_each_other() -> None:
    for content in (GRID_MAP, ROSTER, ADMISSION, POLICIES):
        assert refusals(content) == []


def test_the_demo_adopts_what_fits() -> None:
    events = [event for event, _ in demo_contents()]
    bodies = {event.digest: body for event, body in demo_contents()}
    assert check_contents(events, bodies, "370112", InForce()) == []


# ── Policies ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("zone", ["Asia/Jinan", "", "../zone", "/etc/passwd", "Europe", "UTC+8"])
def test_an_unknown_zone_is_refused_with_the_nearest_one(zone: str) -> None:
    (said,) = refusals(replace(POLICIES, zone=zone))
    assert said.startswith(f"zone: {zone!r} is no zone of the IANA database; ")


def test_a_typing_error_in_a_zone_is_answered_with_the_right_one() -> None:
    assert "did you mean 'Asia/Shanghai'?" in refusals(replace(POLICIES, zone="Asia/Shangai"))[0]


@pytest.mark.parametrize("within", [0, -5, 24, 999_999, 3_660 * DAY + 1])
def test_a_time_to_answer_that_nobody_means_is_refused(within: int) -> None:
    (said,) = refusals(replace(POLICIES, answer_within=within))
    assert f"{within} is no time to answer: it is in microseconds" in said


@pytest.mark.parametrize("within", [None, 1_000_000, DAY, 3_660 * DAY])
def test_a_time_to_answer_between_a_second_and_ten_years_is_taken(within: int | None) -> None:
    assert refusals(replace(POLICIES, answer_within=within)) == []


@pytest.mark.parametrize(
    ("amount", "unit"),
    [(0, "days"), (-2_000_000_000_000, "days"), (3_661, "days"), (0, "hours"), (87_841, "hours")],
)
def test_an_amount_that_nobody_means_is_refused(amount: int, unit: str) -> None:
    (said,) = refusals(Policies("Asia/Shanghai", None, (rule(amount=amount, unit=unit),)))
    assert f"{amount} {unit} is no limit: give 1 to" in said


@pytest.mark.parametrize(("amount", "unit"), [(1, "hours"), (87_840, "hours"), (3_660, "days")])
def test_an_amount_at_the_edge_is_taken(amount: int, unit: str) -> None:
    assert refusals(Policies("Asia/Shanghai", None, (rule(amount=amount, unit=unit),))) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"line": "hotlne"}, "'hotlne' is no line; did you mean 'hotline'?"),
        ({"urgency": "urgnt"}, "'urgnt' is no urgency; did you mean 'urgent'?"),
        (
            {"category": "Rubish"},
            "'Rubish' is not a category of the admission list in force; did you mean 'Rubbish'?",
        ),
        ({"category": ""}, "the category is empty: fill it in"),
    ],
)
def test_a_limit_names_known_lines_urgencies_and_categories(
    wrong: dict[str, Any], said: str
) -> None:
    (finding,) = refusals(Policies("Asia/Shanghai", None, (rule(**wrong),)))
    assert said in finding


def test_without_an_admission_list_any_category_may_have_a_limit() -> None:
    unknown = Policies("Asia/Shanghai", None, (rule(category="Anything"),))
    assert refusals(unknown, InForce()) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (rule("hotline"), rule("hotline", amount=9)),
        (rule(), rule("hotline", "Rubbish", "urgent")),
        (rule("hotline", urgency="life"), rule("hotline", "Permits", "life")),
    ],
)
def test_a_limit_that_never_counts_is_refused(first: DeadlineRule, second: DeadlineRule) -> None:
    (said,) = refusals(Policies("Asia/Shanghai", None, (first, second)))
    assert said.startswith("limit 2")
    assert "it never counts, because limit 1" in said


def test_a_special_limit_before_a_general_one_counts() -> None:
    special, general = rule("hotline", "Rubbish", "urgent"), rule("hotline")
    assert refusals(Policies("Asia/Shanghai", None, (special, general))) == []


# ── Roster ───────────────────────────────────────────────────────────────────────────────────────


def test_a_roster_names_grids_and_units_of_the_map_in_force() -> None:
    wrong = Roster({"0101": "ann", "0109": "bob"}, (OnCall("1", "o:1", None),))
    said = refusals(wrong)
    assert said[0].startswith("worker of 0109: '0109' is not a grid of the map in force")
    assert said[1].startswith("receiver of 1: '1' is not a street of the map in force, nor its")
    assert "did you mean '01'?" in said[1]


def test_a_roster_before_a_map_is_refused_with_what_comes_first() -> None:
    (said,) = refusals(ROSTER, InForce())
    assert "gridcall map load comes first" in said


def test_of_many_unknown_grids_the_first_are_named_and_the_others_counted() -> None:
    said = refusals(Roster({f"x{number}": "ann" for number in range(1000)}, ()))
    assert len(said) == 21
    assert said[-1] == "worker of: 980 more are not a grid of the map in force"


@pytest.mark.parametrize(
    ("roster", "said"),
    [
        (Roster({"0101": " "}, ()), "worker of 0101: the code is empty"),
        (Roster({"0101": "ann "}, ()), "begins or ends with a blank"),
        (Roster({"0101": "a\u202enn"}, ()), "has a character that nobody sees"),
        (Roster({"0101": "a" * 65}, ()), "has 65 characters, at most 64"),
        (
            Roster({}, (OnCall("01", "a", None), OnCall("01", "b", None))),
            "receivers: the unit '01' is there 2 times: keep one",
        ),
        (Roster({}, (OnCall("01", None, "b"),)), "it has a deputy and no officer"),
        (Roster({}, (OnCall("01", "", None),)), "the code of the officer is empty"),
    ],
)
def test_a_roster_has_codes_that_can_be_used(roster: Roster, said: str) -> None:
    assert any(said in each for each in refusals(roster)), refusals(roster)


def test_grids_without_a_gridworker_and_units_without_an_officer_are_reported() -> None:
    said = reports(Roster({"0101": "ann"}, (OnCall("01", "o:1", None),)))
    assert said == [
        "workers: 3 grids have no gridworker: 0102, 0201, SCHOOL",
        "receivers: 2 units have no officer, so that nobody is named in their calls: 02, city",
    ]


# ── Admission list, names ────────────────────────────────────────────────────────────────────────


def test_a_category_is_on_an_admission_list_once() -> None:
    row = AdmissionRow("Rubbish", "grid", "row 1")
    assert refusals(AdmissionList((row, replace(row, level="street")))) == [
        "rows: the category 'Rubbish' is there 2 times: keep one"
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (AdmissionRow("", "grid", "row 1"), "row 1: the category is empty"),
        (AdmissionRow("Rubbish", "grid", " "), "row 1 (Rubbish): the rule is empty"),
    ],
)
def test_a_row_of_an_admission_list_is_whole(row: AdmissionRow, said: str) -> None:
    assert refusals(AdmissionList((row,)))[0].startswith(said)


def test_an_admission_list_without_a_row_is_refused() -> None:
    assert "every case would belong to the district" in refusals(AdmissionList(()))[0]


def test_limits_in_force_for_a_category_that_a_new_list_lacks_are_reported() -> None:
    policies = Policies("Asia/Shanghai", None, (rule(category="Permits"),))
    in_force = replace(IN_FORCE, policies=policies)
    (said,) = reports(AdmissionList((AdmissionRow("Rubbish", "grid", "row 1"),)), in_force)
    assert said == (
        "rows: limits in force name Permits, which it does not have: load policies that fit next"
    )


def test_names_are_in_the_languages_of_the_page_and_not_empty() -> None:
    said = refusals(Names(False, {"0101": {"zh": "甸柳", "en": " ", "eng": "Dianliu"}}))
    assert said == [
        "names of 0101: the name in 'en' is empty",
        "names of 0101: 'eng' is no language of the page; did you mean 'en'?",
    ]


# ── Map ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_map_of_another_district_is_refused() -> None:
    (said,) = refusals(GRID_MAP, district="other")
    assert "it is the map of 'city', not of 'other'" in said


@pytest.mark.parametrize(
    ("grids", "said"),
    [
        ((), "a map needs at least one grid"),
        ((Grid("A", "1", False, {}), Grid("A", "1", True, {})), "the code 'A' is there 2 times"),
        ((Grid("A\n", "1", False, {}),), "grid A\n: the code 'A\\n' begins or ends"),
        ((Grid("A", "city", False, {}),), "a street has the district's code 'city'"),
    ],
)
def test_a_map_has_different_codes_that_can_be_used(grids: Any, said: str) -> None:
    result = refusals(GridMap("city", "City", grids), InForce())
    assert any(said in each for each in result), result


def test_what_a_roster_in_force_lacks_under_a_new_map_is_reported() -> None:
    new = GridMap("city", "City", (Grid("0101", "01", False, square(0, 0)),
                                   Grid("0105", "01", False, square(3, 0))))  # fmt: skip
    said = reports(new)
    assert said[0] == (
        "roster: the roster in force names 0102, 0201, which the map does not have: "
        "load a roster that fits next"
    )
    assert "workers: 1 grids have no gridworker: 0105" in said


def test_refusals_come_before_reports() -> None:
    findings = check_content(Roster({"x": "ann"}, ()), "city", IN_FORCE)
    assert [each.severity for each in findings] == ["refused", "reported", "reported"]
    assert str(findings[0]).startswith("refused: worker of x: ")
    assert isinstance(findings[0], Finding)


# ── Decider versions ─────────────────────────────────────────────────────────────────────────────


def test_a_decider_version_is_one_of_this_build() -> None:
    assert check_decider(DECIDER_VERSION) == []
    (near,) = check_decider(f"{DECIDER_VERSION}x")
    assert (near.severity, near.part) == ("refused", "version")
    assert near.what.endswith(f"did you mean {DECIDER_VERSION!r}?")
    (far,) = check_decider("something else")
    assert far.what.endswith(f"this build has {', '.join(DECIDER_VERSIONS)}")
