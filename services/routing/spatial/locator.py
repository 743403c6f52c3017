"""Points to grids: the look-up of routing, made once per batch, outside the core."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import shapely
from numpy.typing import NDArray

from routing.core.location import Point
from routing.core.reference import Reference
from routing.reference_store import ContentLibrary

Codes = tuple[str, ...]
Places = Sequence[tuple[float, float]] | NDArray[np.float64]


class GridIndexes:
    """The indexes of the maps in use. Districts with one map share its index."""

    def __init__(self, library: ContentLibrary) -> None:
        self._library = library
        self._in_use: WeakValueDictionary[str, GridIndex] = WeakValueDictionary()

    def index(self, digest: str) -> GridIndex:
        """Return the index of a map, which stays for as long as its caller holds it."""
        index = self._in_use.get(digest)
        if index is None:
            index = self._in_use[digest] = self._build(digest)
        return index

    def _build(self, digest: str) -> GridIndex:
        grids = self._library.map(digest).grids
        polygons = [shapely.geometry.shape(grid.geometry) for grid in grids]
        return GridIndex(polygons, [grid.code for grid in grids])


class Locator:
    """Answers for each requested point of a district with the codes of the grids there.

    It holds the indexes of two maps: the one in force, and the one before or after it.
    """

    def __init__(self, indexes: GridIndexes) -> None:
        self._index = lru_cache(maxsize=2)(indexes.index)

    def __call__(self, reference: Reference, points: Sequence[Point]) -> Sequence[Codes]:
        if not points or not reference.map_digest:
            return [()] * len(points)
        return self._index(reference.map_digest).grids_at(points)


class GridIndex:
    """The polygons of a map in an STRtree. `polygons` and `codes` have the same order."""

    def __init__(self, polygons: Any, codes: Sequence[str]) -> None:
        self._tree = shapely.STRtree(polygons)
        self._single = [(code,) for code in codes]

    def grids_at(self, places: Places) -> list[Codes]:
        """Return for each place the codes of all grids that contain it, border included, in order.

        `places` have the shape (n, 2): longitude and latitude in degrees. A place that is not
        finite is in no grid.
        """
        grids: list[Codes] = [()] * len(places)
        pairs = self._tree.query(shapely.points(places), predicate="intersects").tolist()
        for place, polygon in zip(*pairs, strict=True):
            codes = self._single[polygon]  # Shared, because a tuple per point busies the collector.
            grids[place] = tuple(sorted(grids[place] + codes)) if grids[place] else codes
        return grids
