"""The map check: a GeoJSON file becomes findings, and the map that gridcall adopts.

A fault that would send a case to the wrong grid refuses the map. A fault that RFC 7946 forbids but
nobody can misread is repaired and reported, and so are slivers that the profile tolerates.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple
from unicodedata import normalize

import msgspec
import shapely
from shapely.geometry import shape

from events.reference_data import Grid, GridMap
from gridcall.simulation.city.map_findings import (
    CheckedMap,
    Finding,
    has_refusal,
    refusal,
    refusals_first,
)
from gridcall.simulation.city.map_geometry import (
    Ring,
    area_m2,
    orient,
    polygons_of,
    to_geojson,
    uncut_edge,
)
from gridcall.simulation.city.map_topology import topology
from gridcall.simulation.city.place_claims import make_code
from gridcall.simulation.city.profile import GridsFile, MapFiles

CRS84 = ("urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "OGC:CRS84")
MENDED = "gridcall map mend does it"


class FeatureCollection(msgspec.Struct):
    """A GeoJSON document whose features are not checked yet."""

    type: Literal["FeatureCollection"]
    features: list[Any]
    crs: Any = None


class Feature(NamedTuple):
    """The parts of a feature that make a grid."""

    code: str
    street: str
    dedicated: bool
    polygons: list[list[Ring]]


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
    merge = dissolve if files.grids.dissolve else check_codes
    grids, faults = merge(grids)
    findings += faults
    if not document.features:
        what = "it has no features: a map needs at least one grid"
        findings.append(refusal("file", str(path), what))
    if not has_refusal(findings):
        findings += topology(grids, files)
    if has_refusal(findings):
        return CheckedMap(refusals_first(findings), None)
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
        what = (
            f"not a GeoJSON FeatureCollection: {error}; "
            "gridcall map mend reads other formats and writes one"
        )
    return refusal("file", str(path), what)


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
            f"if yours does, remove the crs member; {MENDED}"
        )
    else:
        what = (
            f"the reference system {name!r} is not WGS 84: "
            f"transform the file to longitude and latitude; {MENDED}"
        )
    yield refusal("crs", file, what)


# ── One feature ──────────────────────────────────────────────────────────────────────────────────


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
    geometry = to_geojson(orient(outline))
    return Grid(parsed.code, parsed.street, parsed.dedicated, geometry), findings


def parse_feature(name: str, feature: Any, files: MapFiles) -> Feature | Finding:
    """Return the codes and polygons of a feature, or the finding that refuses it."""
    try:
        properties = feature["properties"]
        code = property_text(find_property(properties, files.grids.code))
        street_property = find_property(properties, files.streets.from_)
        street = normalize("NFC", make_code(property_text(street_property), files.streets))
        dedicated = is_dedicated(properties, files.grids)
        geometry = feature["geometry"]
        if geometry is None:
            what = f"it has no geometry: draw it, or leave it out; {MENDED}"
            return refusal("no_geometry", f"grid {code}" if code else name, what)
        polygons = polygons_of(geometry)
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        what = f"not a grid: {error}, missing or of the wrong kind"
        return refusal("feature", name, what)
    if not code or not street:
        what = f"no code in {files.grids.code!r} or no street in {files.streets.from_!r}"
        return refusal("code", f"grid {code}" if code else name, what)
    return Feature(code, street, dedicated, polygons)


def find_property(properties: Mapping[str, Any], name: str) -> Any:
    """Return a property by its name, in any normal form of Unicode.

    Raises KeyError with the nearest known name.
    """
    if name in properties:
        return properties[name]
    for key, value in properties.items():
        if normalize("NFC", key) == normalize("NFC", name):
            return value
    near = get_close_matches(name, properties, n=1)
    raise KeyError(f"{name}; did you mean {near[0]!r}?" if near else name)


def property_text(value: Any) -> str:
    """Return a property as trimmed text in NFC; empty if it is missing.

    Raises TypeError for anything but text and whole numbers.
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        raise TypeError(f"{value!r} is a number with a point: write {value:.0f}; {MENDED}")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"{value!r} is neither text nor a whole number")
    return normalize("NFC", str(value).strip())


def is_dedicated(properties: Mapping[str, Any], grids: GridsFile) -> bool:
    """Return True if the profile calls a feature with these properties a dedicated grid."""
    rule = grids.dedicated
    if rule is None:
        return False
    value = properties.get(rule.property)
    is_text = value is None or isinstance(value, str)
    text = property_text(value) if is_text else str(value).lower()
    return text in rule.values


