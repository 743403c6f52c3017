"""Maps in other formats and encodings."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from shapely.geometry import shape

from tests.harness.map_variants.city import City, Expected, Made, kind
from tests.harness.map_variants.reference_systems import projected_city


@kind
def feature_alone(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.write(folder / "map.geojson", city.features[0])
    return Made(folder / "map.geojson", Expected(("file",)))


@kind
def geometry_alone(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.write(folder / "map.geojson", city.features[0]["geometry"])
    return Made(folder / "map.geojson", Expected(("file",), "no property 'code'"))


@kind
def latin_1(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.features[0]["properties"]["name"] = "Überlingen"
    path = city.write(folder / "map.geojson", encoding="latin-1")
    return Made(path, Expected(("file",)), encoding="latin-1")


@kind
def latin_1_without_a_name(chance: random.Random, folder: Path) -> Made:
    made = latin_1(chance, folder)
    return made._replace(expected=Expected(("file",), "name its encoding"), encoding=None)


@kind
def one_feature_a_line(chance: random.Random, folder: Path) -> Made:
    path = folder / "map.geojsonl"
    lines = [json.dumps(feature) + "\n" for feature in City.make(chance).features]
    path.write_text("".join(lines), encoding="utf-8")
    return Made(path, Expected(("file",)))


@kind
def csv_with_wkt(chance: random.Random, folder: Path) -> Made:
    path = folder / "map.csv"
    column = chance.choice(["WKT", "the_geom", "geometry"])
    rows = [
        f"{each['properties']['code']},{each['properties']['street']},"
        f'"{shape(each["geometry"]).wkt}"\n'
        for each in City.make(chance).features
    ]
    path.write_text(f"code,street,{column}\n" + "".join(rows), encoding="utf-8")
    return Made(path, Expected(("file",)))


@kind
def shapefile(chance: random.Random, folder: Path) -> Made:
    city, crs = projected_city(chance)
    return Made(write_with_gdal(city, folder / "map.shp", "ESRI Shapefile", crs), FILE)


@kind
def zipped_shapefile(chance: random.Random, folder: Path) -> Made:
    path = folder / "map.shz"
    return Made(write_with_gdal(City.make(chance), path, "ESRI Shapefile", "EPSG:4326"), FILE)


@kind
def geopackage(chance: random.Random, folder: Path) -> Made:
    city, crs = projected_city(chance)
    return Made(write_with_gdal(city, folder / "map.gpkg", "GPKG", crs), FILE)


@kind
def topojson(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    geometries = [
        {"type": "Polygon", "arcs": [[number]], "properties": feature["properties"]}
        for number, feature in enumerate(city.features)
    ]
    document = {
        "type": "Topology",
        "objects": {"wards": {"type": "GeometryCollection", "geometries": geometries}},
        "arcs": [feature["geometry"]["coordinates"][0] for feature in city.features],
    }
    return Made(city.write(folder / "map.json", document), FILE)


FILE = Expected(("file",))


def write_with_gdal(city: City, path: Path, driver: str, crs: str) -> Path:
    """Write a city in a format that GDAL writes."""
    properties = [feature["properties"] for feature in city.features]
    pyogrio.raw.write(
        path,
        np.array([shapely.to_wkb(shape(each["geometry"])) for each in city.features], dtype=object),
        [
            np.array([each[name] for each in properties], dtype=object)
            for name in ("code", "street")
        ],
        ["code", "street"],
        geometry_type="Polygon",
        crs=crs,
        driver=driver,
    )
    return path
