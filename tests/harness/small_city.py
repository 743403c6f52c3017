"""A small made-up city for single cases: its map, its profile and its rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.harness.city import square
from tests.harness.simulation import run

FILE, MAP = "rows.csv", "grids.geojson"
HEADER = ("id", "kind", "seen", "target", "done", "area")
# The grids are 0.01° wide and far from each other, so that no rounding lets them overlap.
GRIDS = {"07": "1", "ŁĄKA": "1", "12": "2"}

PROFILE: dict[str, Any] = {
    "profile": "small",
    "format": "1",
    "zone": "Europe/Warsaw",
    "reference": {"column": "id"},
    "line": {"column": "id", "otherwise": "hotline"},
    "category": {"column": "kind"},
    "reported": {"column": "seen"},
    "due": {"column": "target", "formats": ["%d.%m.%Y"], "day": "end"},
    "ended": {"column": "done"},
    "place": [{"grid": {"column": "area"}}],
    "map": {
        "district": {"code": "small", "name": "Small"},
        "grids": {"file": MAP, "code": "no"},
        "streets": {"from": "street"},
    },
    "workers": "one_per_grid",
    "merge": "never",
    "calls": "never",
}


def write_profile(folder: Path, **keys: Any) -> Path:
    """Write the profile with other values of some keys. None leaves a key out."""
    profile = {key: value for key, value in (PROFILE | keys).items() if value is not None}
    path = folder / "profile.yaml"
    path.write_text(yaml.safe_dump(profile, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def format_2(folder: Path, **keys: Any) -> Path:
    """Write the profile in format 2."""
    return write_profile(folder, format="2", **keys)


def map_keys(**grids: Any) -> dict[str, Any]:
    """Return the key `map` with more keys of its grids."""
    return {**PROFILE["map"], "grids": {**PROFILE["map"]["grids"], **grids}}


def feature(code: str, street: str, geometry: Any, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"no": code, "street": street, **properties},
        "geometry": geometry,
    }


def write_map(folder: Path, *features: Any) -> Path:
    """Write a map, by default the one of GRIDS. Return its folder."""
    standard = [
        feature(code, street, square(20 + 0.1 * number, 50, 0.01))
        for number, (code, street) in enumerate(GRIDS.items())
    ]
    document = {"type": "FeatureCollection", "features": features or standard}
    (folder / MAP).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return folder


def write_rows(
    folder: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER, name: str = FILE
) -> Path:
    """Write a file of rows. A row may be shorter than the header: its last cells are empty."""
    text = io.StringIO()
    cells = [[*row, *[""] * (len(header) - len(row))] for row in rows]
    csv.writer(text, lineterminator="\n").writerows([header, *cells])
    path = folder / name
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def simulate(
    folder: Path,
    rows: Sequence[Sequence[str]],
    profile: Path | None = None,
    header: Sequence[str] = HEADER,
    until: str = "2030-01-01",
) -> dict[str, bytes]:
    """Return the files of a run on these rows."""
    return run(
        folder / "out",
        profile or write_profile(folder),
        folder if (folder / MAP).exists() else write_map(folder),
        [write_rows(folder, rows, header)],
        until,
    )
