"""Reference data in parts: what a version has, and what differs between two."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, assert_never

from events.plain import to_plain
from events.reference_data import AdmissionList, Content, Grid, GridMap, Names, Policies, Roster
from gridcall.simulation.city.map_geometry import geojson_area_m2

FOREVER = "for ever"
DIGITS = 12  # Of a digest, for people.

Parts = dict[str, str]  # What a part is, and its value.


def parts_of(content: Content) -> Parts:
    """Return the parts of a content, in its order."""
    match content:
        case GridMap():
            return {"name": content.name} | {
                f"grid {grid.code}": grid_text(grid) for grid in content.grids
            }
        case Roster():
            workers = {f"worker of {grid}": code for grid, code in content.workers.items()}
            return workers | {
                f"receiver of {each.unit}": f"officer {each.officer or '-'}, "
                f"deputy {each.deputy or '-'}"
                for each in content.receivers
            }
        case AdmissionList():
            return {f"category {row.category}": f"{row.level}: {row.rule}" for row in content.rows}
        case Policies():
            return policy_parts(content)
        case Names():
            return {"schematic": "yes" if content.schematic else "no"} | {
                f"name of {code} in {language}": text
                for code, texts in content.names.items()
                for language, text in texts.items()
            }
        case unreachable:
            assert_never(unreachable)


def policy_parts(policies: Policies) -> Parts:
    """Return the parts of policies."""
    within = policies.answer_within
    answer = FOREVER if within is None else str(timedelta(microseconds=within))
    return {"zone": policies.zone, "answer within": answer} | {
        f"limit {rule.line}/{rule.category}/{rule.urgency}": f"{rule.amount} {rule.unit}"
        for rule in policies.limits
    }


def grid_text(grid: Grid) -> str:
    """Return a grid in one line. A digest of its outline shows that it was redrawn."""
    kind = "dedicated" if grid.dedicated else "basic"
    outline = sha256(json.dumps(grid.geometry, sort_keys=True).encode()).hexdigest()[:DIGITS]
    area = geojson_area_m2(grid.geometry)
    return f"street {grid.street}, {kind}, {area:,.0f} m², outline {outline}"


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield a row for each part that was removed, added or changed, and for another order."""
    for part in old:
        if part not in new:
            yield difference(part, "removed", old[part], "")
        elif old[part] != new[part]:
            yield difference(part, "changed", old[part], new[part])
    for part in new:
        if part not in old:
            yield difference(part, "added", "", new[part])
    yield from order_difference(old, new)


def order_difference(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield a row if limits changed their order: the first that fits counts."""
    before = [part for part in old if part.startswith("limit ") and part in new]
    after = [part for part in new if part.startswith("limit ") and part in old]
    if before != after:
        yield difference("order of the limits", "changed", order_text(before), order_text(after))


def order_text(parts: Sequence[str]) -> str:
    """Return the limits in their order, as text."""
    return ", ".join(part.removeprefix("limit ") for part in parts)


def difference(part: str, change: str, before: str, after: str) -> dict[str, str]:
    """Return a row."""
    return {"part": part, "change": change, "before": before, "after": after}


def loadable(content: Content) -> Any:
    """Return a content as plain data that can be loaded again; a map as GeoJSON."""
    if not isinstance(content, GridMap):
        return to_plain(content)
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {
                    "code": grid.code,
                    "street": grid.street,
                    "kind": "dedicated" if grid.dedicated else "basic",
                },
                "geometry": grid.geometry,
            }
            for grid in content.grids
        ],
    }
