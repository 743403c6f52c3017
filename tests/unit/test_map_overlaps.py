"""The map check measures overlaps and holes. A dedicated grid may be inside a basic one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridcall.simulation.city.map_geometry import EARTH_RADIUS_M, ring_area_m2
from gridcall.simulation.city.profile import Dedicated
from tests.harness.map_files import SQUARE, check_features, feature, files, move_ring


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
