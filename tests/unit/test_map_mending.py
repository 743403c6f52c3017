"""`map mend`: what is repaired, how much ground it changes, and what is a decision of the city."""

from __future__ import annotations

from typing import Any

import pytest
from shapely.geometry import shape

from gridcall.simulation.city.map_findings import Change
from gridcall.simulation.city.map_mending import Codes, MendedMap, mend_map
from gridcall.simulation.city.map_reading import RawFeature, RawMap, raw_feature

SQUARE: list[list[float]] = [[0, 0], [0.01, 0], [0.01, 0.01], [0, 0.01], [0, 0]]
SQUARE_M2 = 1_236_431
CODES = Codes("code", "street")


def feature(code: Any, *rings: Any, street: Any = "1", **more: Any) -> RawFeature:
    return RawFeature({"code": code, "street": street, **more}, [list(rings)])


def mend(*features: RawFeature, crs: str | None = None, codes: Codes = CODES) -> MendedMap:
    return mend_map(RawMap(list(features), crs), codes)


def changes_of(mended: MendedMap) -> list[tuple[str, str, str]]:
    return [(change.severity, change.kind, change.feature) for change in mended.changes]


def outlines(mended: MendedMap) -> dict[str, Any]:
    assert mended.document is not None
    return {
        each["properties"]["code"]: shape(each["geometry"]) for each in mended.document["features"]
    }


def move(ring: list[list[float]], lon: float, lat: float = 0) -> list[list[float]]:
    return [[x + lon, y + lat] for x, y in ring]


def test_a_map_without_a_fault_does_not_change() -> None:
    mended = mend(feature("A", SQUARE, name="Old town"))
    assert mended.changes == ()
    assert mended.document == {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": "Old town", "code": "A", "street": "1"},
                "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
            }
        ],
    }


def test_a_crossing_ring_becomes_its_two_lobes_and_the_area_is_reported() -> None:
    crossed = [[0, 0], [0.01, 0.01], [0.01, 0], [0, 0.01], [0, 0]]
    mended = mend(feature("A", crossed))
    (change,) = mended.changes
    assert (change.kind, change.feature) == ("self_crossing", "grid A")
    assert change.what == "self-intersection: made valid"
    assert change.area_before_m2 == pytest.approx(0, abs=1)
    assert change.area_after_m2 == pytest.approx(SQUARE_M2 / 2, rel=1e-3)
    assert "m²" in str(change)
    assert outlines(mended)["A"].is_valid


def test_an_open_ring_is_closed() -> None:
    mended = mend(feature("A", SQUARE[:-1]))
    assert changes_of(mended) == [("mended", "open_ring", "grid A")]
    assert outlines(mended)["A"].equals(shape({"type": "Polygon", "coordinates": [SQUARE]}))


def test_a_hole_outside_of_its_ring_becomes_a_part() -> None:
    mended = mend(feature("A", SQUARE, move(SQUARE, 1)[::-1]))
    assert changes_of(mended) == [("mended", "hole_outside", "grid A")]
    assert outlines(mended)["A"].area == pytest.approx(2 * 0.0001)


def test_features_of_one_code_become_one_with_the_properties_of_the_first() -> None:
    mended = mend(
        feature("A", SQUARE, name="North"), feature("A", move(SQUARE, 0.01), name="South")
    )
    (change,) = mended.changes
    assert change.what == "2 features had this code: made one; of name the first's"
    assert change.area_after_m2 == pytest.approx(2 * SQUARE_M2, rel=1e-3)
    assert outlines(mended)["A"].geom_type == "Polygon"


def test_a_code_in_two_streets_is_a_decision_of_the_city() -> None:
    mended = mend(feature("A", SQUARE), feature("A", move(SQUARE, 1), street="2"))
    assert mended.document is None
    assert changes_of(mended)[0] == ("refused", "street", "grid A")
    assert "name the streets 1, 2" in mended.changes[0].what


@pytest.mark.parametrize(
    "ring",
    [
        [[179, -18], [-179, -18], [-179, -16], [179, -16], [179, -18]],
        [[179, -18], [181, -18], [181, -16], [179, -16], [179, -18]],
    ],
)
def test_an_outline_over_the_antimeridian_is_refused_with_what_to_do(
    ring: list[list[float]],
) -> None:
    mended = mend(feature("A", ring), feature("B", SQUARE))
    assert mended.document is None
    assert changes_of(mended) == [("refused", "antimeridian", "grid A")]
    assert "cut it at 180°" in mended.changes[0].what


