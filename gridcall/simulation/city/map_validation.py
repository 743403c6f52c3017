"""The map check: a GeoJSON file becomes findings, and the map that gridcall adopts.

A fault that would send a case to the wrong grid refuses the map. A fault that RFC 7946 forbids but
nobody can misread is repaired and reported, and so are slivers that the profile tolerates. Areas
are in m² on the sphere of the Earth's mean radius. Each overlap of two grids and each hole between
grids is measured alone.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import radians, sin
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import shapely
from shapely.geometry import mapping, shape

from events.reference_data import Grid, GridMap
from gridcall.simulation.city.profile import MapFiles
from gridcall.simulation.city.row_mapper import make_code

EARTH_RADIUS_M = 6_371_008.8  # Mean radius R1 of GRS 80 (Moritz 2000).
CRS84 = ("urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "OGC:CRS84")

Position = list[float]
Ring = list[Position]


class FeatureCollection(msgspec.Struct):
    """A GeoJSON document whose features are not checked yet."""

    type: Literal["FeatureCollection"]
    features: list[Any]
    crs: Any = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault of the map. `refused` ones must be mended. `place` is (lon, lat) in degrees."""

    severity: Literal["refused", "reported"]
    kind: str
    feature: str
    place: tuple[float, float] | None
    area_m2: float | None
    what: str

    def __str__(self) -> str:
        where = f" at {self.place[0]:.6f}, {self.place[1]:.6f}" if self.place else ""
        return f"{self.severity}: {self.feature}{where}: {self.what}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CheckedMap:
    """The findings, and the map if none of them refuses it."""

    findings: tuple[Finding, ...]
    grids: GridMap | None

    @property
    def refusals(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == "refused"]

    def kinds(self) -> Counter[str]:
        """Return the number of findings by kind."""
        return Counter(finding.kind for finding in self.findings)


def check_map(folder: Path, files: MapFiles) -> CheckedMap:
    """Read the file of the grids and check it."""
    path = folder / files.grids.file
    document = read_collection(path)
    if isinstance(document, Finding):
        return CheckedMap((document,), None)
    findings = list(crs_findings(document.crs, path.name))
    grids: list[Grid] = []
    for number, feature in enumerate(document.features, 1):
        grid, faults = check_feature(number, feature, files)
        findings += faults
        if grid:
            grids.append(grid)
    findings += repeated_codes(grids)
    if not document.features:
        what = "it has no features: a map needs at least one grid"
        findings.append(refusal("file", str(path), what))
    if not has_refusal(findings):
        findings += topology(grids, files)
    if has_refusal(findings):
        return CheckedMap(tuple(findings), None)
    ordered = tuple(sorted(grids, key=lambda grid: grid.code))
    grid_map = GridMap(files.district.code, files.district.name, ordered)
    return CheckedMap(tuple(findings), grid_map)


def read_collection(path: Path) -> FeatureCollection | Finding:
    """Return the content of a file, or the finding that refuses it."""
    try:
        content = path.read_bytes().removeprefix(BOM_UTF8)
        return msgspec.json.decode(content, type=FeatureCollection)
    except OSError as error:
        what = f"cannot be read: {error.strerror}; --map names the folder"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        what = f"not a GeoJSON FeatureCollection: {error}"
    return refusal("file", str(path), what)


def has_refusal(findings: Sequence[Finding]) -> bool:
    """Return True if a finding refuses the map."""
    return any(finding.severity == "refused" for finding in findings)


def refusal(
    kind: str,
    feature: str,
    what: str,
    place: tuple[float, float] | None = None,
    area_m2: float | None = None,
) -> Finding:
    """Return a finding that must be mended."""
    return Finding("refused", kind, feature, place, area_m2, what)


def crs_findings(crs: Any, file: str) -> Iterator[Finding]:
    """Yield a finding for a crs member. CRS84 is harmless; any other is not WGS 84 degrees."""
    if crs is None:
        return
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else crs
    if isinstance(name, str) and name in CRS84:
        what = "a crs member (CRS84): RFC 7946 has none; it is left out"
        yield Finding("reported", "crs", file, None, None, what)
        return
    if isinstance(name, str) and name.endswith(("EPSG::4326", "EPSG:4326")):
        what = (
            f"the reference system {name!r} puts latitude first, RFC 7946 longitude: "
            "if yours does, remove the crs member"
        )
    else:
        what = (
            f"the reference system {name!r} is not WGS 84: "
            "transform the file to longitude and latitude"
        )
    yield refusal("crs", file, what)


class Feature(NamedTuple):
    """The parts of a feature that make a grid."""

    code: str
    street: str
    polygons: list[list[Ring]]


def check_feature(number: int, feature: Any, files: MapFiles) -> tuple[Grid | None, list[Finding]]:
    """Return a feature as a grid, or None, and its findings."""
    parsed = parse_feature(f"feature {number}", feature, files)
    if isinstance(parsed, Finding):
        return None, [parsed]
    name = f"grid {parsed.code}"
    findings = list(crs_findings(feature.get("crs"), name))
    for part, polygon in enumerate(parsed.polygons, 1):
        for hole, ring in enumerate(polygon):
            title = ring_name(part, len(parsed.polygons), hole)
            findings += check_ring(name, title, ring, hole=hole > 0)
    if has_refusal(findings):
        return None, findings
    outline = shape({"type": "MultiPolygon", "coordinates": parsed.polygons})
    if not outline.is_valid:
        return None, [*findings, crossing_fault(name, outline)]
    single = len(parsed.polygons) == 1
    outline = shapely.geometry.polygon.orient(outline.geoms[0]) if single else orient(outline)
    geometry = json.loads(json.dumps(mapping(outline)))
    return Grid(parsed.code, parsed.street, False, geometry), findings


