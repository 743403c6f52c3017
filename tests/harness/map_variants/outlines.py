"""Maps whose outlines are wrong."""

from __future__ import annotations

import random
from pathlib import Path

from tests.harness.map_variants.city import City, Expected, Made, grid, kind


@kind
def crossing_ring(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    ring = city.any_feature()["geometry"]["coordinates"][0]
    ring[1], ring[2] = ring[2], ring[1]
    return Made(city.write(folder / "map.geojson"), Expected(("self_crossing",)))


@kind
def spike(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    ring = city.any_feature()["geometry"]["coordinates"][0]
    tip = [ring[0][0] - 0.03, ring[0][1] - 0.03]
    ring[1:1] = [tip, list(ring[0])]
    return Made(city.write(folder / "map.geojson"), Expected(("self_crossing",)))


@kind
def open_ring(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.any_feature()["geometry"]["coordinates"][0].pop()
    return Made(city.write(folder / "map.geojson"), Expected(("open_ring",)))


@kind
def part_written_as_a_hole(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    far = [[x + 2 * 0.3, y] for x, y in city.features[0]["geometry"]["coordinates"][0]]
    city.features[0]["geometry"]["coordinates"].append(far[::-1])
    return Made(city.write(folder / "map.geojson"), Expected(("self_crossing",)))


@kind
def parts_that_overlap(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    feature = city.any_feature()
    ring = feature["geometry"]["coordinates"][0]
    moved = [[x + 0.001, y + 0.001] for x, y in ring]
    feature["geometry"] = {"type": "MultiPolygon", "coordinates": [[ring], [moved]]}
    return Made(city.write(folder / "map.geojson"), Expected(("self_crossing",)))


@kind
def outline_without_area(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    ring = city.features[0]["geometry"]["coordinates"][0]
    city.features[0]["geometry"]["coordinates"] = [[ring[0], ring[1], ring[0], ring[0]]]
    return Made(city.write(folder / "map.geojson"), Expected(("self_crossing",), lost=1))


@kind
def geometry_collection(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    feature = city.any_feature()
    point = {"type": "Point", "coordinates": feature["geometry"]["coordinates"][0][0]}
    feature["geometry"] = {
        "type": "GeometryCollection", "geometries": [feature["geometry"], point],
    }  # fmt: skip
    return Made(city.write(folder / "map.geojson"), Expected(("feature",)))


@kind
def null_geometry(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.any_feature()["geometry"] = None
    return Made(city.write(folder / "map.geojson"), Expected(("no_geometry",), lost=1))


@kind
def point_among_polygons(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    feature = city.any_feature()
    place = feature["geometry"]["coordinates"][0][0]
    feature["geometry"] = {"type": "Point", "coordinates": place}
    return Made(city.write(folder / "map.geojson"), Expected(("feature",), lost=1))


@kind
def uncut_antimeridian(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance, lon=170)
    south = chance.uniform(-50, 50)
    ring = [[179, south], [-179, south], [-179, south + 2], [179, south + 2], [179, south]]
    city.features.append(grid("900", "9", ring))
    named = Expected(("antimeridian",), "cut it at 180°")
    return Made(city.write(folder / "map.geojson"), named)


@kind
def uncut_antimeridian_beyond_180(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance, lon=179.985)
    named = Expected(("degrees",), "cut it at 180°")
    return Made(city.write(folder / "map.geojson"), named)


@kind
def longitudes_from_180_to_360(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance, lon=chance.uniform(190, 350))
    return Made(city.write(folder / "map.geojson"), Expected(("degrees",)))
