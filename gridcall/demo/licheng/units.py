"""The streets and communities of the district, and the number of grids of each community."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import accumulate, islice, pairwise
from typing import NamedTuple

CODE = "370112"
ZONE = "Asia/Shanghai"
BASIC, DEDICATED = 1209, 1498


class Unit(NamedTuple):
    """A street (code of 9 digits) or a community (12 digits) of the statistics office.

    `english` is the name in pinyin, without the words for street, community and village.
    """

    code: str
    name: str
    english: str

    @property
    def street(self) -> str:
        return self.code[:9]

    @property
    def is_urban(self) -> bool:
        """True for an urban community (居民委员会), False for a village (村民委员会)."""
        return self.name.endswith("居民委员会")


@cache
def units() -> tuple[Unit, ...]:
    """Return all streets and communities, in the order of their codes."""
    text = files(__package__).joinpath("licheng.csv").read_text(encoding="utf-8")
    return tuple(Unit(*row) for row in islice(csv.reader(text.splitlines()), 1, None))


def streets() -> list[Unit]:
    """Return the streets, in the order of their codes."""
    return [unit for unit in units() if len(unit.code) == 9]


def communities() -> list[Unit]:
    """Return the communities, in the order of their codes."""
    return [unit for unit in units() if len(unit.code) == 12]


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """Return whole shares of a total in proportion to weights. Remainders are spread evenly."""
    whole = sum(weights)
    ends = (total * weight // whole for weight in accumulate(weights, initial=0))
    return [end - start for start, end in pairwise(ends)]


@cache
def grids_of_communities() -> dict[str, tuple[int, int]]:
    """Return the number of basic and dedicated grids of each community.

    Each has a basic grid at least. Urban ones have several times as many as villages.
    """
    communities_ = communities()
    basic = spread(BASIC - len(communities_), [4 if unit.is_urban else 1 for unit in communities_])
    dedicated = spread(DEDICATED, [3 if unit.is_urban else 1 for unit in communities_])
    return {
        unit.code: (1 + further, inside)
        for unit, further, inside in zip(communities_, basic, dedicated, strict=True)
    }
