"""Which grids contain a point, border included: asked once per batch, outside the core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from eventlog.core.row import Row
from eventlog.core.stage import Answer
from events.catalogue import IssueReported
from routing.core.reference import Reference
from routing.reference_store import ContentLibrary

Codes = tuple[str, ...]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Places = Sequence[tuple[float, float]] | Floats
Polygons = Sequence[shapely.Geometry] | NDArray[np.object_]

FEW = 40  # Points: a smaller batch costs less without the raster.
PAYS_AFTER = 200_000  # Points in larger batches: what the raster then has saved is about what it costs to make.
SIDE = 4096  # Cells of the raster from west to east, and from south to north.
BITS = 3
BLOCK = 1 << BITS  # Cells of a block likewise.
MARGIN = 1e-6  # Cells: far more than rounding can move a place by, which is 1e-12.
MOST_MARKS = SIDE * SIDE // 4  # Of a map that is nothing but borders, a raster knows little.
MOST_REGIONS = 200_000  # One that asks so many places costs too much.
AT_ONCE = 250_000  # Cells marked at once: bounds the memory.
MARKED = -1  # The region of cells that a border touches.
UNKNOWN = 0  # What is known of such a cell.
POLYGONAL = {shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON}


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
        found = self._index(reference.map_digest).at([(lon, lat) for _, lon, lat in points])
        for (i, _, _), codes in zip(points, found, strict=True):
            answers[i] = (*answers[i], codes)
        return answers

    def _built(self, digest: str) -> GridIndex:
        grids = self._library.map(digest).grids
        return GridIndex(
            [shapely.geometry.shape(grid.geometry) for grid in grids], [grid.code for grid in grids]
        )


class GridIndex:
    """The polygons of a map, to be asked by many points at once. An STRtree knows every answer; a raster, made once so many
    points were asked that it pays, repeats the tree's answers wherever they cannot differ within a cell.
    """

    def __init__(self, polygons: Polygons, codes: Sequence[str]) -> None:
        self.raster: Raster | None = None
        self._polygons = polygons
        self._tree = shapely.STRtree(polygons)
        self._alone = [(code,) for code in codes]
        self._asked = 0

    def containing(self, lons: Floats, lats: Floats) -> list[Codes]:
        """For each point the codes of all grids that contain it, border included, in ascending order.

        `lons`, `lats`: degrees, each of the shape (points,). A point that is not finite lies in no grid.
        """
        return self.at(np.array((lons, lats)).T)

    def at(self, places: Places) -> list[Codes]:
        """The same for places of the shape (points, 2): lon and lat of each."""
        count = len(places)
        if count < FEW:
            return self.exactly(places)
        if self._asked < PAYS_AFTER <= self._asked + count:
            self.raster = rastered(self._polygons, self.exactly)
        self._asked += count
        return (
            self._mostly_from(self.raster, np.asarray(places))
            if self.raster
            else self.exactly(places)
        )

    def exactly(self, places: Places) -> list[Codes]:
        """The same without the raster."""
        found: list[Codes] = [()] * len(places)
        points, polygons = self._tree.query(shapely.points(places), predicate="intersects").tolist()
        for point, polygon in zip(points, polygons, strict=True):
            codes = self._alone[
                polygon
            ]  # Shared: a tuple for each point would keep the garbage collector busy.
            found[point] = tuple(sorted(found[point] + codes)) if found[point] else codes
        return found

    def _mostly_from(self, raster: Raster, places: Floats) -> list[Codes]:
        found, unknown = raster.containing(places)
        for i, codes in zip(unknown.tolist(), self.exactly(places[unknown]), strict=True):
            found[i] = codes
        return found


# ── The raster ───────────────────────────────────────────────────────────────────────────────────────────────────────
#
# Where no border runs, the answer cannot change. So every cell that a border touches, or comes nearer to than MARGIN, is
# marked, and one place is asked in each region of unmarked cells. Rounding may put a place into the cell beside its own, but
# moves it by less than MARGIN: no border lies between. What lies in a marked cell is asked exactly.


class Frame:
    """SIDE × SIDE cells over a map's bounds (west, south, east, north); one and a half of them lie outside on each edge."""

    def __init__(self, bounds: Floats) -> None:
        low, high = bounds.reshape(2, 2, 1)
        self.size = (high - low) / (SIDE - 3)  # Degrees, west to east and south to north.
        self.start = low - 1.5 * self.size
        self._first, self._last = self.centres(0), self.centres(SIDE - 1)

    def centres(self, cells: Any) -> Floats:
        """The middles (2, n), in degrees, of cells given by column and row (2, n)."""
        return np.asarray(self.start + (cells + 0.5) * self.size)

    def positions(self, places: Floats) -> Floats:
        """Where places (2, n) lie, counted in cells."""
        return (places - self.start) / self.size

    def cells(self, places: Floats) -> Integers:
        """Column and row of each place (2, n). Whatever lies beyond the outermost cells, and NaN, lies in one of them."""
        within = np.fmin(np.fmax(places, self._first), self._last)
        return self.positions(within).astype(np.int64)

    def is_fine(self) -> bool:
        """Whether floating point tells the cells apart: not so if the bounds are empty, 1e-10 degrees wide, or infinite."""
        cells = np.tile(np.arange(SIDE), (2, 1))
        return bool(np.all((self.size > 0) & (self.size < np.inf))) and np.array_equal(
            self.cells(self.centres(cells)), cells
        )


