"""Which grids contain a point, border included: asked once per batch, outside the core."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import shapely

from events.catalogue import IssueReported
from events.row import Row
from events.stage import Answer
from routing.library import ContentLibrary
from routing.reference import Reference


class Locator:
    """Answers for a batch of intake's rows: for each row, for each of its point claims, the codes of the grids there."""

    def __init__(self, library: ContentLibrary) -> None:
        self._library = library
        self._index = lru_cache(maxsize=2)(self._built)

    def __call__(self, reference: Reference, rows: Sequence[Row]) -> Sequence[Answer]:
        points = [
            (i, claim.lon, claim.lat)
            for i, row in enumerate(rows)
            if isinstance(row.event, IssueReported)
            for claim in row.event.claims
            if claim.by == "point" and claim.lat is not None and claim.lon is not None
        ]
        answers: list[Answer] = [()] * len(rows)
        if not points or not reference.map_digest:
            return answers
        places = shapely.points([(lon, lat) for _, lon, lat in points])
        for (i, _, _), codes in zip(points, self._containing(reference.map_digest, places), strict=True):
            answers[i] = (*answers[i], codes)
        return answers

    def _containing(self, digest: str, places: Sequence[shapely.Point]) -> list[tuple[str, ...]]:
        tree, codes = self._index(digest)
        found: list[tuple[str, ...]] = [()] * len(places)
        for point, polygon in tree.query(places, predicate="intersects").T.tolist():
            found[point] = (*found[point], codes[polygon])
        return found

    def _built(self, digest: str) -> tuple[shapely.STRtree, list[str]]:
        grids = self._library.map(digest).grids
        polygons = [shapely.geometry.shape(grid.geometry) for grid in grids]
        shapely.prepare(polygons)
        return shapely.STRtree(polygons), [grid.code for grid in grids]
