"""The map check: what is refused, what is reported, each by feature, place and measure."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from shapely import box
from shapely.geometry import shape

from events.reference_data import GridMap
from gridcall.simulation.city.map_findings import Finding
from gridcall.simulation.city.map_geometry import EARTH_RADIUS_M, ring_area_m2
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile import (
    Dedicated,
    District,
    Gap,
    GridsFile,
    MapFiles,
    Overlap,
    StreetsFrom,
)

SQUARE: list[list[float]] = [[0, 0], [0.01, 0], [0.01, 0.01], [0, 0.01], [0, 0]]


def files(
    overlap_m2: float = 0.0,
    gap_m2: float = 0.0,
    dissolve: bool = False,
    dedicated: Dedicated | None = None,
) -> MapFiles:
    return MapFiles(
        district=District(code="city", name="City"),
        grids=GridsFile(file="grids.geojson", code="code", dissolve=dissolve, dedicated=dedicated),
        streets=StreetsFrom(**{"from": "street", "pad": 2}),
        overlap=Overlap(tolerate_m2=overlap_m2),
        gap=Gap(tolerate_m2=gap_m2),
    )


def move_ring(ring: list[list[float]], lon: float, lat: float = 0.0) -> list[list[float]]:
    return [[x + lon, y + lat] for x, y in ring]


def feature(code: Any, *rings: Any, street: Any = 1, kind: str = "Polygon") -> dict[str, Any]:
    coordinates = list(rings) if kind == "Polygon" else [[ring] for ring in rings]
    return {
        "type": "Feature",
        "properties": {"code": code, "street": street},
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def check_features(
    folder: Path, *features: Any, how: MapFiles | None = None, **members: Any
) -> tuple[list[Finding], GridMap | None]:
    document = {"type": "FeatureCollection", "features": list(features), **members}
    (folder / "grids.geojson").write_text(json.dumps(document), encoding="utf-8")
    result = check_map(folder, how or files())
    return list(result.findings), result.grids


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


def test_an_overlap_is_measured_for_each_pair_and_refused_beyond_the_tolerance(
    tmp_path: Path,
) -> None:
    pair = feature("B", SQUARE), feature("A", move_ring(SQUARE, 0.009))
    measure = 0.001 * 0.01 * (EARTH_RADIUS_M * 3.141592653589793 / 180) ** 2
    result, grids = check_features(tmp_path, *pair, how=files(overlap_m2=measure * 1.001))
    assert [(finding.severity, finding.feature) for finding in result] == [
        ("reported", "grids A and B")
    ]
    assert result[0].area_m2 == pytest.approx(measure, rel=1e-6)
    assert result[0].place == pytest.approx((0.0095, 0.005))
    assert grids is not None
    result, grids = check_features(tmp_path, *pair, how=files(overlap_m2=measure * 0.999))
    assert (result[0].severity, grids) == ("refused", None)
    assert "more than the" in str(result[0])


def test_grids_that_only_touch_do_not_overlap(tmp_path: Path) -> None:
    result, _ = check_features(
        tmp_path,
        feature("A", SQUARE),
        feature("B", move_ring(SQUARE, 0.01)),
        feature("C", move_ring(SQUARE, 0.01, 0.01)),
    )
    assert result == []


def test_each_hole_between_grids_is_measured_alone(tmp_path: Path) -> None:
    ring = [
        move_ring(SQUARE, 0.01 * x, 0.01 * y)
        for x in range(5)
        for y in range(3)
        if (x, y) not in ((1, 1), (3, 1))
    ]
    features = [feature(f"G{i:02}", square) for i, square in enumerate(ring)]
    result, grids = check_features(tmp_path, *features, how=files(gap_m2=1.3e6))
    assert [finding.kind for finding in result] == ["hole", "hole"]
    assert all(finding.area_m2 == pytest.approx(1.2364e6, rel=1e-3) for finding in result)
    assert grids is not None
    assert check_features(tmp_path, *features, how=files(gap_m2=1.2e6))[1] is None


def test_the_area_on_the_sphere_of_an_octant_and_of_a_sliver() -> None:
    sphere = 4 * 3.141592653589793 * EARTH_RADIUS_M**2
    octant = [[0, 0], [90, 0], [90, 90], [0, 90], [0, 0]]
    assert ring_area_m2(octant) == pytest.approx(sphere / 8)
    sliver = [
        [-71.0, 42.0],
        [-70.999999, 42.0],
        [-70.999999, 42.000001],
        [-71.0, 42.000001],
        [-71.0, 42.0],
    ]
    assert ring_area_m2(sliver) == pytest.approx(0.00918785, rel=1e-4)


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


# ── Normal forms ─────────────────────────────────────────────────────────────────────────────────


def test_codes_and_streets_are_stored_in_nfc_and_are_one_in_any_form(tmp_path: Path) -> None:
    nfd, nfc = normalize("NFD", "LEÓN"), normalize("NFC", "LEÓN")
    assert nfd != nfc
    _, grids = check_features(tmp_path, feature(nfd, SQUARE, street=nfd))
    assert grids is not None
    assert (grids.grids[0].code, grids.grids[0].street) == (nfc, nfc)
    findings, _ = check_features(
        tmp_path, feature(nfd, SQUARE), feature(nfc, move_ring(SQUARE, 0.01))
    )
    assert [finding.kind for finding in findings] == ["double_code"]


def test_a_property_is_known_by_its_name_in_any_normal_form(tmp_path: Path) -> None:
    how = files().model_copy(
        update={"grids": GridsFile(file="grids.geojson", code=normalize("NFC", "código"))}
    )
    named = {**feature("A", SQUARE), "properties": {normalize("NFD", "código"): "A", "street": 1}}
    _, grids = check_features(tmp_path, named, how=how)
    assert grids is not None


# ── Several features of one code ─────────────────────────────────────────────────────────────────


def test_features_of_one_code_are_one_grid_if_the_profile_dissolves_them(tmp_path: Path) -> None:
    far = move_ring(SQUARE, 1)
    findings, grids = check_features(
        tmp_path,
        feature("A", SQUARE),
        feature("B", move_ring(SQUARE, 0.02)),
        feature("A", move_ring(SQUARE, 0.005)),
        feature("A", far),
        how=files(dissolve=True),
    )
    assert [(finding.severity, finding.kind, finding.feature) for finding in findings] == [
        ("reported", "dissolved", "grid A")
    ]
    assert grids is not None
    assert [grid.code for grid in grids.grids] == ["A", "B"]
    outline = shape(grids.grids[0].geometry)
    assert outline.equals(shape({"type": "Polygon", "coordinates": [far]}) | box(0, 0, 0.015, 0.01))


def test_features_of_one_code_in_two_streets_are_no_grid(tmp_path: Path) -> None:
    findings, grids = check_features(
        tmp_path,
        feature("A", SQUARE, street=1),
        feature("A", move_ring(SQUARE, 1), street=2),
        how=files(dissolve=True),
    )
    assert grids is None
    assert findings[0].kind == "street"
    assert "name the streets 01, 02" in findings[0].what


# ── Dedicated grids ──────────────────────────────────────────────────────────────────────────────

SCHOOLS = Dedicated(property="kind", values=frozenset({"school", "hospital"}))
INNER = [[x / 2 + 0.0025, y / 2 + 0.0025] for x, y in SQUARE]


def of_kind(made: dict[str, Any], kind: Any) -> dict[str, Any]:
    return {**made, "properties": {**made["properties"], "kind": kind}}


def test_a_dedicated_grid_inside_a_basic_one_is_no_overlap(tmp_path: Path) -> None:
    findings, grids = check_features(
        tmp_path,
        feature("A", SQUARE),
        of_kind(feature("S", INNER), "school"),
        how=files(dedicated=SCHOOLS),
    )
    assert findings == []
    assert grids is not None
    assert [(grid.code, grid.dedicated) for grid in grids.grids] == [("A", False), ("S", True)]


def test_dedicated_grids_that_overlap_each_other_are_a_finding(tmp_path: Path) -> None:
    findings, grids = check_features(
        tmp_path,
        feature("A", SQUARE),
        of_kind(feature("S", INNER), " school "),
        of_kind(feature("H", move_ring(INNER, 0.001)), "hospital"),
        how=files(dedicated=SCHOOLS),
    )
    assert grids is None
    assert [(finding.kind, finding.feature) for finding in findings] == [
        ("overlap", "dedicated grids H and S")
    ]


@pytest.mark.parametrize("kind", [None, "", "park", 7, True])
def test_a_feature_of_another_kind_is_a_basic_grid(tmp_path: Path, kind: Any) -> None:
    _, grids = check_features(
        tmp_path, of_kind(feature("A", SQUARE), kind), how=files(dedicated=SCHOOLS)
    )
    assert grids is not None
    assert not grids.grids[0].dedicated


def test_features_of_one_code_and_two_kinds_are_no_grid(tmp_path: Path) -> None:
    findings, grids = check_features(
        tmp_path,
        feature("A", SQUARE),
        of_kind(feature("A", INNER), "school"),
        how=files(dissolve=True, dedicated=SCHOOLS),
    )
    assert grids is None
    assert findings[0].kind == "kind"


def test_refusals_come_before_reports(tmp_path: Path) -> None:
    findings, _ = check_features(
        tmp_path, feature("A", SQUARE[::-1]), feature("B", move_ring(SQUARE, 1)[:-1])
    )
    assert [finding.severity for finding in findings] == ["refused", "reported"]