class Raster:
    """What is known of each cell: which of `answers` holds everywhere in it, or UNKNOWN.

    Blocks of BLOCK × BLOCK cells, row by row from the south, each have a page of `pages`, which starts where `blocks` says.
    Blocks without a border share the page of their answer: memory grows with the length of the borders.
    """

    def __init__(
        self, frame: Frame, blocks: NDArray[np.int32], pages: NDArray[Any], answers: NDArray[Any]
    ) -> None:
        self.nbytes = blocks.nbytes + pages.nbytes
        self._frame = frame
        self._blocks = blocks
        self._pages = pages
        self._answers = answers

    def containing(self, places: Floats) -> tuple[list[Codes], Integers]:
        """The codes for each of the places (n, 2), and which of the places must be asked exactly."""
        cells = self._frame.cells(np.ascontiguousarray(places.T))  # Numpy is slow on rows of two.
        (column, row), (x, y) = cells >> BITS, cells & (BLOCK - 1)  # Of the block, and in it.
        known = self._pages.take(
            self._blocks.take(row * (SIDE // BLOCK) + column) + (y * BLOCK + x)
        )
        return self._answers.take(known).tolist(), (known == UNKNOWN).nonzero()[0]


def rastered(polygons: Polygons, asked: Callable[[Floats], list[Codes]]) -> Raster | None:
    """A raster that repeats what `asked` answers for places (n, 2); None for a map where it cannot be exact or does not pay."""
    kinds = set(shapely.get_type_id(polygons).tolist())
    if (
        not kinds
        or kinds - POLYGONAL
        or not (frame := Frame(shapely.total_bounds(polygons))).is_fine()
    ):
        return None
    sides = sides_of(polygons, frame)
    if cells_along(sides).sum() > MOST_MARKS:
        return None
    starts, region = regions_of(marked(sides))
    roots, region = np.unique(region, return_inverse=True)  # The first is MARKED.
    if len(roots) > MOST_REGIONS:
        return None
    row, column = np.divmod(starts[roots[1:]], SIDE)
    number: dict[Codes, int] = {}
    known = [
        number.setdefault(codes, len(number) + 1)
        for codes in asked(frame.centres(np.array((column, row))).T)
    ]
    known_of = np.array([UNKNOWN, *known], np.min_scalar_type(len(number)))
    cells = np.repeat(known_of[region], np.diff(starts, append=SIDE * SIDE))
    return Raster(
        frame,
        *paged(cells, len(number) + 1),
        np.fromiter([(), *number], dtype=object, count=len(number) + 1),
    )


def paged(cells: NDArray[Any], count: int) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Where the page of each block starts, and the pages: one for each of `count` numbers, then those of mixed blocks."""
    square = cells.reshape(SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK).swapaxes(1, 2)
    corners = square[:, :, 0, 0]
    mixed = (square != corners[:, :, None, None]).any(axis=(2, 3))
    page = corners.astype(np.int32)
    page[mixed] = count + np.arange(np.count_nonzero(mixed))
    same = np.repeat(np.arange(count, dtype=cells.dtype), BLOCK * BLOCK)
    return page.ravel() * BLOCK * BLOCK, np.concatenate((same, square[mixed].ravel()))


def sides_of(polygons: Polygons, frame: Frame) -> Floats:
    """All sides of all polygons: x, y, x, y counted in cells, of the shape (4, sides)."""
    degrees, ring = shapely.get_coordinates(
        shapely.get_rings(shapely.get_parts(polygons)), return_index=True
    )
    corners = frame.positions(degrees.T)
    return np.asarray(np.concatenate((corners[:, :-1], corners[:, 1:]))[:, ring[1:] == ring[:-1]])


def cells_along(sides: Floats) -> Floats:
    """About how many cells each side touches."""
    x0, y0, x1, y1 = sides
    return np.asarray(np.abs(x1 - x0) + 2 * np.abs(y1 - y0) + 1)


def marked(sides: Floats) -> Flags:
    """For each cell, row by row, whether a side touches it."""
    part = cells_along(sides).cumsum() // AT_ONCE
    marks = np.zeros(SIDE * SIDE, np.bool_)
    for some in np.split(sides, np.flatnonzero(np.diff(part)) + 1, axis=1):
        marks[touched(some)] = True
    return marks


def touched(sides: Floats) -> Integers:
    """The cells, one number each, that come within MARGIN of the sides (4, n).

    Of each side, the part that lies in a row (and MARGIN above and below it) touches the columns from its one end to its other.
    """
    x0, y0, x1, y1 = np.where(sides[1] <= sides[3], sides, sides[[2, 3, 0, 1]])
    lowest = np.floor(y0 - MARGIN).astype(np.int64)
    side, nth = repeated(np.floor(y1 + MARGIN).astype(np.int64) - lowest + 1)
    row = lowest[side] + nth
    height = np.maximum(y1 - y0, 1e-300)[
        side
    ]  # A level side enters its rows before its start and leaves them after its end.
    enters = np.clip((row - MARGIN - y0[side]) / height, 0, 1)
    leaves = np.clip((row + 1 + MARGIN - y0[side]) / height, 0, 1)
    ends = x0[side] + (x1 - x0)[side] * np.array((enters, leaves))
    west, east = np.sort(ends, axis=0)
    first = np.floor(west - MARGIN).astype(np.int64)
    part, nth = repeated(np.floor(east + MARGIN).astype(np.int64) - first + 1)
    return np.asarray((row * SIDE + first)[part] + nth)


def repeated(counts: Integers) -> tuple[Integers, Integers]:
    """0, 1, 2, …, each as often as `counts` says, and how often it was there before: 2, 3 → 0, 0, 1, 1, 1 and 0, 1, 0, 1, 2."""
    each = np.repeat(np.arange(len(counts)), counts)
    return each, np.arange(len(each)) - (np.cumsum(counts) - counts)[each]


def regions_of(marks: Flags) -> tuple[Integers, Integers]:
    """Where each run of like cells starts, and its region: an earlier run from which unmarked cells lead to it; or MARKED.

    One region may come as several, never several as one. A run goes on in the next row, for both ends of a row lie outside.
    """
    starts = np.flatnonzero(np.diff(marks, prepend=True))
    free = starts[~marks[starts]]
    cells = np.concatenate(
        (free[free >= SIDE], free[free < SIDE * (SIDE - 1)] + SIDE)
    )  # Where a run and one above may meet.
    meet = cells[~(marks[cells] | marks[cells - SIDE])]
    region = np.arange(len(starts))
    region[np.searchsorted(starts, meet, "right") - 1] = (
        np.searchsorted(starts, meet - SIDE, "right") - 1
    )
    while not np.array_equal(region, further := region[region]):
        region = further
    return starts, np.where(marks[starts], MARKED, region)
