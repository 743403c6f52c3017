"""Maps whose codes are wrong."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.harness.map_variants.city import City, Expected, Made, grid, kind


@kind
def split_into_two_features(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    one = city.any_feature()
    a, b, c, d, _ = one["geometry"]["coordinates"][0]
    one["geometry"]["coordinates"] = [[a, b, c, a]]
    other = grid(one["properties"]["code"], one["properties"]["street"], [a, c, d, a])
    city.features.append(other)
    return Made(city.write(folder / "map.geojson"), Expected(("double_code",)))


@kind
def feature_twice(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.features.append(json.loads(json.dumps(city.any_feature())))
    return Made(city.write(folder / "map.geojson"), Expected(("double_code",)))


@kind
def code_in_two_streets(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.features[1]["properties"]["code"] = city.features[0]["properties"]["code"]
    city.features[1]["properties"]["street"] = "another"
    named = Expected(("double_code",), "name the streets")
    return Made(city.write(folder / "map.geojson"), named)


@kind
def codes_with_a_point(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    for feature in city.features:
        feature["properties"]["code"] = float(feature["properties"]["code"])
        feature["properties"]["street"] = float(feature["properties"]["street"])
    return Made(city.write(folder / "map.geojson"), Expected(("feature",)))


@kind
def codes_as_text_with_a_point(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    for feature in city.features:
        feature["properties"]["code"] += ".0"
    return Made(city.write(folder / "map.geojson"), Expected())


@kind
def code_is_null(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    city.any_feature()["properties"]["code"] = None
    return Made(city.write(folder / "map.geojson"), Expected(("code",), "it has no code"))


@kind
def property_of_another_name(chance: random.Random, folder: Path) -> Made:
    city = City.make(chance)
    for feature in city.features:
        feature["properties"]["Code"] = feature["properties"].pop("code")
    named = Expected(("feature",), "did you mean 'Code'?")
    return Made(city.write(folder / "map.geojson"), named)
