"""Maps of other people: GeoJSON as it comes, and every vector format that GDAL reads.

GeoJSON is read here, because its faults shall be seen as they are. Shapefiles, TopoJSON,
GeoPackage, KML and CSV with WKT are read by pyogrio. Coordinates are transformed by pyproj. Both
belong to the extra `maps`: a server needs neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import shapely
from shapely.geometry import mapping

from events.errors import GridcallError
from gridcall.simulation.city.map_geometry import Ring, iterate_parts

WGS84 = (
    "CRS84", "OGC:CRS84", "urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84",
    "EPSG:4326", "urn:ogc:def:crs:EPSG::4326", "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
)  # fmt: skip
GEOMETRY_COLUMNS = "WKT,wkt,the_geom,geom,geometry,GEOMETRY,wkt_geom,shape,polygon,multipolygon"
LATITUDE_MAX, LONGITUDE_MAX = 90.0, 180.0

Polygons = list[list[Ring]]
Transform = Callable[[Ring], Ring]


class UnreadableMap(GridcallError):
    """A file cannot be read as a map. The sentence says why, and what to do."""


@dataclass(frozen=True, slots=True)
class RawFeature:
    """A feature as its file has it. `polygons` is empty if it has no polygon."""

    properties: dict[str, Any]
    polygons: Polygons
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawMap:
    """The features of a file, and the reference system that it declares. `notes` say what was met
    on the way.
    """

    features: list[RawFeature]
    crs: str | None
    notes: list[str] = field(default_factory=list)


def read_map_file(path: Path, layer: str | None = None, encoding: str | None = None) -> RawMap:
    """Return the features of a file in any format. Raises UnreadableMap."""
    if not path.exists():
        raise UnreadableMap(f"{path}: no such file")
    document = read_geojson(path, encoding)
    return document or read_with_gdal(path, layer, encoding)


# ── GeoJSON ──────────────────────────────────────────────────────────────────────────────────────


def read_geojson(path: Path, encoding: str | None) -> RawMap | None:
    """Return the content of a GeoJSON file; None for another format. Raises UnreadableMap."""
    if path.is_dir():
        return None
    content = path.read_bytes()
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return None
    try:
        text = content.decode(encoding or "utf-8-sig").removeprefix("\ufeff")
        document = msgspec.json.decode(text)
    except UnicodeDecodeError as error:
        raise UnreadableMap(
            f"{path}: byte {error.start:,} is not {error.encoding}: name its encoding, for example "
            "--encoding latin-1"
        ) from error
    except LookupError as error:
        raise UnreadableMap(f"{error}; write for example latin-1 or gb18030") from error
    except (msgspec.DecodeError, RecursionError):
        return None  # A sequence of texts, perhaps; GDAL knows it.
    features = features_in(document)
    if features is None:
        return None
    notes = [] if document["type"] == "FeatureCollection" else [f"a {document['type']} alone"]
    return RawMap([raw_feature(feature) for feature in features], declared_crs(document), notes)


def features_in(document: dict[str, Any]) -> Sequence[Any] | None:
    """Return the features of a GeoJSON object of any type; None for another object."""
    match document.get("type"):
        case "FeatureCollection":
            features = document.get("features")
            return features if isinstance(features, list) else None
        case "Feature":
            return [document]
        case "Polygon" | "MultiPolygon" | "GeometryCollection":
            return [{"properties": {}, "geometry": document}]
    return None


def raw_feature(feature: Any) -> RawFeature:
    """Return a feature of GeoJSON. What is no polygon in it is left out, and noted."""
    if not isinstance(feature, dict):
        return RawFeature({}, [], ("it is no feature",))
    properties = feature.get("properties")
    geometry = feature.get("geometry")
    notes = [] if isinstance(geometry, dict) else ["it has no geometry"]
    polygons: Polygons = []
    for part in simple_geometries(geometry):
        if part.get("type") not in ("Polygon", "MultiPolygon"):
            notes.append(f"a {part.get('type')} in it is no polygon")
            continue
        try:
            polygons += polygons_in(part)
        except (KeyError, msgspec.ValidationError):
            notes.append("its coordinates are not lists of positions")
    return RawFeature(properties if isinstance(properties, dict) else {}, polygons, tuple(notes))


def simple_geometries(geometry: Any) -> Iterator[dict[str, Any]]:
    """Yield the geometries in a geometry, those of collections one by one."""
    if not isinstance(geometry, dict):
        return
    if geometry.get("type") == "GeometryCollection":
        inner = geometry.get("geometries")
        for each in inner if isinstance(inner, list) else ():
            yield from simple_geometries(each)
    else:
        yield geometry


def polygons_in(geometry: dict[str, Any]) -> Polygons:
    """Return the polygons of a Polygon or MultiPolygon, without heights.

    Raises KeyError or ValidationError for other coordinates.
    """
    coordinates = geometry["coordinates"]
    nested = [coordinates] if geometry["type"] == "Polygon" else coordinates
    polygons = msgspec.convert(nested, list[list[list[list[float]]]])
    if any(len(position) < 2 for polygon in polygons for ring in polygon for position in ring):
        raise msgspec.ValidationError("a position without two numbers")
    return [[[position[:2] for position in ring] for ring in polygon] for polygon in polygons]


def declared_crs(document: dict[str, Any]) -> str | None:
    """Return the reference system that a crs member names. Raises UnreadableMap for a link."""
    crs = document.get("crs")
    if crs is None or isinstance(crs, str):
        return crs
    properties = crs.get("properties") if isinstance(crs, dict) else None
    if isinstance(properties, dict) and isinstance(properties.get("name"), str):
        return str(properties["name"])
    if isinstance(properties, dict) and isinstance(properties.get("code"), int | str):
        return f"EPSG:{properties['code']}"
    raise UnreadableMap("its crs member names no reference system: name it with --crs EPSG:…")


# ── Other formats ────────────────────────────────────────────────────────────────────────────────


def read_with_gdal(path: Path, layer: str | None, encoding: str | None) -> RawMap:
    """Return a layer of a file in a format that GDAL reads. Raises UnreadableMap."""
    pyogrio = require("pyogrio")
    options = {"GEOM_POSSIBLE_NAMES": GEOMETRY_COLUMNS, "KEEP_GEOM_COLUMNS": "NO"}
    more = options if path.name.lower().endswith((".csv", ".tsv", ".txt")) else {}
    try:
        layers = [str(name) for name, _ in pyogrio.list_layers(path)]
        chosen = choose_layer(path, layers, layer)
        meta, _, shapes, columns = pyogrio.raw.read(
            path, layer=chosen, encoding=encoding, force_2d=True, **more
        )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise UnreadableMap(f"{path}: not a map: {error}") from error
    if shapes is None:
        raise UnreadableMap(
            f"{path}: it has no geometry: a column of WKT is named WKT, the_geom or geometry"
        )
    names = [str(name) for name in meta["fields"]]
    outlines = shapely.from_wkb(shapes, on_invalid="fix")
    features = [
        RawFeature(
            {name: plain(column[row]) for name, column in zip(names, columns, strict=True)},
            polygons_of_shape(outline),
            notes_of_shape(outline),
        )
        for row, outline in enumerate(outlines)
    ]
    return RawMap(features, meta["crs"])


def choose_layer(path: Path, layers: Sequence[str], layer: str | None) -> str:
    """Return the layer of this name, or the only one. Raises UnreadableMap."""
    if layer in layers:
        return str(layer)
    if layer is None and len(layers) == 1:
        return layers[0]
    names = ", ".join(layers) or "none"
    raise UnreadableMap(f"{path}: its layers are {names}: name one with --layer")


def plain(value: Any) -> Any:
    """Return a value of a column as JSON has it; None for a missing one."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    return str(value)


