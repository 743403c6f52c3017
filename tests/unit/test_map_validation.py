"""The map check: what is refused, what is reported, each by feature, place and measure."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from gridcall.simulation.city.map_validation import check_map
from tests.harness.map_files import SQUARE, check_features, feature, files, move_ring


def test_a_clean_map_has_no_findings_and_its_streets_are_padded(tmp_path: Path) -> None:
    result, grids = check_features(
        tmp_path, feature("B", move_ring(SQUARE, 0.01), street="7"), feature("A", SQUARE)
    )
    assert result == []
    assert grids is not None
    assert [(grid.code, grid.street) for grid in grids.grids] == [("A", "01"), ("B", "07")]


CROSSED = [[0, 0], [0.01, 0.01], [0.01, 0], [0, 0.01], [0, 0]]
UNCUT = [[179, -18], [-179, -18], [-179, -16], [179, -16], [179, -18]]
FEET = [[774321.5, 2956001.2], [774421.5, 2956001.2], [774421.5, 2956101.2], [774321.5, 2956001.2]]


@pytest.mark.parametrize(
    ("features", "members", "kind", "says"),
    [
        (
            [feature("A", SQUARE[:-1])],
            {},
            "open_ring",
            "grid A at 0.000000, 0.000000: ring is open",
        ),
        ([feature("A", SQUARE[:3])], {}, "open_ring", "at least 4 positions"),
        (
            [feature("A", CROSSED)],
            {},
            "self_crossing",
            "grid A at 0.005000, 0.005000: ring: self-intersection",
        ),
        (
            [feature("A", FEET)],
            {},
            "degrees",
            "[774321.5, 2956001.2] is not a longitude and latitude in degrees",
        ),
        ([feature("A", SQUARE, FEET)], {}, "degrees", "hole 1: [774321.5"),
        (
            [feature("A", SQUARE), feature("A", move_ring(SQUARE, 1))],
            {},
            "double_code",
            "grid A at 1.005",
        ),
        (
            [feature("A", SQUARE)],
            {"crs": {"properties": {"name": "EPSG:2249"}}},
            "crs",
            "'EPSG:2249' is not WGS 84",
        ),
        ([feature("A", SQUARE)], {"crs": "nonsense"}, "crs", "'nonsense' is not WGS 84"),
        ([feature("A", SQUARE, move_ring(SQUARE, 0.5))], {}, "self_crossing", "grid A"),
        ([feature(None, SQUARE)], {}, "code", "feature 1: no code in 'code'"),
        ([feature("A", SQUARE, street="")], {}, "code", "no street in 'street'"),
        ([feature("A", SQUARE, street=None)], {}, "code", "no street in 'street'"),
        ([feature(" ", SQUARE)], {}, "code", "no code in 'code'"),
        (
            [feature("A", SQUARE, street=True)],
            {},
            "feature",
            "True is neither text nor a whole number",
        ),
        ([feature([1], SQUARE)], {}, "feature", "[1] is neither text nor a whole number"),
        (
            [feature("A", SQUARE) | {"crs": "EPSG:2249"}],
            {},
            "crs",
            "grid A: the reference system 'EPSG:2249'",
        ),
        (
            [feature("A", SQUARE)],
            {"crs": {"properties": {"name": "EPSG:4326"}}},
            "crs",
            "puts latitude first",
        ),
        (
            [{"type": "Feature", "properties": {}, "geometry": None}],
            {},
            "feature",
            "feature 1: not a grid",
        ),
        (
            [feature("A", SQUARE) | {"geometry": None}],
            {},
            "no_geometry",
            "grid A: it has no geometry: draw it, or leave it out; gridcall map mend does it",
        ),
        (
            [feature(16.0, SQUARE)],
            {},
            "feature",
            "16.0 is a number with a point: write 16; gridcall map mend does it",
        ),
        (
            [{**feature("A", SQUARE), "properties": {"Code": "A", "street": 1}}],
            {},
            "feature",
            "did you mean 'Code'?",
        ),
        (
            [feature("A", UNCUT)],
            {},
            "antimeridian",
            "grid A at 179.000000, -18.000000: ring: an edge goes from longitude 179 to -179, "
            "which is more than 180°: cut it at 180°",
        ),
        (
            [feature("A", SQUARE, UNCUT)],
            {},
            "antimeridian",
            "hole 1: an edge goes from longitude 179",
        ),
        (
            [
                {
                    "type": "Feature",
                    "properties": {"code": "A", "street": 1},
                    "geometry": {"type": "Point", "coordinates": [0, 0]},
                }
            ],
            {},
            "feature",
            "a Polygon or MultiPolygon",
        ),
        ([feature("A", [["x", 0], [1, 1]])], {}, "feature", "feature 1: not a grid"),
        ([feature("A", 7)], {}, "feature", "feature 1: not a grid"),
        ([feature("A")], {}, "feature", "feature 1: not a grid"),
        ([feature("A", [])], {}, "open_ring", "ring is open"),
        (
            [feature("A", [[0], [1], [2], [0]])],
            {},
            "degrees",
            "grid A: ring: [0.0] is not a longitude",
        ),
    ],
)
def test_what_would_send_a_case_to_the_wrong_grid_is_refused(
    tmp_path: Path, features: list[Any], members: dict[str, Any], kind: str, says: str
) -> None:
    result, grids = check_features(tmp_path, *features, **members)
    assert grids is None
    refused = [finding for finding in result if finding.severity == "refused"]
    assert [finding.kind for finding in refused] == [kind]
    assert says in str(refused[0])


def test_a_clockwise_ring_is_reported_and_turned(tmp_path: Path) -> None:
    hole = move_ring([[x / 2, y / 2] for x, y in SQUARE], 0.002, 0.002)
    result, grids = check_features(
        tmp_path, feature("A", SQUARE[::-1], hole), how=files(gap_m2=float("inf"))
    )
    assert [(finding.severity, finding.kind) for finding in result] == [
        ("reported", "winding")
    ] * 2 + [("reported", "hole")]
    assert "ring runs clockwise" in result[0].what
    assert "hole 1 runs counter-clockwise" in result[1].what
    assert grids is not None
    outer, inner = grids.grids[0].geometry["coordinates"]
    assert signed_area(outer) > 0 > signed_area(inner)


def signed_area(ring: list[list[float]]) -> float:
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in itertools.pairwise(ring))


def test_heights_and_more_are_left_out_and_codes_are_trimmed(tmp_path: Path) -> None:
    result, grids = check_features(
        tmp_path,
        feature(
            " A ", [[*SQUARE[0], 7], SQUARE[1], [*SQUARE[2], 7, 8], SQUARE[3], [*SQUARE[4], 7]]
        ),
    )
    assert result == []
    assert grids is not None
    assert (grids.grids[0].code, len(grids.grids[0].geometry["coordinates"][0][0])) == ("A", 2)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    check_features(tmp_path, feature("A", SQUARE))
    path = tmp_path / "grids.geojson"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert check_map(tmp_path, files()).grids is not None


def test_a_crs84_member_is_reported_and_left_out(tmp_path: Path) -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    result, grids = check_features(tmp_path, feature("A", SQUARE), crs=crs)
    assert [(finding.severity, finding.kind) for finding in result] == [("reported", "crs")]
    assert grids is not None


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"features": 7}',
        '{"type": "FeatureCollection"}',
        '{"features": []}',
        '{"features": [7]}',
        "\udcff",
    ],
)
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "grids.geojson").write_text(content, encoding="utf-8", errors="surrogateescape")
    assert check_map(tmp_path, files()).grids is None


def test_a_file_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    deep = '{"type": "FeatureCollection", "features": ' + "[" * 100_000 + "]" * 100_000 + "}"
    (tmp_path / "grids.geojson").write_text(deep, encoding="utf-8")
    assert "not a GeoJSON FeatureCollection" in str(check_map(tmp_path, files()).refusals[0])


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    result = check_map(tmp_path / "nowhere", files()).refusals
    assert "cannot be read" in str(result[0])


def test_refusals_come_before_reports(tmp_path: Path) -> None:
    findings, _ = check_features(
        tmp_path, feature("A", SQUARE[::-1]), feature("B", move_ring(SQUARE, 1)[:-1])
    )
    assert [finding.severity for finding in findings] == ["refused", "reported"]


# ── The antimeridian ─────────────────────────────────────────────────────────────────────────────


def test_an_edge_of_exactly_180_degrees_or_along_a_pole_is_no_fault(tmp_path: Path) -> None:
    half = [[-90, 0], [90, 0], [90, 1], [-90, 1], [-90, 0]]
    cap = [[-180, -90], [180, -90], [180, -80], [60, -80], [-60, -80], [-180, -80], [-180, -90]]
    assert check_features(tmp_path, feature("A", half), feature("B", cap))[0] == []


def test_a_grid_that_is_cut_at_180_degrees_is_taken(tmp_path: Path) -> None:
    west = [[179, -18], [180, -18], [180, -16], [179, -16], [179, -18]]
    east = [[-180, -18], [-179, -18], [-179, -16], [-180, -16], [-180, -18]]
    findings, grids = check_features(tmp_path, feature("A", west, east, kind="MultiPolygon"))
    assert findings == []
    assert grids is not None
