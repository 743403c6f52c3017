"""The scene: a school in the demo district."""

from __future__ import annotations

from gridcall.demo.licheng.grid_map import grid_boxes, to_degrees
from gridcall.demo.licheng.names import STREETS_IN_ENGLISH, grid_names
from gridcall.demo.licheng.units import streets


def school() -> tuple[str, str]:
    """Return code and name of the first dedicated grid that is a school."""
    return next((code, name) for code, name in grid_names() if "学校" in name)


def middle_of(grid: str) -> dict[str, float]:
    """Return the point in the middle of a grid."""
    x, y, width, height = grid_boxes()[grid]
    lon, lat = to_degrees(x + width // 2, y + height // 2)
    return {"lat": lat, "lon": lon}


def street_name(grid: str, language: str) -> str:
    """Return the name of a grid's street."""
    name = next(street.name for street in streets() if street.code == grid[:9])
    return name if language == "zh" else f"{STREETS_IN_ENGLISH[name]} Street"