def polygons_of_shape(outline: shapely.Geometry | None) -> Polygons:
    """Return the polygons in a shape as lists of positions."""
    if outline is None:
        return []
    parts = (mapping(part)["coordinates"] for part in iterate_parts(outline))
    return [[[[x, y] for x, y, *_ in ring] for ring in polygon] for polygon in parts]


def notes_of_shape(outline: shapely.Geometry | None) -> tuple[str, ...]:
    """Return what a shape has besides polygons."""
    if outline is None or outline.is_empty:
        return ("it has no geometry",)
    if outline.geom_type not in ("Polygon", "MultiPolygon"):
        return (f"a {outline.geom_type} in it is no polygon",)
    return ()


# ── Reference systems ────────────────────────────────────────────────────────────────────────────


class Projection(NamedTuple):
    """The way from a reference system to WGS 84. `accuracy_m` is None if it is unknown."""

    transform: Transform
    name: str
    is_projected: bool
    accuracy_m: float | None

    def __str__(self) -> str:
        known = "unknown" if self.accuracy_m is None else f"{self.accuracy_m:g} m"
        return f"transformed from {self.name} to WGS 84 (accuracy {known})"


def projection_of(crs: str) -> Projection:
    """Return the way from a reference system to WGS 84. Raises UnreadableMap for an unknown one."""
    pyproj = require("pyproj")
    try:
        source = pyproj.CRS.from_user_input(crs)
        transformer = pyproj.Transformer.from_crs(source, "OGC:CRS84", always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise UnreadableMap(
            f"the reference system {crs!r} is unknown: name it with --crs, for example EPSG:2249"
        ) from error

    def transform(ring: Ring) -> Ring:
        if not ring:
            return []
        xs, ys = zip(*ring, strict=True)
        return [list(position) for position in zip(*transformer.transform(xs, ys), strict=True)]

    accuracy = transformer.accuracy if transformer.accuracy >= 0 else None
    return Projection(transform, source.name, source.is_projected, accuracy)


def require(name: str) -> Any:
    """Import a library of the extra `maps`. Raises UnreadableMap if it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise UnreadableMap(
            f"this needs {name}: install gridcall with the extra `maps`: pip install gridcall[maps]"
        ) from error
