"""Files of a map for the map check: squares of a hundredth of a degree, and what is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from events.reference_data import GridMap
from gridcall.simulation.city.map_findings import Finding
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
