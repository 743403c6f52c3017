"""Outlines of `map mend`: the coordinates of a file become degrees, its rings become polygons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import shapely

from gridcall.simulation.city.map_findings import Change
from gridcall.simulation.city.map_geometry import Ring, area_m2, parts_of, ring_area_m2, uncut_edge
from gridcall.simulation.city.map_reading import (
    WGS84,
    Polygons,
    RawFeature,
    Transform,
    UnreadableMap,
    projection_of,
)

RING_POSITIONS_MIN = 4
FULL_CIRCLE = 360.0
CUT = "cut it at 180° into a MultiPolygon (RFC 7946, 3.1.9)"


# ── Coordinates of a file ────────────────────────────────────────────────────────────────────────


class Extent(NamedTuple):
    """The largest absolute values of the first and of the second coordinates."""

    first: float
    second: float

    @property
    def is_degrees(self) -> bool:
        """True if they may be longitudes, up to 360°, and latitudes, in any order."""
        low, high = sorted(self)
        return low <= 90 and high <= FULL_CIRCLE


def extent_of(features: Sequence[RawFeature]) -> Extent:
    """Return the extent of all positions."""
    positions = [position for feature in features for position in positions_of(feature.polygons)]
    first = max((abs(x) for x, _ in positions), default=0.0)
    return Extent(first, max((abs(y) for _, y in positions), default=0.0))


def positions_of(polygons: Polygons) -> Iterator[list[float]]:
    """Yield all positions of polygons."""
    for polygon in polygons:
        for ring in polygon:
            yield from ring


def to_wgs84(
    features: Sequence[RawFeature], crs: str | None, changes: list[Change]
) -> list[RawFeature]:
    """Return the features in degrees, longitude first. Raises UnreadableMap."""
    extent = extent_of(features)
    if crs is not None and crs not in WGS84:
        return project(features, crs, extent, changes)
    if not extent.is_degrees:
        raise UnreadableMap(
            "its coordinates are not degrees, and it names no other reference system: "
            "name it with --crs, for example EPSG:2249"
        )
    if crs is not None:
        what = f"the crs member {crs!r} is left out, because RFC 7946 has none"
        changes.append(Change("mended", "crs", "file", what))
    if extent.second <= 90:
        return list(features)
    what = "latitude came first, because a second coordinate is beyond ±90: exchanged"
    changes.append(Change("mended", "axes", "file", what))
    return [with_rings(each, lambda ring: [[x, y] for y, x in ring]) for each in features]


def project(
    features: Sequence[RawFeature], crs: str, extent: Extent, changes: list[Change]
) -> list[RawFeature]:
    """Return the features transformed to WGS 84. Raises UnreadableMap."""
    projection = projection_of(crs)
    if projection.is_projected and extent.is_degrees:
        raise UnreadableMap(
            f"its coordinates are degrees, and not of {crs!r}: "
            "if they are WGS 84, say so with --crs OGC:CRS84"
        )
    changes.append(Change("mended", "crs", "file", str(projection)))
    return [with_rings(feature, projection.transform) for feature in features]


def with_rings(feature: RawFeature, change: Transform) -> RawFeature:
    """Return a feature with each ring changed."""
    polygons = [[change(ring) for ring in polygon] for polygon in feature.polygons]
    return replace(feature, polygons=polygons)


# ── The outline of a feature ─────────────────────────────────────────────────────────────────────


def mend_outline(title: str, feature: RawFeature, changes: list[Change]) -> shapely.Geometry | None:
    """Return the outline of a feature, or None if it has none. Add what was changed."""
    changes += leave_out(title, feature)
    polygons = close_rings(title, feature.polygons, changes)
    polygons = turn_back(title, polygons, changes)
    if fault := degree_fault(title, polygons):
        changes.append(fault)
        return None
    outline = make_polygons(title, polygons, changes)
    if outline is None:
        what = "its outline has no area: left out"
        changes.append(Change("left_out", "no_geometry", title, what))
    return outline


def leave_out(title: str, feature: RawFeature) -> list[Change]:
    """Return what is left out of a feature: all of it, if it has no polygon."""
    kind = "no_polygon" if feature.polygons else "no_geometry"
    return [Change("left_out", kind, title, f"{note}: left out") for note in feature.notes]


def close_rings(title: str, polygons: Polygons, changes: list[Change]) -> Polygons:
    """Return polygons of closed rings. A ring of fewer than three corners is left out."""
    closed: Polygons = []
    for polygon in polygons:
        rings = [ring if ring[:1] == ring[-1:] else [*ring, ring[0]] for ring in polygon]
        opened = sum(ring is not given for ring, given in zip(rings, polygon, strict=True))
        if opened:
            what = f"{opened} rings were open: closed" if opened > 1 else "a ring was open: closed"
            changes.append(Change("mended", "open_ring", title, what))
        if rings and len(rings[0]) >= RING_POSITIONS_MIN:
            closed.append([ring for ring in rings if len(ring) >= RING_POSITIONS_MIN])
    return closed


def turn_back(title: str, polygons: Polygons, changes: list[Change]) -> Polygons:
    """Return the polygons with longitudes from -180 to 180, if they have those from 180 to 360."""
    longitudes = [x for x, _ in positions_of(polygons)]
    if not longitudes or max(longitudes) <= 180 or min(longitudes) < 180:
        return polygons
    changes.append(Change("mended", "degrees", title, "longitudes from 180 to 360: turned back"))
    return [[[[x - FULL_CIRCLE, y] for x, y in ring] for ring in each] for each in polygons]


def degree_fault(title: str, polygons: Polygons) -> Change | None:
    """Return the refusal of an outline over the antimeridian that is not cut there."""
    for x, y in positions_of(polygons):
        if not (abs(x) <= 180 and abs(y) <= 90):
            what = f"[{x:g}, {y:g}] is beyond ±180°, ±90°: {CUT}"
            return Change("refused", "antimeridian", title, what)
    for polygon in polygons:
        for ring in polygon:
            if edge := uncut_edge(ring):
                start, end = edge[0][0], edge[1][0]
                what = f"an edge goes from longitude {start:g} to {end:g}, more than 180°: {CUT}"
                return Change("refused", "antimeridian", title, what)
    return None


def make_polygons(title: str, polygons: Polygons, changes: list[Change]) -> shapely.Geometry | None:
    """Return a valid outline of polygons, or None if it has no area."""
    drawn = [part for polygon in polygons for part in separate_holes(title, polygon, changes)]
    outline = shapely.MultiPolygon([shapely.Polygon(rings[0], rings[1:]) for rings in drawn])
    if not outline.is_valid:
        reason = shapely.is_valid_reason(outline).partition("[")[0].strip().lower()
        outline = shapely.make_valid(outline, method="structure", keep_collapsed=False)
        what = f"{reason}: made valid"
        before = drawn_area_m2(drawn)
        changes.append(Change("mended", "self_crossing", title, what, before, area_m2(outline)))
    parts = [part for part in parts_of(outline) if part.area > 0]
    return shapely.MultiPolygon(parts) if parts else None


def separate_holes(title: str, polygon: list[Ring], changes: list[Change]) -> list[list[Ring]]:
    """Return a polygon as one or several: a hole outside of its ring is a part of its own."""
    outside = [ring for ring in polygon[1:] if is_outside(ring, polygon[0])]
    if not outside:
        return [polygon]
    what = (
        f"{len(outside)} holes outside of their ring: made parts"
        if len(outside) > 1
        else ("a hole outside of its ring: made a part")
    )
    changes.append(Change("mended", "hole_outside", title, what))
    return [[ring for ring in polygon if ring not in outside], *([ring] for ring in outside)]


def is_outside(hole: Ring, ring: Ring) -> bool:
    """Return True if a hole shares nothing with the ground within a ring."""
    inner, outer = shapely.Polygon(hole), shapely.Polygon(ring)
    return bool(inner.is_valid and outer.is_valid and inner.disjoint(outer))


def drawn_area_m2(polygons: Sequence[Sequence[Ring]]) -> float:
    """Return the area of rings as they are drawn: a figure of eight counts its difference."""
    return sum(
        ring_area_m2(rings[0]) - sum(ring_area_m2(hole) for hole in rings[1:]) for rings in polygons
    )
