"""The schematic map of the grids.

A unit of the lattice is 200 × 160 ten-millionths of a degree, which at this latitude is about as
wide as it is high.
"""

from __future__ import annotations

from functools import cache

from events.reference_data import Grid, GridMap
from gridcall.demo.licheng.treemap import Box, treemap
from gridcall.demo.licheng.units import CODE, communities, grids_of_communities, streets

WEST_E7, SOUTH_E7 = 1_170_100_000, 365_600_000
UNIT_E7 = (200, 160)
WIDTH, HEIGHT = 24_000, 17_778  # 1.35 : 1.
SLOTS = ((1, 1), (3, 3), (3, 1), (1, 3))  # Centres of dedicated grids, in quarters of a basic grid.


def inner_square(box: Box, slot: int) -> Box:
    """Return the small square of a dedicated grid inside a basic one. Squares touch nothing."""
    x, y, width, height = box
    side = min(width, height) // 4
    right, up = SLOTS[slot]
    return Box(x + width * right // 4 - side // 2, y + height * up // 4 - side // 2, side, side)


def outline(box: Box) -> dict[str, object]:
    """Return a box as a GeoJSON polygon in WGS 84 degrees, closed and counter-clockwise."""
    x, y, width, height = box
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
    return {"type": "Polygon", "coordinates": [[to_degrees(*corner) for corner in corners]]}


def to_degrees(x: int, y: int) -> list[float]:
    """Return longitude and latitude of a corner of the lattice."""
    return [(WEST_E7 + UNIT_E7[0] * x) / 1e7, (SOUTH_E7 + UNIT_E7[1] * y) / 1e7]


@cache
def grid_boxes() -> dict[str, Box]:
    """Return the box of each grid.

    Streets tile the district, communities tile streets, and basic grids tile communities.
    """
    counts, boxes = grids_of_communities(), {}
    units_of_street = [
        [unit for unit in communities() if unit.street == street.code] for street in streets()
    ]
    weights = [sum(counts[unit.code][0] for unit in inside) for inside in units_of_street]
    for block, inside in zip(
        treemap(Box(0, 0, WIDTH, HEIGHT), weights), units_of_street, strict=True
    ):
        parts = treemap(block, [counts[unit.code][0] for unit in inside])
        for unit, part in zip(inside, parts, strict=True):
            boxes.update(boxes_in(unit.code, part, *counts[unit.code]))
    return boxes


def boxes_in(community: str, part: Box, basic: int, dedicated: int) -> dict[str, Box]:
    """Return the boxes of a community's grids: the basic ones, then the dedicated ones."""
    ground = treemap(part, [1] * basic)
    squares = [inner_square(ground[i % basic], i // basic) for i in range(dedicated)]
    return {f"{community}{number:03}": box for number, box in enumerate([*ground, *squares], 1)}


def dedicated_grids() -> frozenset[str]:
    """Return the codes of the dedicated grids."""
    return frozenset(
        code for code in grid_boxes() if int(code[12:]) > grids_of_communities()[code[:12]][0]
    )


def district_map() -> GridMap:
    """Return the map. The names say that it is schematic."""
    dedicated = dedicated_grids()
    grids = (
        Grid(code, code[:9], code in dedicated, outline(box))
        for code, box in sorted(grid_boxes().items())
    )
    return GridMap(CODE, "历城区", tuple(grids))
