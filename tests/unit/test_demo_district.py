"""The demo district has the shape that is known of the real one, and is the same each time."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
import shapely
from shapely.geometry import shape

from eventlog.content_codec import encode_content
from events.catalogue import LINES, URGENCIES, CaseFacts
from events.deadlines import rule_for
from gridcall.demo.licheng.admission import CATEGORIES, admission
from gridcall.demo.licheng.contents import contents
from gridcall.demo.licheng.grid_map import district_map
from gridcall.demo.licheng.names import district_names
from gridcall.demo.licheng.platforms import PLATFORMS
from gridcall.demo.licheng.policies import policies
from gridcall.demo.licheng.roster import roster
from gridcall.demo.licheng.units import communities, streets
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile import MapFiles

FILES = {
    "district": {"code": "370112", "name": "历城区"},
    "streets": {"from": "street"},
    "grids": {"file": "grids.geojson", "code": "code"},
}
GRIDS = district_map().grids
BASIC = [grid for grid in GRIDS if not grid.dedicated]
DEDICATED = [grid for grid in GRIDS if grid.dedicated]


def test_it_has_17_streets_632_communities_and_2707_grids() -> None:
    assert (len(streets()), len(communities())) == (17, 632)
    assert (len(BASIC), len(DEDICATED)) == (1209, 1498)
    assert {grid.street for grid in GRIDS} == {street.code for street in streets()}


def test_a_grid_has_15_digits_of_its_own_and_every_community_a_basic_grid() -> None:
    codes = {grid.code for grid in GRIDS}
    assert len(codes) == 2707
    assert all(len(code) == 15 and code.isdecimal() for code in codes)
    assert {grid.code[:12] for grid in BASIC} == {unit.code for unit in communities()}


def test_contents_are_what_their_digests_say_in_the_order_of_their_adoption() -> None:
    kinds = [event.kind for event, _ in contents()]
    assert kinds == ["decider", "map", "names", "roster", "admission", "policies"]
    assert all(event.digest == sha256(body).hexdigest() for event, body in contents()[1:])
    assert msgspec.json.decode(contents()[1][1])["district"] == "370112"


def test_basic_grids_tile_the_district_by_the_projects_own_check(tmp_path: Path) -> None:
    features = [
        {
            "type": "Feature",
            "properties": {"code": grid.code, "street": grid.street},
            "geometry": grid.geometry,
        }
        for grid in BASIC
    ]
    (tmp_path / "grids.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": features})
    )
    checked = check_map(tmp_path, MapFiles.model_validate(FILES))
    assert checked.findings == ()
    assert checked.grids is not None
    assert encode_content(checked.grids) == encode_content(
        type(checked.grids)("370112", "历城区", tuple(BASIC))
    )


def test_basic_grids_leave_nothing_over_and_streets_and_communities_are_blocks() -> None:
    shapes = {grid.code: shape(grid.geometry) for grid in BASIC}
    whole = shapely.union_all(list(shapes.values()))
    assert whole.equals(whole.envelope)
    assert sum(each.area for each in shapes.values()) == pytest.approx(whole.area)
    for digits in (9, 12):
        for unit in {code[:digits] for code in shapes}:
            block = shapely.union_all(
                [each for code, each in shapes.items() if code.startswith(unit)]
            )
            assert block.equals(block.envelope), unit


def test_dedicated_grids_lie_within_a_basic_one_of_their_community_and_touch_nothing() -> None:
    basic = [shape(grid.geometry) for grid in BASIC]
    tree = shapely.STRtree(basic)
    squares = [shape(grid.geometry) for grid in DEDICATED]
    for grid, square in zip(DEDICATED, squares, strict=True):
        (around,) = tree.query(square, predicate="intersects")
        assert BASIC[around].code[:12] == grid.code[:12]
        assert basic[around].contains_properly(square)
    assert all(
        i == j
        for i, j in shapely.STRtree(squares).query(squares, predicate="intersects").T.tolist()
    )


def test_rings_are_closed_counter_clockwise_in_seven_decimals_within_the_district() -> None:
    for grid in GRIDS:
        (ring,) = grid.geometry["coordinates"]
        assert ring[0] == ring[-1]
        assert shapely.Polygon(ring).exterior.is_ccw
        assert all(round(degree, 7) == degree for position in ring for degree in position)
        assert all(117.0 < lon < 117.5 and 36.5 < lat < 36.9 for lon, lat in ring)


def test_whatever_has_a_code_has_a_name() -> None:
    names = district_names().names
    assert district_names().schematic
    assert all(
        names[grid.code]["zh"] and names[grid.street]["en"] and names[grid.code[:12]]["zh"]
        for grid in GRIDS
    )
    assert all({"zh", "en"} == names[row.category].keys() for row in admission().rows)
    assert names["370112001001001"] == {
        "zh": "甸柳社区第一网格（基础）",
        "en": "Dianliu, grid 1 (basic)",
    }
    assert all(names[grid.code]["en"].isascii() or "·" in names[grid.code]["en"] for grid in GRIDS)


def test_every_grid_has_a_gridworker_and_every_street_and_the_district_take_calls() -> None:
    district_roster = roster()
    assert district_roster.workers.keys() == {grid.code for grid in GRIDS}
    assert {receiver.unit for receiver in district_roster.receivers} == {
        "370112",
        *(grid.street for grid in GRIDS),
    }
    assert all(receiver.officer and receiver.deputy for receiver in district_roster.receivers)


def test_a_complaint_about_staff_never_goes_to_a_grid() -> None:
    (row,) = [row for row in admission().rows if row.category == "conduct"]
    assert (row.level, "discipline inspection" in row.rule) == ("district", True)


def test_every_line_has_a_limit_for_every_matter() -> None:
    limits = policies().limits
    for line in LINES:
        for urgency in URGENCIES:
            assert all(
                rule_for(
                    CaseFacts(line=line, category=each.code, urgency=urgency, reported=0, due=None),
                    limits,
                )
                for each in CATEGORIES
            )


def test_17_platforms_post_through_all_four_lines() -> None:
    assert len({platform.source for platform in PLATFORMS}) == 17
    assert {platform.line for platform in PLATFORMS} == set(LINES)
