"""Shapes of the map: rings and polygons of GeoJSON, and areas on the sphere.

Areas are in m² on the sphere of the Earth's mean radius.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import radians, sin
from typing import Any

import msgspec
import shapely
from shapely.geometry import mapping, shape

EARTH_RADIUS_M = 6_371_008.8  # Mean radius R1 of GRS 80 (Moritz 2000).

Position = list[float]
Ring = list[Position]


def polygons_of(geometry: dict[str, Any]) -> list[list[Ring]]:
    """Return the polygons of a geometry, each a list of rings.

    Raises ValueError or ValidationError for anything but polygons.
    """
    kind, coordinates = geometry["type"], geometry["coordinates"]
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError("a Polygon or MultiPolygon")
    polygons = msgspec.convert(
        [coordinates] if kind == "Polygon" else coordinates, list[list[Ring]]
    )
    if not polygons or not all(polygons):
        raise ValueError("a ring")
    return [[[position[:2] for position in ring] for ring in polygon] for polygon in polygons]


def uncut_edge(ring: Ring) -> tuple[Position, Position] | None:
    """Return the first edge of a ring that spans more than 180° of longitude.

    An edge along a pole has no length, so that none is returned.
    """
    for start, end in pairwise(ring):
        along_pole = start[1] == end[1] and abs(start[1]) == 90
        if abs(end[0] - start[0]) > 180 and not along_pole:
            return start, end
    return None


def orient(outline: shapely.Geometry) -> shapely.Geometry:
    """Return polygons with outer rings counter-clockwise and holes clockwise.

    The result is a Polygon if there is only one.
    """
    parts = [shapely.geometry.polygon.orient(part) for part in parts_of(outline)]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def to_geojson(outline: shapely.Geometry) -> dict[str, Any]:
    """Return a shape as a GeoJSON geometry of lists."""
    geometry: dict[str, Any] = json.loads(json.dumps(mapping(outline)))
    return geometry


def parts_of(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    """Return the polygons in a geometry of any kind."""
    return list(iterate_parts(geometry))


def iterate_parts(geometry: shapely.Geometry) -> Iterator[shapely.Polygon]:
    """Yield the polygons in a geometry of any kind. Points and lines have none."""
    if isinstance(geometry, shapely.Polygon):
        if not geometry.is_empty:
            yield geometry
        return
    for inner in getattr(geometry, "geoms", ()):
        yield from iterate_parts(inner)


def area_m2(geometry: shapely.Geometry) -> float:
    """Return the area on the sphere, in m²."""
    return sum(
        ring_area_m2(part.exterior.coords)
        - sum(ring_area_m2(hole.coords) for hole in part.interiors)
        for part in iterate_parts(geometry)
    )


def ring_area_m2(ring: Sequence[Sequence[float]]) -> float:
    """Return the area in m² within a closed ring of (lon, lat) degrees.

    It is a sum of trapezoids in the cylindrical equal-area projection. Heights are relative to the
    first position, because otherwise the area of a sliver would be lost in rounding.
    """
    base = sin(radians(ring[0][1]))
    points = [(radians(lon), sin(radians(lat)) - base) for lon, lat in ring]
    trapezoids = ((x2 - x1) * (y1 + y2) for (x1, y1), (x2, y2) in pairwise(points))
    return abs(sum(trapezoids)) * EARTH_RADIUS_M**2 / 2


def geojson_area_m2(geometry: dict[str, Any]) -> float:
    """Return the area of a GeoJSON geometry on the sphere, in m²."""
    return area_m2(shape(geometry))