def parse_feature(name: str, feature: Any, files: MapFiles) -> Feature | Finding:
    """Return the codes and polygons of a feature, or the finding that refuses it."""
    try:
        properties, geometry = feature["properties"], feature["geometry"]
        code = property_text(properties[files.grids.code])
        street = make_code(property_text(properties[files.streets.from_]), files.streets)
        polygons = polygons_of(geometry)
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        what = f"not a grid: {error}, missing or of the wrong kind"
        return refusal("feature", name, what)
    if not code or not street:
        what = f"no code in {files.grids.code!r} or no street in {files.streets.from_!r}"
        return refusal("code", f"grid {code}" if code else name, what)
    return Feature(code, street, polygons)


def property_text(value: Any) -> str:
    """Return a property as trimmed text; empty if it is missing.

    Raises TypeError for anything but text and whole numbers.
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"{value!r} is neither text nor a whole number")
    return str(value).strip()


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


def ring_name(part: int, parts: int, hole: int) -> str:
    """Return the name of a ring: `ring`, `hole 2`, `ring of part 3`."""
    name = f"hole {hole}" if hole else "ring"
    return f"{name} of part {part}" if parts > 1 else name


def check_ring(name: str, which: str, ring: Ring, *, hole: bool) -> list[Finding]:
    """Return the findings of a ring: degrees, closedness, crossing, winding."""
    for position in ring:
        if len(position) < 2 or not (abs(position[0]) <= 180 and abs(position[1]) <= 90):
            what = (
                f"{which}: {list(position)} is not a longitude and latitude in degrees: "
                "transform the file to WGS 84"
            )
            return [refusal("degrees", name, what)]
    start = (float(ring[0][0]), float(ring[0][1])) if ring else None
    if len(ring) < 4 or list(ring[0]) != list(ring[-1]):
        return [
            refusal(
                "open_ring",
                name,
                f"{which} is open: end it where it starts, with at least 4 positions",
                start,
            )
        ]
    outline = shapely.Polygon(ring)
    if not outline.is_valid:
        return [crossing_fault(name, outline, which)]
    if outline.exterior.is_ccw == hole:
        way = "counter-clockwise" if hole else "clockwise"
        what = f"{which} runs {way}: RFC 7946 wants the other way; it is turned"
        return [Finding("reported", "winding", name, start, area_m2(outline), what)]
    return []


def crossing_fault(name: str, outline: shapely.Geometry, which: str = "outline") -> Finding:
    """Return the finding for an outline that is no polygon, with the geometry library's reason."""
    reason = shapely.is_valid_reason(outline)
    words, _, rest = reason.partition("[")
    place = tuple(float(number) for number in rest.rstrip("]").split()[:2])
    where = (place[0], place[1]) if len(place) == 2 else None
    return refusal(
        "self_crossing",
        name,
        f"{which}: {words.strip().lower()}: redraw it without crossing itself",
        where,
    )


def orient(outline: shapely.MultiPolygon) -> shapely.MultiPolygon:
    """Return the polygons with outer rings counter-clockwise and holes clockwise."""
    return shapely.MultiPolygon([shapely.geometry.polygon.orient(part) for part in outline.geoms])


def repeated_codes(grids: Sequence[Grid]) -> Iterator[Finding]:
    """Yield a finding for each repeated code."""
    seen: set[str] = set()
    for grid in grids:
        if grid.code in seen:
            corner = shape(grid.geometry).representative_point()
            what = "a second feature has this code: give each grid a code of its own"
            yield refusal("double_code", f"grid {grid.code}", what, (corner.x, corner.y))
        seen.add(grid.code)


def topology(grids: Sequence[Grid], files: MapFiles) -> Iterator[Finding]:
    """Yield the overlaps of two grids, and the holes between grids."""
    outlines = [shape(grid.geometry) for grid in grids]
    yield from overlaps(grids, outlines, files.overlap.tolerate_m2)
    yield from holes(grids, outlines, files.gap.tolerate_m2)


def overlaps(
    grids: Sequence[Grid], outlines: Sequence[shapely.Geometry], tolerated_m2: float
) -> Iterator[Finding]:
    """Yield each pair of grids that share ground."""
    tree = shapely.STRtree(outlines)
    for i, j in sorted(tree.query(outlines, predicate="intersects").T.tolist()):
        shared = shapely.intersection(outlines[i], outlines[j]) if i < j else None
        if shared is None or shared.area == 0:
            continue
        one, other = sorted((grids[i].code, grids[j].code))
        yield sliver(
            "overlap",
            f"grids {one} and {other}",
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


def parts_of(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    """Return the polygons in a geometry of any kind."""
    if isinstance(geometry, shapely.Polygon):
        return [geometry]
    return [part for inner in getattr(geometry, "geoms", ()) for part in parts_of(inner)]


def area_m2(geometry: shapely.Geometry) -> float:
    """Return the area on the sphere, in m²."""
    return sum(
        ring_area_m2(part.exterior.coords)
        - sum(ring_area_m2(hole.coords) for hole in part.interiors)
        for part in parts_of(geometry)
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
