"""The map as the page draws it: paths in a plane of 1,000 units' width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import cos, radians
from typing import Any

from events.reference_data import Grid, GridMap, Names

WIDTH = 1000
Ring = Sequence[Sequence[float]]


def drawn(grid_map: GridMap, names: Names | None) -> dict[str, Any]:
    """Every grid as an SVG path, the dedicated ones last, so that they lie on top; and what codes are called."""
    plane = Plane(grid_map)
    ordered = sorted(grid_map.grids, key=lambda grid: (grid.dedicated, grid.code))
    return {
        "name": grid_map.name,
        "schematic": names is not None and names.schematic,
        "width": WIDTH,
        "height": plane.height,
        "grids": [
            [grid.code, grid.street, int(grid.dedicated), plane.path(grid)] for grid in ordered
        ],
        "streets": [
            [street, *plane.middle(grids)] for street, grids in sorted(by_street(grid_map).items())
        ],
        "names": names.names if names else {},
    }


def by_street(grid_map: GridMap) -> dict[str, list[Grid]]:
    """The grids of each street."""
    streets: dict[str, list[Grid]] = {}
    for grid in grid_map.grids:
        streets.setdefault(grid.street, []).append(grid)
    return streets


def rings(grid: Grid) -> Iterator[Ring]:
    """All rings of a polygon or of several."""
    shape = grid.geometry
    for polygon in (
        shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
    ):
        yield from polygon


class Plane:
    """Degrees to units: equirectangular, true in the middle of the district."""

    def __init__(self, grid_map: GridMap) -> None:
        points = [point for grid in grid_map.grids for ring in rings(grid) for point in ring]
        lons, lats = [point[0] for point in points], [point[1] for point in points]
        self.west, self.north = min(lons), max(lats)
        self._shrunk = cos(radians((min(lats) + max(lats)) / 2))
        self._scale = WIDTH / ((max(lons) - self.west) * self._shrunk)
        self.height = round((self.north - min(lats)) * self._scale)

    def at(self, point: Sequence[float]) -> tuple[int, int]:
        """Tenths of a unit, from the upper left corner."""
        x = (point[0] - self.west) * self._shrunk * self._scale
        y = (self.north - point[1]) * self._scale
        return round(10 * x), round(10 * y)

    def path(self, grid: Grid) -> str:
        """An SVG path in tenths, by steps: short, and it packs well."""
        return "".join(self._ring(ring) for ring in rings(grid))

    def _ring(self, ring: Ring) -> str:
        corners = [self.at(point) for point in ring[:-1]]
        moves = [f"M{corners[0][0]} {corners[0][1]}"]
        for (x, y), (a, b) in pairwise(corners):
            if (a, b) != (x, y):
                moves.append(
                    f"h{a - x}" if b == y else f"v{b - y}" if a == x else f"l{a - x} {b - y}"
                )
        return "".join([*moves, "z"])

    def middle(self, grids: Sequence[Grid]) -> tuple[int, int]:
        """The middle of a street's box, in units."""
        points = [self.at(point) for grid in grids for ring in rings(grid) for point in ring]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        return (min(xs) + max(xs)) // 20, (min(ys) + max(ys)) // 20
