"""The map check knows a code in any normal form, and several features of one code."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

from shapely import box
from shapely.geometry import shape

from gridcall.simulation.city.profile import (
    GridsFile,
)
from tests.harness.map_files import SQUARE, check_features, feature, files, move_ring

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
