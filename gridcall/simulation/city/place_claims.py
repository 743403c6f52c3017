"""A row's claims about its place: a point, the code of a grid, the code of a street."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isfinite
from typing import Literal

from events.catalogue import PlaceClaim
from events.errors import Invalid
from gridcall.simulation.city.profile import Code, CodeColumn, Place, PointColumns
from gridcall.simulation.city.text import to_nfc

NO_POINT = PlaceClaim(by="no_point")
UNKNOWN_POINT = PlaceClaim(by="unknown_point")

# Column → cell, trimmed. A cell that means nothing is empty.
Cells = Mapping[str, str]


def claim_reader(place: Place) -> Callable[[Cells], PlaceClaim | None]:
    """Return the function that reads one claim of a row about its place, or None."""
    if place.point:
        return point_reader(place.point)
    by: Literal["grid", "street"] = "grid" if place.grid else "street"
    column = place.grid or place.street
    assert column is not None

    @lru_cache(maxsize=65536)  # A file has few codes.
    def claim(cell: str) -> PlaceClaim | None:
        code = declared_code(cell, column)
        return PlaceClaim(by=by, code=code) if code else None

    return lambda cells: claim(cells[column.column])


def declared_code(cell: str, column: CodeColumn) -> str:
    """Return the code that a cell declares; empty if it declares none."""
    if column.table is not None:
        return column.table.get(cell, "") if cell else ""
    return to_nfc(make_code(cell, column))


def make_code(text: str, rule: Code) -> str:
    """Return a cell or a property as a code: drop, keep, pad. Empty if nothing is kept."""
    if rule.drop is not None and (match := re.search(rule.drop, text)):
        text = text[: match.start()] + text[match.end() :]
    if rule.keep is not None:
        match = re.search(rule.keep, text)
        text = (match[1] or "") if match else ""
    return text.rjust(rule.pad, "0") if text else ""


def point_reader(point: PointColumns) -> Callable[[Cells], PlaceClaim]:
    """Return the function that reads the point of a row."""
    unknown = {
        (round(lat, point.decimals), round(lon, point.decimals)) for lat, lon in point.unknown
    }

    def claim(cells: Cells) -> PlaceClaim:
        lat = degrees(point.lat, cells[point.lat], 90)
        lon = degrees(point.lon, cells[point.lon], 180)
        if lat is None or lon is None:
            return NO_POINT
        if unknown and (round(lat, point.decimals), round(lon, point.decimals)) in unknown:
            return UNKNOWN_POINT
        return PlaceClaim(by="point", lat=lat, lon=lon)

    return claim


def degrees(column: str, cell: str, maximum: int) -> float | None:
    """Return a coordinate, or None if the cell is empty.

    Raises Invalid for anything but a finite number within ±`maximum`.
    """
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = None
    # Python's float also reads 1_000 and digits of other scripts.
    if value is None or "_" in cell or not cell.isascii():
        raise Invalid(column, cell, "not a number")
    if not isfinite(value):
        raise Invalid(column, cell, "not a finite number")
    if abs(value) > maximum:
        raise Invalid(column, cell, f"beyond ±{maximum} degrees")
    return value
