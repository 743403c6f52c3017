"""Sentences about polygons: a point is in the grids that shapely finds one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from eventlog.content_codec import encode_content
from eventlog.core.aggregates import Aggregates
from events import catalogue as e
from events.reference_data import GridMap
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile_loader import load_profile
from routing.core.decider import Routing
from routing.core.location import Point
from routing.core.reference import Reference
from routing.reference_store import ContentLibrary
from routing.spatial.locator import Codes, GridIndex, GridIndexes, Locator
from tests.harness.city import GRID_MAP, LIBRARY, digest, issue
from tests.harness.paths import ROOT

Floats = NDArray[np.float64]
Shapes = list[shapely.Geometry]

HOLE = shapely.Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], [[(3, 3), (3, 6), (6, 6), (6, 3)]])
ISLANDS = shapely.MultiPolygon(
    [shapely.box(0, 0, 1, 1), shapely.box(4, 4, 5, 7), shapely.box(1, 1, 2, 2)]
)
SLIVER = shapely.Polygon([(0, 0), (7, 5), (7, 5.000000001)])
BOW_TIE = shapely.Polygon([(0, 0), (5, 5), (5, 0), (0, 5)])
OVERLAP = shapely.MultiPolygon([shapely.box(0, 0, 4, 4), shapely.box(2, 2, 6, 6)])


def wedges(count: int) -> Shapes:
    """Polygons that all share one point."""
    angles = np.linspace(0, 2 * np.pi, count + 1)
    rim = np.column_stack((np.cos(angles), np.sin(angles))).tolist()
    return [shapely.Polygon([(0, 0), one, other]) for one, other in pairwise(rim)]


def squares(count: int) -> Shapes:
    return [shapely.box(x, y, x + 1, y + 1) for x in range(count) for y in range(count)]


def far_away(*shapes: shapely.Geometry) -> Shapes:
    """Move shapes away from zero, near which products of neighbouring numbers vanish."""
    return list(shapely.transform(shapes, lambda places: places + np.array((117, 36))))


def random_map(seed: int) -> Shapes:
    """Basic grids with common borders, dedicated ones in them, and others across them."""
    rng = np.random.default_rng(seed)
    outline = shapely.box(0, 0, 9, rng.uniform(1, 9))
    seeds = shapely.multipoints(rng.uniform(0, 9, (30, 2)))
    basic = shapely.intersection(
        shapely.get_parts(shapely.voronoi_polygons(seeds, extend_to=outline)), outline
    )
    radii = rng.uniform(0.001, 0.3, 20)
    dedicated = shapely.buffer(shapely.points(rng.uniform(0, 9, (20, 2))), radii, quad_segs=2)
    boxes = shapely.box(*rng.uniform(0, 4, (2, 5)), *rng.uniform(4, 9, (2, 5)))
    across = [HOLE, ISLANDS, SLIVER, *boxes]
    shapes = [shape for shape in (*basic, *dedicated, *across) if not shape.is_empty]
    scale, shift = 10.0 ** rng.uniform(-6, 1), rng.uniform(-100, 100, 2)
    return list(shapely.transform(shapes, lambda places: places * scale + shift))


MAPS: dict[str, Shapes] = {
    **{f"random {seed}": random_map(seed) for seed in range(8)},
    "one square": far_away(shapely.box(0, 0, 1, 1)),
    "one small square": far_away(shapely.box(0, 0, 1e-6, 1e-6)),
    "a hole": far_away(HOLE),
    "a hole that is filled": far_away(HOLE, shapely.box(3, 3, 6, 6)),
    "islands": far_away(ISLANDS),
    "a sliver": far_away(SLIVER),
    "squares": far_away(*squares(5)),
    "a dedicated grid at a common border": far_away(*squares(2), shapely.box(0.5, 0.5, 1.5, 1)),
    "two alike": far_away(HOLE, HOLE),
    "wedges": far_away(*wedges(50)),
    "one that crosses itself": far_away(BOW_TIE, shapely.box(1, 1, 2, 2)),
    "one that covers itself": far_away(OVERLAP, shapely.box(1, 1, 3, 3)),
    "an empty one": far_away(shapely.Polygon(), shapely.box(0, 0, 1, 1)),
}


def codes_of(shapes: Sequence[shapely.Geometry]) -> list[str]:
    return [f"{number:04}" for number in range(len(shapes))]


def one_by_one(shapes: Shapes, places: Floats) -> list[Codes]:
    """Ask shapely about each place and each shape, without any index."""
    named = list(zip(codes_of(shapes), shapes, strict=True))
    return [
        tuple(code for code, shape in named if shape.intersects(point))
        for point in shapely.points(places)
    ]


def hard_places(shapes: Shapes) -> Floats:
    """Places anywhere, on corners and on sides, each also moved by the least that floats allow."""
    rng = np.random.default_rng(0)
    bounds = shapely.total_bounds(shapes)
    low, high = bounds[:2], bounds[2:]
    corners = rng.permutation(shapely.get_coordinates(shapes))[:100].reshape(-1, 2)
    sides = (corners[1:] + corners[:-1]) / 2
    along = shapely.line_interpolate_point(
        shapely.boundary(shapes), rng.uniform(0, 1, (3, len(shapes))), normalized=True
    )
    around = rng.uniform(low - (high - low) / 9, high + (high - low) / 9, (400, 2))
    exact = np.concatenate((corners, sides, shapely.get_coordinates(along), bounds.reshape(2, 2)))
    moved = (np.nextafter(exact, exact + step) for step in ((1, 0), (-1, 1), (0, -1)))
    return np.concatenate((around, exact, *moved))


# ── A point is in the grids that shapely finds ───────────────────────────────────────────────────


@pytest.mark.parametrize("name", MAPS)
def test_a_point_is_in_the_grids_that_shapely_finds_one_by_one(name: str) -> None:
    shapes = MAPS[name]
    places = hard_places(shapes)
    assert GridIndex(shapes, codes_of(shapes)).grids_at(places) == one_by_one(shapes, places)


@pytest.mark.parametrize("name", ["random 0", "two alike", "wedges"])
def test_codes_come_in_ascending_order_whatever_the_order_of_the_map(name: str) -> None:
    shapes = MAPS[name]
    places = hard_places(shapes)
    index = GridIndex(shapes[::-1], codes_of(shapes)[::-1])
    assert index.grids_at(places) == one_by_one(shapes, places)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_the_size_of_a_batch_does_not_matter(size: int) -> None:
    shapes = MAPS["random 1"]
    index, places = GridIndex(shapes, codes_of(shapes)), hard_places(shapes)
    batches = [places[i : i + size] for i in range(0, len(places), size)]
    assert [codes for batch in batches for codes in index.grids_at(batch)] == (
        index.grids_at(places)
    )


@pytest.mark.parametrize(
    "place", [(np.nan, 0.5), (0.5, np.nan), (np.inf, 0.5), (0.5, -np.inf), (1e308, 1e308)]
)
def test_a_point_that_is_nowhere_is_in_no_grid(place: tuple[float, float]) -> None:
    index = GridIndex([shapely.box(0, 0, 1, 1)], ["0101"])
    assert index.grids_at([place, (0.5, 0.5)]) == [(), ("0101",)]


@pytest.mark.parametrize("shapes", [[], [shapely.Polygon()]])
def test_a_map_without_ground_contains_no_point(shapes: Shapes) -> None:
    assert GridIndex(shapes, codes_of(shapes)).grids_at([(0.5, 0.5)]) == [()]


def test_the_grids_of_a_real_city_with_all_of_its_dirt(data: Path) -> None:
    profile, _ = load_profile(ROOT / "profiles" / "boston311_2015.yaml")
    grids = check_map(data / "boston_geo" / "wgs84", profile.map).grids
    assert grids is not None
    shapes = [shapely.geometry.shape(grid.geometry) for grid in grids.grids]
    corners = np.random.default_rng(1).choice(shapely.get_coordinates(shapes), 300)
    west, south, east, north = shapely.total_bounds(shapes)
    inside = np.random.default_rng(0).uniform((west, south), (east, north), (300, 2))
    places = np.concatenate((corners, inside))
    assert GridIndex(shapes, codes_of(shapes)).grids_at(places) == one_by_one(shapes, places)


# ── Reports and their claims ─────────────────────────────────────────────────────────────────────


def test_each_point_of_a_report_is_requested_in_its_order() -> None:
    school, nowhere = (
        e.PlaceClaim(by="point", lat=lat, lon=lon) for lat, lon in ((0.5, 0.25), (9.0, 9.0))
    )
    routing = Routing("city", LIBRARY)
    view = Aggregates(routing)
    report = issue(school, e.PlaceClaim(by="grid", code="0101"), nowhere)
    assert routing.requests(report, view) == [Point(0.25, 0.5), Point(9.0, 9.0)]
    assert not routing.requests(issue(), view)
    assert not routing.requests(e.VisitMade(action="a1", issue="c", by="ann"), view)


def test_a_point_is_answered_with_all_grids_that_contain_it() -> None:
    points = [Point(0.5, 0.5), Point(9.0, 9.0), Point(1.0, 1.0)]
    assert Locator(GridIndexes(LIBRARY))(Reference(map_digest=digest(GRID_MAP)), points) == [
        ("0101", "SCHOOL"),
        (),
        ("0101", "0102", "0201"),
    ]


def test_without_a_map_no_point_is_in_a_grid() -> None:
    assert Locator(GridIndexes(LIBRARY))(Reference(), [Point(0.5, 0.5)]) == [()]


class CountingLibrary(ContentLibrary):
    """A library of equal maps of several districts. It counts how often any is compiled."""

    def __init__(self, count: int) -> None:
        maps = (replace(GRID_MAP, district=f"city-{number}") for number in range(count))
        super().__init__(dict(map(encode_content, maps)))
        self.compiled = 0

    def map(self, name: str) -> GridMap:
        self.compiled += 1
        return super().map(name)


def test_many_districts_with_maps_of_their_own_compile_each_once() -> None:
    library = CountingLibrary(20)
    indexes = GridIndexes(library)
    locators = {name: Locator(indexes) for name in library.contents}
    for _ in range(3):
        for name, locator in locators.items():
            assert locator(Reference(map_digest=name), [Point(9.0, 9.0)]) == [()]
    assert library.compiled == 20


def test_districts_with_one_map_compile_it_once() -> None:
    library = CountingLibrary(1)
    indexes = GridIndexes(library)
    (name,) = library.contents
    locators = [Locator(indexes) for _ in range(20)]
    for locator in locators:
        locator(Reference(map_digest=name), [Point(9.0, 9.0)])
    assert library.compiled == 1


def test_a_map_that_was_replaced_twice_leaves_memory() -> None:
    library = CountingLibrary(3)
    indexes = GridIndexes(library)
    locator = Locator(indexes)
    first, *others = library.contents
    for name in (first, *others):
        locator(Reference(map_digest=name), [Point(9.0, 9.0)])
    assert list(indexes._in_use) == others