def ring_name(part: int, parts: int, hole: int) -> str:
    """Return the name of a ring: `ring`, `hole 2`, `ring of part 3`."""
    name = f"hole {hole}" if hole else "ring"
    return f"{name} of part {part}" if parts > 1 else name


def check_ring(name: str, which: str, ring: Ring, *, hole: bool) -> list[Finding]:
    """Return the findings of a ring: degrees, closedness, antimeridian, crossing, winding."""
    for position in ring:
        if len(position) < 2 or not (abs(position[0]) <= 180 and abs(position[1]) <= 90):
            what = (
                f"{which}: {list(position)} is not a longitude and latitude in degrees: "
                f"transform the file to WGS 84; {MENDED}"
            )
            return [refusal("degrees", name, what)]
    start = (float(ring[0][0]), float(ring[0][1])) if ring else None
    if len(ring) < 4 or list(ring[0]) != list(ring[-1]):
        what = f"{which} is open: end it where it starts, with at least 4 positions"
        return [refusal("open_ring", name, what, start)]
    if edge := uncut_edge(ring):
        return [antimeridian_fault(name, which, *edge)]
    outline = shapely.Polygon(ring)
    if not outline.is_valid:
        return [crossing_fault(name, outline, which)]
    if outline.exterior.is_ccw == hole:
        way = "counter-clockwise" if hole else "clockwise"
        what = f"{which} runs {way}: RFC 7946 wants the other way; it is turned"
        return [Finding("reported", "winding", name, start, area_m2(outline), what)]
    return []


def antimeridian_fault(
    name: str, which: str, start: Sequence[float], end: Sequence[float]
) -> Finding:
    """Return the finding for an edge that runs around the Earth instead of over ±180°."""
    what = (
        f"{which}: an edge goes from longitude {start[0]:g} to {end[0]:g}, "
        "which is more than 180°: cut it at 180° into a MultiPolygon (RFC 7946, 3.1.9)"
    )
    return refusal("antimeridian", name, what, (float(start[0]), float(start[1])))


def crossing_fault(name: str, outline: shapely.Geometry, which: str = "outline") -> Finding:
    """Return the finding for an outline that is no polygon, with the geometry library's reason."""
    reason = shapely.is_valid_reason(outline)
    words, _, rest = reason.partition("[")
    place = tuple(float(number) for number in rest.rstrip("]").split()[:2])
    where = (place[0], place[1]) if len(place) == 2 else None
    return refusal(
        "self_crossing",
        name,
        f"{which}: {words.strip().lower()}: redraw it without crossing itself; {MENDED}",
        where,
    )


# ── Features of one code ─────────────────────────────────────────────────────────────────────────


def check_codes(grids: Sequence[Grid]) -> tuple[list[Grid], list[Finding]]:
    """Return the grids, and a finding for each repeated code."""
    findings = []
    seen: set[str] = set()
    for grid in grids:
        if grid.code in seen:
            corner = shape(grid.geometry).representative_point()
            what = (
                "a second feature has this code: give each grid a code of its own, "
                f"or make them one; {MENDED}"
            )
            findings.append(refusal("double_code", f"grid {grid.code}", what, (corner.x, corner.y)))
        seen.add(grid.code)
    return list(grids), findings


def dissolve(grids: Sequence[Grid]) -> tuple[list[Grid], list[Finding]]:
    """Return one grid for all features of a code, and a finding for each code of several."""
    groups: dict[str, list[Grid]] = defaultdict(list)
    for grid in grids:
        groups[grid.code].append(grid)
    findings = [finding for group in groups.values() for finding in dissolve_findings(group)]
    return [unite(group) for group in groups.values()], findings


def dissolve_findings(group: Sequence[Grid]) -> Iterator[Finding]:
    """Yield the findings of the features that become one grid."""
    name = f"grid {group[0].code}"
    streets = sorted({grid.street for grid in group})
    if len(streets) > 1:
        what = f"its features name the streets {', '.join(streets)}: a grid is in one street"
        yield refusal("street", name, what)
    if len({grid.dedicated for grid in group}) > 1:
        what = "some of its features are dedicated and some are not: give them different codes"
        yield refusal("kind", name, what)
    if len(group) > 1:
        what = f"{len(group)} features have this code; they are one grid"
        yield Finding("reported", "dissolved", name, None, None, what)


def unite(group: Sequence[Grid]) -> Grid:
    """Return the grid that features of one code make together."""
    if len(group) == 1:
        return group[0]
    outline = orient(shapely.union_all([shape(grid.geometry) for grid in group]))
    return Grid(group[0].code, group[0].street, group[0].dedicated, to_geojson(outline))
