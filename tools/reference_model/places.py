"""Places of rows on the map."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import shape

from tools.reference_model.rows import Fault, Row, Spec, claims, nfc


@dataclass(frozen=True)
class Place:
    located_by: str
    grid: str
    street: str
    rules: frozenset[str]


class CityMap:
    """The grids of the map, each with its street. A grid may have several features."""

    def __init__(self, profile: Spec, folder: Path) -> None:
        grids, streets = profile["map"]["grids"], profile["map"]["streets"]
        features = json.loads((folder / grids["file"]).read_text(encoding="utf-8"))["features"]
        properties = [feature["properties"] for feature in features]
        self.codes = [text_of(each[grids["code"]]) for each in properties]
        names = [make_code(text_of(each[streets["from"]]), streets) for each in properties]
        kinds = [is_dedicated(each, grids.get("dedicated")) for each in properties]
        self.street_of = dict(zip(self.codes, names, strict=True))
        self.dedicated = {code for code, kind in zip(self.codes, kinds, strict=True) if kind}
        self.streets = set(names)
        self.tree = shapely.STRtree([shape(feature["geometry"]) for feature in features])
        self.grids_at = cache(self.search)  # Sources round, so that most points come again.

    def search(self, latitude: float, longitude: float) -> set[str]:
        """Return the grids that contain a point. A point on a border is in both grids.

        If some of them are dedicated, only those are returned.
        """
        point = shapely.Point(longitude, latitude)
        codes = {self.codes[i] for i in self.tree.query(point, predicate="intersects")}
        return codes & self.dedicated or codes


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return json.dumps(value)
    return "" if value is None else str(nfc(str(value).strip()))


def is_dedicated(properties: Spec, spec: Spec | None) -> bool:
    return spec is not None and text_of(properties.get(spec["property"])) in spec["values"]


def locate(profile: Spec, city: CityMap, row: Row) -> Place:
    rules = set[str]()  # Claims after the first one that names a place leave no rule.
    for kind, spec in claims(profile):
        if kind == "point":
            code = grid_at_point(spec, row, city, rules)
        else:
            code = declared_code(spec, row)
            if code and code not in (city.streets if kind == "street" else city.street_of):
                rules.add("unknown_code")
                continue
        if code and kind == "street":
            return Place(kind, "", code, frozenset(rules))
        if code:
            return Place(kind, code, city.street_of[code], frozenset(rules))
    return Place("none", "", "", frozenset(rules))


def grid_at_point(spec: Spec, row: Row, city: CityMap, rules: set[str]) -> str:
    point = read_point(spec, row)
    if point is None:
        rules.add("no_point")
        return ""
    if is_unknown(point, spec):
        rules.add("unknown_point")
        return ""
    codes = city.grids_at(*point)
    if len(codes) != 1:
        rules.add("in_two_grids" if codes else "outside_map")
    return min(codes, default="")


def read_point(spec: Spec, row: Row) -> tuple[float, float] | None:
    """Return latitude and longitude in degrees, or None if one is blank."""
    latitude = read_degrees(spec["lat"], 90, row)
    longitude = read_degrees(spec["lon"], 180, row)
    return None if latitude is None or longitude is None else (latitude, longitude)


def read_degrees(column: str, limit: int, row: Row) -> float | None:
    if not row.known[column]:
        return None
    try:
        degrees = float(row.known[column])
    except ValueError:
        raise Fault(column, row.cells[column]) from None
    if not math.isfinite(degrees) or abs(degrees) > limit:
        raise Fault(column, row.cells[column])
    return degrees


def is_unknown(point: tuple[float, float], spec: Spec) -> bool:
    """Return whether a point is one that the source writes for an unknown place.

    Only this comparison rounds, and not the search on the map.
    """

    def round_pair(pair: Iterable[Any]) -> list[float]:
        return [
            round(float(x), int(spec["decimals"])) if "decimals" in spec else float(x) for x in pair
        ]

    return round_pair(point) in [round_pair(pair) for pair in spec.get("unknown", [])]


def declared_code(spec: Spec, row: Row) -> str:
    """Return the code that a cell declares; empty if it declares none."""
    cell = row.known[spec["column"]]
    if "table" in spec:
        return spec["table"].get(cell, "") if cell else ""
    return make_code(cell, spec)


def make_code(code: str, spec: Spec) -> str:
    if "drop" in spec:
        code = re.sub(spec["drop"], "", code, count=1)
    if "keep" in spec:
        match = re.search(spec["keep"], code)
        code = (match.group(1) or "") if match else ""
    # An empty text, padded, could be a code.
    return str(nfc(code.rjust(int(spec.get("pad", 0)), "0"))) if code else ""
