"""Format 2 of profiles: its new keys, and the ones that it does not support yet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from events.errors import Invalid
from events.instants import rfc3339
from gridcall.simulation.city.header import Header
from gridcall.simulation.city.profile import Dedicated, Profile
from gridcall.simulation.city.profile_loader import ProfileError, load_profile, models_in
from gridcall.simulation.city.row_mapper import Record, RowMapper
from tests.harness.paths import ROOT
from tests.harness.small_city import HEADER, format_2, map_keys, write_profile

ROW = ("R-1", "Lamp", "2023-05-01", "31.05.2023", "2023-05-02", "07")


def load(folder: Path, **keys: Any) -> Profile:
    return load_profile(format_2(folder, **keys))[0]


def record_of(profile: Profile, cells: dict[str, str], line: int = 2) -> Record:
    """Return the record of a row that has a cell for each name of the header."""
    header = Header(profile, list(cells))
    assert not header.missing
    return RowMapper(profile, header, "may.csv").read(list(cells.values()), line)


def small_row(**changed: str) -> dict[str, str]:
    return dict(zip(HEADER, ROW, strict=True)) | changed


# ── Columns ──────────────────────────────────────────────────────────────────────────────────────


def test_a_reference_is_joined_of_several_columns(tmp_path: Path) -> None:
    profile = load(tmp_path, reference={"columns": ["seen", "id"], "join": "/"})
    assert record_of(profile, small_row()).issue.reference == "2023-05-01/R-1"
    profile = load(tmp_path, reference={"columns": ["id", "area"]})
    assert record_of(profile, small_row()).issue.reference == "R-107"


def test_a_joined_reference_with_a_blank_part_is_none(tmp_path: Path) -> None:
    profile = load(tmp_path, reference={"columns": ["id", "area"], "join": "-"})
    with pytest.raises(Invalid, match="no reference") as refused:
        record_of(profile, small_row(area=""))
    assert (refused.value.field, refused.value.value) == ("id+area", "R-1-")


def test_a_reference_is_the_name_of_the_file_and_the_line(tmp_path: Path) -> None:
    profile = load(tmp_path, reference={"row": True})
    assert record_of(profile, small_row(), line=17).issue.reference == "may.csv:17"


@pytest.mark.parametrize(
    ("reference", "whole", "wide"),
    [
        ({"column": "id"}, "R-1", "R-1"),
        ({"columns": ["id", "area"], "join": "-"}, "R-1-07", ""),
        ({"row": True}, "may.csv:9", "may.csv:9"),
    ],
)
def test_the_reference_of_a_rejected_row(
    tmp_path: Path, reference: Any, whole: str, wide: str
) -> None:
    profile = load(tmp_path, reference=reference)
    mapper = RowMapper(profile, Header(profile, HEADER), "may.csv")
    assert mapper.reference(ROW, 9) == whole
    assert mapper.reference([*ROW, "one too many"], 9) == wide


def test_a_blank_reference_of_a_short_row_is_none(tmp_path: Path) -> None:
    profile = load(tmp_path, csv={"blank": ["", "n/a"]})
    mapper = RowMapper(profile, Header(profile, HEADER))
    assert [mapper.reference(row, 9) for row in (["n/a"], [""], [])] == ["", "", ""]


def test_date_and_time_of_day_in_two_columns_are_joined_by_a_blank(tmp_path: Path) -> None:
    time = {"columns": ["date", "hour"], "formats": ["%m/%d/%Y %I:%M:%S %p"]}
    profile = load(tmp_path, zone="America/Chicago", reported=time, due=None, ended=None)
    row = small_row(date="05/01/2023", hour="02:30:00 PM")
    record = record_of(profile, row)
    assert rfc3339(record.reported) == "2023-05-01T19:30:00Z"
    for hour, reason in (("", "no reported time"), ("25:00", "not a time")):
        with pytest.raises(Invalid, match=reason) as refused:
            record_of(profile, row | {"hour": hour})
        assert (refused.value.field, refused.value.value) == ("date+hour", f"05/01/2023 {hour}")


def test_seconds_since_1970_are_times(tmp_path: Path) -> None:
    profile = load(tmp_path, reported={"column": "seen", "formats": ["epoch_ms"]})
    record = record_of(profile, small_row(seen="1682947800000"))
    assert rfc3339(record.reported) == "2023-05-01T13:30:00Z"


def test_the_whole_file_is_one_line(tmp_path: Path) -> None:
    profile = load(tmp_path, line={"value": "petition"})
    assert record_of(profile, small_row()).issue.line == "petition"


def test_a_category_is_renamed_and_others_stay(tmp_path: Path) -> None:
    category = {"column": "kind", "values": {"Lamp": "Light", "": "None"}, "otherwise": "keep"}
    profile = load(tmp_path, category=category)
    categories = {
        cell: record_of(profile, small_row(kind=cell)).issue.category
        for cell in ("Lamp", "lamp", "Tree", "")
    }
    assert categories == {"Lamp": "Light", "lamp": "lamp", "Tree": "Tree", "": ""}


def test_a_table_gives_the_code_of_a_cell(tmp_path: Path) -> None:
    place = [{"grid": {"column": "area", "table": {"09 HILLS": "409", "08 DALE": "", "": "1"}}}]
    profile = load(tmp_path, place=place)
    claims = {
        cell: [claim.code for claim in record_of(profile, small_row(area=cell)).issue.claims]
        for cell in ("09 HILLS", "08 DALE", "409", "")
    }
    assert claims == {"09 HILLS": ["409"], "08 DALE": [], "409": [], "": []}


# ── Header ───────────────────────────────────────────────────────────────────────────────────────


def test_names_of_columns_are_compared_without_regard_to_case(tmp_path: Path) -> None:
    header = [name.upper() for name in HEADER]
    read = Header(load(tmp_path), header)
    assert (read.missing, read.repeated) == ({}, [])
    assert list(Header(load_profile(write_profile(tmp_path))[0], header).missing) == list(HEADER)


def test_names_of_the_profile_are_compared_without_regard_to_case(tmp_path: Path) -> None:
    profile = load(tmp_path, reference={"column": "ID"}, category={"column": "Kind"})
    assert Header(profile, HEADER).missing == {}


def test_an_exact_name_wins_over_another_case(tmp_path: Path) -> None:
    header = Header(load(tmp_path), ["ID", "Id", *HEADER])
    assert (header.positions["id"], header.repeated) == (2, [])


def test_a_name_in_two_other_cases_is_there_twice(tmp_path: Path) -> None:
    assert Header(load(tmp_path), ["ID", "Id", *HEADER[1:]]).repeated == ["id"]


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_map_says_which_features_are_joined_and_which_are_dedicated(tmp_path: Path) -> None:
    dedicated = {"property": "use", "values": ["school", "hospital"]}
    grids = load(tmp_path, map=map_keys(dissolve=True, dedicated=dedicated)).map.grids
    assert grids.dissolve
    assert grids.dedicated == Dedicated(property="use", values=frozenset({"school", "hospital"}))


NEW_KEYS: dict[str, Any] = {
    "reference.columns": {"reference": {"columns": ["id", "area"]}},
    "reference.row": {"reference": {"row": True}},
    "line.value": {"line": {"value": "hotline"}},
    "category.values": {"category": {"column": "kind", "values": {"Lamp": "Light"}}},
    "category.otherwise": {"category": {"column": "kind", "otherwise": "keep"}},
    "reported.columns": {"reported": {"columns": ["seen", "done"]}},
    "place.0.grid.table": {"place": [{"grid": {"column": "area", "table": {"A": "07"}}}]},
    "map.grids.dissolve": {"map": map_keys(dissolve=True)},
    "map.grids.dedicated": {"map": map_keys(dedicated={"property": "use", "values": ["school"]})},
    "calls.repeat": {"calls": {"answer_within": "PT24H", "repeat": "never"}},
}


@pytest.mark.parametrize("key", NEW_KEYS)
def test_a_key_of_format_2_is_refused_by_name_in_format_1(tmp_path: Path, key: str) -> None:
    assert load(tmp_path, **NEW_KEYS[key]).format == "2"
    with pytest.raises(ProfileError) as refused:
        load_profile(write_profile(tmp_path, **NEW_KEYS[key]))
    assert f" {key}: " in str(refused.value)
    assert "this key is new in format 2: write format: 2" in str(refused.value)


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("policies", {"policies": "policies.yaml"}),
        ("calendar", {"calendar": {"file": "workdays.csv", "hours": ["08:30-12:00"]}}),
        ("merge", {"merge": {"within_m": 50, "reopen_days": 30}}),
        ("calls.repeat", {"calls": {"answer_within": "PT24H", "repeat": "PT12H"}}),
    ],
)
def test_a_key_that_is_not_supported_yet_is_refused_by_name(
    tmp_path: Path, key: str, keys: dict[str, Any]
) -> None:
    with pytest.raises(ProfileError) as refused:
        load(tmp_path, **keys)
    (finding,) = str(refused.value).splitlines()
    assert f" {key}: " in finding
    assert "supported yet" in finding


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"reference": {"column": "id", "row": True}}, "exactly one of column, columns or row"),
        ({"reference": {"row": False}}, "exactly one of column, columns or row"),
        ({"reference": {"column": "id", "join": "-"}}, "join is for columns"),
        ({"reported": {"column": "a", "columns": ["b"]}}, "exactly one of column or columns"),
        ({"reported": {"columns": []}}, "exactly one of column or columns"),
        ({"line": {"value": "hotline", "column": "id"}}, "exactly one of column or value"),
        ({"line": {"value": "hotline", "otherwise": "grid"}}, "leave out values and otherwise"),
        ({"line": {"value": "telephone"}}, "line.value:"),
        ({"category": {"column": "kind", "otherwise": "refuse"}}, "category.otherwise:"),
        (
            {"place": [{"grid": {"column": "area", "pad": 2, "table": {"A": "07"}}}]},
            "leave out drop, keep and pad",
        ),
        ({"map": map_keys(dedicated={"property": "use"})}, "map.grids.dedicated.values: this key"),
        (
            {"map": map_keys(dedicated={"property": "use", "value": ["school"]})},
            "did you mean 'values'?",
        ),
        ({"policy": "policies.yaml"}, "policy: unknown key; did you mean 'policies'?"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(
    tmp_path: Path, keys: dict[str, Any], says: str
) -> None:
    with pytest.raises(ProfileError) as refused:
        load(tmp_path, **keys)
    assert says in str(refused.value)


# ── Documents ────────────────────────────────────────────────────────────────────────────────────


def optional_keys(model: type[BaseModel]) -> set[str]:
    """Return the names of all keys below a model that may be left out."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        if not field.is_required():
            names.add(field.alias or name)
        for inner in models_in(field.annotation):
            names |= optional_keys(inner)
    return names


def test_the_page_names_every_key_that_may_be_left_out() -> None:
    page = (ROOT / "docs" / "simulate.md").read_text(encoding="utf-8")
    section = page[page.index("### Optional keys") : page.index("## 4. Run it")]
    section = re.sub(r"```.*?```", "", section, flags=re.DOTALL)
    known = {name for code in re.findall(r"`([^`]+)`", section) for name in re.split(r"\W", code)}
    assert optional_keys(Profile) - known == set()
