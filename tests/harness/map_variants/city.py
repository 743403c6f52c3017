"""A made-up city, and what is expected of a variant of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

ANY = float("inf")

Feature = dict[str, Any]


@dataclass
class City:
    """A made-up city: grids as GeoJSON features that tile a rectangle. `lon` and `lat` are its
    lower left corner.
    """

    chance: random.Random
    lon: float
    lat: float
    features: list[Feature] = field(default_factory=list)
    members: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def make(
        cls, chance: random.Random, lon: float | None = None, lat: float | None = None
    ) -> City:
        """Return a city of 4 to 20 grids, anywhere between 60° S and 65° N."""
        city = cls(
            chance,
            chance.uniform(-179, 178) if lon is None else lon,
            chance.uniform(-60, 65) if lat is None else lat,
        )
        columns, rows = chance.randint(2, 5), chance.randint(2, 4)
        corners = {(x, y): city.corner(x, y) for x in range(columns + 1) for y in range(rows + 1)}
        for x in range(columns):
            for y in range(rows):
                ring = [corners[x + dx, y + dy] for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]
                city.features.append(grid(str(16 + x * rows + y), str(1 + y), [*ring, ring[0]]))
        return city

    def corner(self, x: int, y: int) -> list[float]:
        """Return a corner that several grids share, not quite on its lattice."""
        shift = self.chance.uniform
        return [
            round(self.lon + 0.01 * x + shift(-0.002, 0.002), 7),
            round(self.lat + 0.01 * y + shift(-0.002, 0.002), 7),
        ]

    def any_feature(self) -> Feature:
        return self.chance.choice(self.features)

    def move(self, change: Callable[[float, float], tuple[float, float]]) -> None:
        """Change all positions of the city."""
        for feature in self.features:
            rings = feature["geometry"]["coordinates"]
            feature["geometry"]["coordinates"] = [
                [list(change(*position[:2])) for position in ring] for ring in rings
            ]

    def document(self) -> dict[str, Any]:
        return {"type": "FeatureCollection", "features": self.features, **self.members}

    def write(self, path: Path, document: Any = None, encoding: str = "utf-8") -> Path:
        text = json.dumps(document or self.document(), ensure_ascii=False)
        path.write_text(text, encoding=encoding)
        return path


def grid(code: Any, street: Any, *rings: Any) -> Feature:
    """Return a feature."""
    return {
        "type": "Feature",
        "properties": {"code": code, "street": street, "name": f"Grid {code}"},
        "geometry": {"type": "Polygon", "coordinates": list(rings)},
    }


class Expected(NamedTuple):
    """The right result of a variant: the kinds that `map check` names, and what `map mend` does.

    Without `refusal` the mended map is usable, and `lost` grids are left out. With it, the reason
    contains these words.
    """

    named: tuple[str, ...] = ()
    refusal: str = ""
    lost: int = 0


class Made(NamedTuple):
    """A variant: its file, what is right, and the options of `map mend`."""

    path: Path
    expected: Expected
    crs: str | None = None
    encoding: str | None = None
    layer: str | None = None


Maker = Callable[[random.Random, Path], Made]
KINDS: dict[str, Maker] = {}


def kind(make: Maker) -> Maker:
    """Enter a kind of variant under the name of its function."""
    KINDS[make.__name__.replace("_", " ")] = make
    return make
