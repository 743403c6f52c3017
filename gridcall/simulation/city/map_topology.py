"""Overlaps of grids, and holes between them. Each is measured alone.

A dedicated grid wins over the basic grid around it, so that only grids of one kind overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import shapely
from shapely.geometry import shape

from events.reference_data import Grid
from gridcall.simulation.city.map_findings import Finding, refusal
from gridcall.simulation.city.map_geometry import area_m2, parts_of
from gridcall.simulation.city.profile import MapFiles


def topology(grids: Sequence[Grid], files: MapFiles) -> Iterator[Finding]:
    """Yield the overlaps of two grids, and the holes between grids."""
    outlines = [shape(grid.geometry) for grid in grids]
    yield from overlaps(grids, outlines, files.overlap.tolerate_m2)
    yield from holes(grids, outlines, files.gap.tolerate_m2)


def overlaps(
    grids: Sequence[Grid], outlines: Sequence[shapely.Geometry], tolerated_m2: float
) -> Iterator[Finding]:
    """Yield each pair of grids of one kind that share ground."""
    tree = shapely.STRtree(outlines)
    for i, j in sorted(tree.query(outlines, predicate="intersects").T.tolist()):
        if i >= j or grids[i].dedicated != grids[j].dedicated:
            continue
        shared = shapely.intersection(outlines[i], outlines[j])
        if shared.area == 0:
            continue
        one, other = sorted((grids[i].code, grids[j].code))
        kind = "dedicated grids" if grids[i].dedicated else "grids"
        yield sliver(
            "overlap",
            f"{kind} {one} and {other}",
            shared,
            tolerated_m2,
            f"taken: {one}, the lowest code",
        )


def holes(
    grids: Sequence[Grid], outlines: Sequence[shapely.Geometry], tolerated_m2: float
) -> Iterator[Finding]:
    """Yield each hole in the union of all grids."""
    tree = shapely.STRtree(outlines)
    for part in parts_of(shapely.union_all(outlines)):
        for ring in part.interiors:
            hole = shapely.Polygon(ring)
            around = sorted(grids[i].code for i in tree.query(hole, predicate="intersects"))
            name = f"hole between grids {', '.join(around)}"
            yield sliver("hole", name, hole, tolerated_m2, "a point in it lies outside the map")


def sliver(
    kind: str, name: str, shape_: shapely.Geometry, tolerated_m2: float, then: str
) -> Finding:
    """Return an overlap or a hole: reported up to the tolerance, refused beyond it."""
    area = area_m2(shape_)
    corner = shape_.representative_point()
    place = (corner.x, corner.y)
    if area > tolerated_m2:
        what = (
            f"{kind} of {area:.3f} m², more than the {tolerated_m2:g} m² tolerated: "
            "mend the map or raise tolerate_m2"
        )
        return refusal(kind, name, what, place, area)
    return Finding(
        "reported", kind, name, place, area, f"{kind} of {area:.3f} m², tolerated; {then}"
    )
