"""The map for the page: SVG paths in a plane that is 1,000 units wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import cos, radians
from typing import Any

from events.reference_data import Grid, GridMap, Names

WIDTH = 1000
Ring = Sequence[Sequence[float]]


def map_payload(grid_map: GridMap, names: Names | None) -> dict[str, Any]:
    """Return every grid as an SVG path, and the names of codes by language.

    Dedicated grids are last, so that they are drawn above the grids around them.
    """
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
    """Return the grids of each street."""
    streets: dict[str, list[Grid]] = {}
    for grid in grid_map.grids:
        streets.setdefault(grid.street, []).append(grid)
    return streets


def rings(grid: Grid) -> Iterator[Ring]:
    """Yield all rings of a polygon or of several."""
    shape = grid.geometry
    for polygon in (
        shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
    ):
        yield from polygon


class Plane:
    """The map projection: equirectangular, true in the middle of the district."""

    def __init__(self, grid_map: GridMap) -> None:
        points = [point for grid in grid_map.grids for ring in rings(grid) for point in ring]
        lons, lats = [point[0] for point in points], [point[1] for point in points]
        self.west, self.north = min(lons), max(lats)
        self._shrink = cos(radians((min(lats) + max(lats)) / 2))
        self._scale = WIDTH / ((max(lons) - self.west) * self._shrink)
        self.height = round((self.north - min(lats)) * self._scale)

    def tenths(self, point: Sequence[float]) -> tuple[int, int]:
        """Return a point in tenths of a unit from the upper left corner."""
        x = (point[0] - self.west) * self._shrink * self._scale
        y = (self.north - point[1]) * self._scale
        return round(10 * x), round(10 * y)

    def path(self, grid: Grid) -> str:
        """Return an SVG path in tenths of a unit. Relative steps compress well."""
        return "".join(self._ring(ring) for ring in rings(grid))

    def _ring(self, ring: Ring) -> str:
        corners = [self.tenths(point) for point in ring[:-1]]
        moves = [f"M{corners[0][0]} {corners[0][1]}"]
        for (x, y), (a, b) in pairwise(corners):
            if (a, b) != (x, y):
                moves.append(
                    f"h{a - x}" if b == y else f"v{b - y}" if a == x else f"l{a - x} {b - y}"
                )
        return "".join([*moves, "z"])

    def middle(self, grids: Sequence[Grid]) -> tuple[int, int]:
        """Return the middle of the bounding box of some grids, in units."""
        points = [self.tenths(point) for grid in grids for ring in rings(grid) for point in ring]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        return (min(xs) + max(xs)) // 20, (min(ys) + max(ys)) // 20
