"""Maps in other reference systems than they say, or than GeoJSON has."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyproj

from tests.harness.map_variants.city import City, Expected, Made, kind

# Reference systems with an area of use that contains the city of a variant.
PROJECTED = {"EPSG:3857": (10.0, 50.0), "EPSG:2249": (-71.1, 42.3), "EPSG:32650": (117.0, 36.6)}


def crs_member(name: str) -> dict[str, Any]:
    """Return a crs member as GeoJSON of 2008 has it."""
    return {"crs": {"type": "name", "properties": {"name": name}}}


def projected_city(chance: random.Random) -> tuple[City, str]:
    """Return a city in metres or feet, and its reference system."""
    crs = chance.choice(list(PROJECTED))
    lon, lat = PROJECTED[crs]
    city = City.make(chance, lon=lon, lat=lat)
    city.move(pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform)
    return city, crs


@kind
def epsg_4326_member(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.members = crs_member(chance.choice(["EPSG:4326", "urn:ogc:def:crs:EPSG::4326"]))
    return Made(city.write(folder / "map.geojson"), Expected(("crs",)))


@kind
def latitude_first(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance, lon=chance.choice([-120.0, 117.0, 151.2]))
    city.move(lambda lon, lat: (lat, lon))
    city.members = crs_member("urn:ogc:def:crs:EPSG::4326")
    return Made(city.write(folder / "map.geojson"), Expected(("crs", "degrees")))


@kind
def projected_with_a_member(chance: random.Random, folder: Path) -> Made:
    city, crs = projected_city(chance)
    city.members = crs_member(f"urn:ogc:def:crs:{crs.replace(':', '::')}")
    return Made(city.write(folder / "map.geojson"), Expected(("crs", "degrees")))


@kind
def projected_and_named_by_an_option(chance: random.Random, folder: Path) -> Made:
    city, crs = projected_city(chance)
    return Made(city.write(folder / "map.geojson"), Expected(("degrees",)), crs=crs)


@kind
def projected_without_a_name(chance: random.Random, folder: Path) -> Made:
    city, _ = projected_city(chance)
    return Made(city.write(folder / "map.geojson"), Expected(("degrees",), "name it with --crs"))


@kind
def degrees_that_claim_to_be_projected(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.members = crs_member("EPSG:2249")
    named = Expected(("crs",), "say so with --crs OGC:CRS84")
    return Made(city.write(folder / "map.geojson"), named)
