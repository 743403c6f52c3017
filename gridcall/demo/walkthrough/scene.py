"""The scene: a school in the demo district."""

from __future__ import annotations

from gridcall.demo.licheng.grid_map import grid_boxes, to_degrees
from gridcall.demo.licheng.names import district_names, grid_names


def school() -> str:
    """Return the code of the first dedicated grid that is a school."""
    return next(code for code, name in grid_names() if "学校" in name["zh"])


def middle_of(grid: str) -> dict[str, float]:
    """Return the point in the middle of a grid."""
    x, y, width, height = grid_boxes()[grid]
    lon, lat = to_degrees(x + width // 2, y + height // 2)
    return {"lat": lat, "lon": lon}


def name_of(code: str, language: str) -> str:
    """Return the name of a grid, a community or a street."""
    return district_names().names[code][language]