def test_longitudes_from_180_to_360_are_turned_back() -> None:
    mended = mend(feature("A", move(SQUARE, 200)))
    assert changes_of(mended) == [("mended", "degrees", "grid A")]
    assert outlines(mended)["A"].bounds == pytest.approx((-160, 0, -159.99, 0.01))


@pytest.mark.parametrize(
    ("codes", "right"),
    [
        ([16.0, 17.0], ["16", "17"]),
        ([16.0, 17], ["16", "17"]),
        (["16.0", "17.0"], ["16", "17"]),
        (["16.0", "16.5"], ["16.0", "16.5"]),
        (["016", " 17 "], ["016", "17"]),
        (["LEO\u0301N", 17], ["LE\u00d3N", "17"]),
    ],
)
def test_codes_are_text_without_a_point_that_a_spreadsheet_made(
    codes: list[Any], right: list[str]
) -> None:
    mended = mend(feature(codes[0], SQUARE), feature(codes[1], move(SQUARE, 1)))
    assert list(outlines(mended)) == right


@pytest.mark.parametrize("code", [None, "", " ", 16.5, True, [1]])
def test_a_feature_without_a_code_is_refused(code: Any) -> None:
    mended = mend(feature(code, SQUARE), feature("B", move(SQUARE, 1)))
    assert mended.document is None
    assert changes_of(mended)[0][:2] == ("refused", "code")


def test_a_missing_property_is_named_with_the_nearest_one() -> None:
    mended = mend(feature("A", SQUARE), codes=Codes("codes"))
    assert str(mended.refusals[0]) == "refused: file: no property 'codes'; did you mean 'code'?"


@pytest.mark.parametrize(
    ("geometry", "note"),
    [
        (None, "it has no geometry: left out"),
        ({"type": "Point", "coordinates": [0, 0]}, "a Point in it is no polygon: left out"),
        ({"type": "Polygon"}, "its coordinates are not lists of positions: left out"),
        ({"type": "Polygon", "coordinates": [[[0], [1, 1]]]}, "its coordinates are not lists"),
    ],
)
def test_a_feature_without_a_polygon_is_left_out_and_reported(geometry: Any, note: str) -> None:
    empty = raw_feature({"properties": {"code": None}, "geometry": geometry})
    mended = mend(empty, feature("B", SQUARE))
    assert [change.severity for change in mended.changes] == ["left_out"]
    assert note in mended.changes[0].what
    assert list(outlines(mended)) == ["B"]


def test_a_map_of_which_nothing_is_left_is_refused() -> None:
    mended = mend(RawFeature({"code": "A", "street": "1"}, [], ("it has no geometry",)))
    assert mended.document is None
    assert "no grid is left" in str(mended.refusals[0])


@pytest.mark.parametrize("name", ["EPSG:4326", "urn:ogc:def:crs:EPSG::4326"])
def test_a_member_of_epsg_4326_is_left_out(name: str) -> None:
    mended = mend(feature("A", SQUARE), crs=name)
    assert changes_of(mended) == [("mended", "crs", "file")]
    assert outlines(mended)["A"].bounds == (0, 0, 0.01, 0.01)


def test_latitude_and_longitude_are_exchanged_if_no_other_order_is_possible() -> None:
    mended = mend(feature("A", [[y + 36, x + 117] for x, y in SQUARE]), crs="EPSG:4326")
    assert ("mended", "axes", "file") in changes_of(mended)
    assert outlines(mended)["A"].bounds == pytest.approx((117, 36, 117.01, 36.01))


def test_coordinates_that_are_no_degrees_need_a_reference_system() -> None:
    feet = [[774321.5, 2956001.2], [774421.5, 2956001.2], [774421.5, 2956101.2]]
    mended = mend(feature("A", feet))
    assert "name it with --crs, for example EPSG:2249" in mended.refusals[0].what


def test_changes_are_printed_with_their_areas() -> None:
    change = Change("mended", "self_crossing", "grid A", "made valid", 1000.0, 1500.25)
    assert str(change) == "mended: grid A: made valid (1,000 m² → 1,500 m²: +500.250 m²)"
    assert Change("left_out", "x", "grid A", "gone").as_json()["area_before_m2"] is None
