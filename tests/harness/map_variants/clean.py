"""Maps in which nothing is to be refused."""

from __future__ import annotations

import random
from pathlib import Path

from tests.harness.map_variants.city import City, Expected, Made, grid, kind
from tests.harness.map_variants.reference_systems import crs_member


@kind
def clean(chance: random.Random, folder: Path) -> Made:
    return Made(City.make(chance).write(folder / "map.geojson"), Expected())


@kind
def clockwise_rings(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    for feature in city.features:
        feature["geometry"]["coordinates"][0].reverse()
    return Made(city.write(folder / "map.geojson"), Expected(("winding",)))


@kind
def crs84_member(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.members = crs_member("urn:ogc:def:crs:OGC:1.3:CRS84")
    return Made(city.write(folder / "map.geojson"), Expected(("crs",)))


@kind
def heights_and_a_byte_order_mark(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    for feature in city.features:
        for position in feature["geometry"]["coordinates"][0][:-1]:
            position.append(12.5)
        ring = feature["geometry"]["coordinates"][0]
        ring[-1] = list(ring[0])
    return Made(city.write(folder / "map.geojson", encoding="utf-8-sig"), Expected())


@kind
def cut_antimeridian(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance, lon=170)
    south = chance.uniform(-50, 50)
    parts = [[[[lon, south], [lon + 1, south], [lon + 1, south + 1], [lon, south + 1],
               [lon, south]]] for lon in (179, -180)]  # fmt: skip
    feature = grid("900", "9")
    feature["geometry"] = {"type": "MultiPolygon", "coordinates": parts}
    city.features.append(feature)
    return Made(city.write(folder / "map.geojson"), Expected())
