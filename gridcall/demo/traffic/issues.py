"""The content of issues: categories, urgencies and places by line. All shares are invented."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from gridcall.demo.licheng.grid_map import SOUTH_E7, UNIT_E7, WEST_E7, grid_boxes
from gridcall.demo.licheng.units import streets
from gridcall.demo.traffic.receipts import Post

CATEGORY_SHARES = {
    "grid": {
        "noise": 6, "rubbish": 12, "drainage": 5, "road": 7, "streetlight": 6, "tree": 4,
        "parking": 9, "dogs": 4, "neighbours": 8, "fire_lane": 7, "elderly": 6, "stalls": 7,
        "property": 3, "building": 2, "food": 1,
    },
    "hotline": {
        "noise": 10, "parking": 8, "property": 9, "water": 5, "power": 4, "gas": 2, "heating": 8,
        "rubbish": 5, "drainage": 4, "road": 4, "streetlight": 3, "dogs": 3, "advice": 8,
        "wages": 3, "schools": 2, "conduct": 1, "food": 3, "stalls": 3,
    },
    "sentiment": {
        "noise": 5, "rubbish": 4, "road": 5, "heating": 4, "property": 6, "schools": 5, "food": 4,
        "building": 3, "parking": 4, "conduct": 2, "wages": 2,
    },
    "petition": {
        "land": 6, "wages": 5, "building": 4, "property": 5, "schools": 2, "conduct": 2,
        "neighbours": 2, "advice": 1,
    },
}  # fmt: skip
# Per cent of normal, urgent and life.
URGENCY_SHARES = {
    "gas": (20, 40, 40),
    "fire_lane": (55, 35, 10),
    "water": (50, 45, 5),
    "power": (50, 45, 5),
    "tree": (60, 30, 10),
}
USUAL_URGENCY_SHARES = (84, 13, 3)
PLACE_SHARES = {"point": 62, "grid": 25, "street": 9, "nothing": 4}


def choose(chance: random.Random, shares: Mapping[str, int]) -> str:
    """Return one of the names, in proportion to their shares."""
    return chance.choices(list(shares), list(shares.values()))[0]


@cache
def grids_by_street() -> dict[str, list[str]]:
    """Return the codes of the grids of each street."""
    return {
        street.code: [code for code in all_grids() if code.startswith(street.code)]
        for street in streets()
    }


@cache
def all_grids() -> list[str]:
    """Return the codes of all grids in order."""
    return sorted(grid_boxes())


def point_in(grid: str, chance: random.Random) -> dict[str, float]:
    """Return a point within a grid of the schematic map."""
    x, y, width, height = grid_boxes()[grid]
    east, north = x + width * chance.uniform(0.05, 0.95), y + height * chance.uniform(0.05, 0.95)
    return {
        "lat": round((SOUTH_E7 + UNIT_E7[1] * north) / 1e7, 7),
        "lon": round((WEST_E7 + UNIT_E7[0] * east) / 1e7, 7),
    }


def place_in(grid: str, chance: random.Random) -> dict[str, Any] | None:
    """Return the place as a line knows it: a point, a grid, a street, or None."""
    match choose(chance, PLACE_SHARES):
        case "point":
            return {"point": point_in(grid, chance)}
        case "grid":
            return {"grid": grid}
        case "street":
            return {"street": grid[:9]}
    return None


def issue_content(category: str, grid: str, chance: random.Random) -> dict[str, Any]:
    """Return an issue without its reference."""
    shares = URGENCY_SHARES.get(category, USUAL_URGENCY_SHARES)
    content: dict[str, Any] = {
        "category": category,
        "urgency": chance.choices(("normal", "urgent", "life"), shares)[0],
    }
    if place := place_in(grid, chance):
        content["place"] = place
    return content


def break_issue(post: Post, chance: random.Random) -> Post:
    """Return an issue as a faulty program would send it.

    It has an unknown field, a point beside the Earth, no reference, or no end.
    """
    issue = json.loads(post.body)
    anonymous = {name: value for name, value in issue.items() if name != "reference"}
    beside_the_earth = {"point": {"lat": 361.2, "lon": 117.1}}
    reference, body = chance.choice((
        (post.reference, json.dumps({**issue, "priority": 1})),
        (post.reference, json.dumps({**issue, "place": beside_the_earth})),
        (None, json.dumps(anonymous)),
        (None, post.body[:-1]),
    ))  # fmt: skip
    return replace(post, reference=reference, body=body)
