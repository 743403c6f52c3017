"""Sentences about polygons: an answer is shapely's own, whichever way it was found, and a raster is made only where it pays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from eventlog.core.row import Row
from events import catalogue as e
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile import load_profile
from routing.core.reference import Reference
from routing.spatial import locator as locate
from routing.spatial.locator import FEW, PAYS_AFTER, Codes, Frame, GridIndex, Locator
from tests.conftest import ROOT
from tests.harness.city import DAY, GRID_MAP, LIBRARY, digest, issue

Floats = NDArray[np.float64]
Shapes = list[shapely.Geometry]

HOLE = shapely.Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], [[(3, 3), (3, 6), (6, 6), (6, 3)]])
ISLANDS = shapely.MultiPolygon(
    [shapely.box(0, 0, 1, 1), shapely.box(4, 4, 5, 7), shapely.box(1, 1, 2, 2)]
)
SLIVER = shapely.Polygon([(0, 0), (7, 5), (7, 5.000000001)])
BOW_TIE = shapely.Polygon([(0, 0), (5, 5), (5, 0), (0, 5)])
TWICE = shapely.MultiPolygon([shapely.box(0, 0, 4, 4), shapely.box(2, 2, 6, 6)])


def wedges(count: int) -> Shapes:
    """Polygons that all share one point."""
    angles = np.linspace(0, 2 * np.pi, count + 1)
    rim = np.column_stack((np.cos(angles), np.sin(angles))).tolist()
    return [shapely.Polygon([(0, 0), one, other]) for one, other in pairwise(rim)]


def squares(count: int) -> Shapes:
    return [shapely.box(x, y, x + 1, y + 1) for x in range(count) for y in range(count)]


def far_away(*shapes: shapely.Geometry) -> Shapes:
    """Somewhere on the globe: near zero, the next number is so small that products of it vanish, in shapely too."""
    return list(shapely.transform(shapes, lambda places: places + np.array((117, 36))))


def random_map(seed: int) -> Shapes:
    """Basic grids with common borders, dedicated ones in them, and others across them, somewhere on the globe."""
    rng = np.random.default_rng(seed)
    outline = shapely.box(0, 0, 9, rng.uniform(1, 9))
    seeds = shapely.multipoints(rng.uniform(0, 9, (30, 2)))
    basic = shapely.intersection(
        shapely.get_parts(shapely.voronoi_polygons(seeds, extend_to=outline)), outline
    )
    dedicated = shapely.buffer(
        shapely.points(rng.uniform(0, 9, (20, 2))), rng.uniform(0.001, 0.3, 20), quad_segs=2
    )
    across = [
        HOLE,
        ISLANDS,
        SLIVER,
        *shapely.box(*rng.uniform(0, 4, (2, 5)), *rng.uniform(4, 9, (2, 5))),
    ]
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
    "one that covers itself": far_away(TWICE, shapely.box(1, 1, 3, 3)),
    "an empty one": far_away(shapely.Polygon(), shapely.box(0, 0, 1, 1)),
}
NO_RASTER: dict[str, Shapes] = {
    "nothing": [],
    "an empty one": [shapely.Polygon()],
    "too small for floating point": [shapely.box(117, 36, 117 + 1e-11, 37)],
    "as small as can be": [shapely.box(117, 36, np.nextafter(117, 118), np.nextafter(36, 37))],
    "flat": [shapely.Polygon([(0, 0), (1, 0), (2, 0)])],
    "a line": [shapely.LineString([(0, 0), (5, 5)]), shapely.box(0, 0, 1, 1)],
    "a point": [shapely.Point(2, 2), shapely.box(0, 0, 1, 1)],
}


def codes_of(shapes: Sequence[shapely.Geometry]) -> list[str]:
    return [f"{number:04}" for number in range(len(shapes))]


def one_by_one(shapes: Shapes, places: Floats) -> list[Codes]:
    """Shapely's own answer, for places of the shape (n, 2), without any index."""
    named = list(zip(codes_of(shapes), shapes, strict=True))
    return [
        tuple(code for code, shape in named if shape.intersects(point))
        for point in shapely.points(places)
    ]


def hard_places(shapes: Shapes, seed: int = 0) -> Floats:
    """Places anywhere, on corners, on sides, on the edges of cells, each also moved by as little as floating point allows."""
    rng = np.random.default_rng(seed)
    bounds = shapely.total_bounds(shapes)
    frame = Frame(bounds)
    low, high = frame.start.ravel(), (frame.start + frame.size * locate.SIDE).ravel()
    corners = rng.permutation(shapely.get_coordinates(shapes))[:100].reshape(-1, 2)
    sides = (corners[1:] + corners[:-1]) / 2
    along = shapely.line_interpolate_point(
        shapely.boundary(shapes), rng.uniform(0, 1, (3, len(shapes))), normalized=True
    )
    edges = (frame.start + frame.size * rng.integers(0, locate.SIDE + 1, (2, 100))).T
    mixed = np.column_stack((rng.choice(edges[:, 0], 100), rng.uniform(low[1], high[1], 100)))
    around = rng.uniform(low - (high - low) / 9, high + (high - low) / 9, (400, 2))
    exact = np.concatenate(
        (corners, sides, shapely.get_coordinates(along), edges, mixed, bounds.reshape(2, 2))
    )
    return np.concatenate(
        (around, exact, *(np.nextafter(exact, exact + step) for step in ((1, 0), (-1, 1), (0, -1))))
    )


def asked(index: GridIndex, places: Floats) -> list[Codes]:
    return index.containing(places[:, 0], places[:, 1])


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The raster is made for the first batch."""
    monkeypatch.setattr(locate, "PAYS_AFTER", FEW)


# ── The answers are shapely's ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("side", [8, 64, 1024, 4096])
@pytest.mark.parametrize("name", MAPS)
def test_the_answers_are_those_that_shapely_gives_one_by_one(
    name: str, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "SIDE", side)
    shapes = MAPS[name]
    index, places = GridIndex(shapes, codes_of(shapes)), hard_places(shapes)
    expected = one_by_one(shapes, places)
    assert asked(index, places) == expected
    assert index.raster is not None
    assert index.exactly(places) == expected


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("name", NO_RASTER)
def test_a_map_without_a_raster_is_asked_exactly(name: str) -> None:
    shapes = NO_RASTER[name]
    index, places = (
        GridIndex(shapes, codes_of(shapes)),
        np.random.default_rng(0).uniform(-1, 3, (200, 2)),
    )
    places[:100] = places[:100].round()
    assert asked(index, places) == one_by_one(shapes, places)
    assert index.raster is None


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("limit", ["MOST_MARKS", "MOST_REGIONS"])
def test_a_map_that_would_cost_too_much_has_no_raster(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, limit, 5)
    shapes = MAPS["squares"]
    index, places = GridIndex(shapes, codes_of(shapes)), hard_places(shapes)
    assert asked(index, places) == one_by_one(shapes, places)
    assert index.raster is None


@pytest.mark.usefixtures("at_once")
def test_where_every_cell_has_a_border_every_point_is_asked_exactly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locate, "SIDE", 16)
    shapes = squares(20)
    index, places = (
        GridIndex(shapes, codes_of(shapes)),
        np.random.default_rng(0).uniform(0, 20, (2_000, 2)),
    )
    assert asked(index, places) == one_by_one(shapes, places)
    assert index.raster is not None
    assert len(index.raster.containing(places)[1]) == len(places)


@pytest.mark.usefixtures("at_once")
def test_the_raster_alone_answers_far_from_borders() -> None:
    index, places = (
        GridIndex([HOLE], ["0101"]),
        np.array([[1.5, 1.5], [4.5, 4.5], [99, 4.5], [4.5, -99]] * FEW),
    )
    assert asked(index, places) == [("0101",), (), (), ()] * FEW
    assert index.raster is not None
    assert len(index.raster.containing(places)[1]) == 0


def test_marks_made_a_few_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = MAPS["random 0"]
    frame = Frame(shapely.total_bounds(shapes))
    sides = locate.sides_of(shapes, frame)
    marks = locate.marked(sides)
    monkeypatch.setattr(locate, "AT_ONCE", 100)
    assert np.array_equal(marks, locate.marked(sides))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "place", [(np.nan, 0.5), (0.5, np.nan), (np.inf, 0.5), (0.5, -np.inf), (1e308, 1e308)]
)
def test_a_point_that_is_nowhere_lies_in_no_grid(place: tuple[float, float]) -> None:
    index = GridIndex([shapely.box(0, 0, 1, 1)], ["0101"])
    assert asked(index, np.array([place] * FEW)) == index.exactly([place] * FEW) == [()] * FEW


@pytest.mark.parametrize("name", ["random 0", "two alike", "wedges"])
def test_codes_come_in_ascending_order_whatever_the_order_of_the_map(name: str) -> None:
    shapes = MAPS[name][::-1]
    index, places = GridIndex(shapes, codes_of(shapes)[::-1]), hard_places(shapes)
    assert asked(index, places) == one_by_one(shapes[::-1], places)


def test_a_real_map_with_all_of_its_dirt(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate, "PAYS_AFTER", 100_000)
    profile, _ = load_profile(ROOT / "profiles" / "boston311_2015.yaml")
    grids = check_map(data / "boston_geo" / "wgs84", profile.map).grids
    assert grids is not None
    shapes, codes = (
        [shapely.geometry.shape(grid.geometry) for grid in grids.grids],
        [grid.code for grid in grids.grids],
    )
    west, south, east, north = shapely.total_bounds(shapes)
    places = np.random.default_rng(0).uniform((west, south), (east, north), (100_000, 2))
    places[:20_000] = np.random.default_rng(1).choice(shapely.get_coordinates(shapes), 20_000)
    tree, index = shapely.STRtree(shapes), GridIndex(shapes, codes)
    found = asked(index, places)
    assert index.raster is not None
    for point, answer in zip(shapely.points(places), found, strict=True):
        assert answer == tuple(
            sorted(codes[i] for i in tree.query(point, predicate="intersects"))
        ), point


# ── The raster is made where it pays ─────────────────────────────────────────────────────────────────────────────────


def test_the_raster_is_made_once_so_many_points_were_asked_that_it_pays() -> None:
    index, places = (
        GridIndex(squares(2), codes_of(squares(2))),
        np.random.default_rng(0).uniform(-1, 3, (PAYS_AFTER, 2)),
    )
    before = asked(index, places[1:])
    assert index.raster is None
    assert asked(index, places[:FEW]) == index.exactly(places[:FEW])
    made = index.raster
    assert made is not None
    assert asked(index, places[1:]) == before
    assert index.raster is made


def test_one_large_batch_is_enough() -> None:
    index = GridIndex(squares(2), codes_of(squares(2)))
    asked(index, np.zeros((PAYS_AFTER, 2)))
    assert index.raster is not None


@pytest.mark.usefixtures("at_once")
def test_few_points_at_a_time_never_make_it_nor_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    index, places = (
        GridIndex(squares(2), codes_of(squares(2))),
        np.random.default_rng(0).uniform(-1, 3, (1_000, 2)),
    )
    one_each = [answer for i in range(1_000) for answer in asked(index, places[i : i + 1])]
    assert index.raster is None
    assert asked(index, places) == one_each
    monkeypatch.setattr(index, "raster", None)
    assert asked(index, places[: FEW - 1]) == one_each[: FEW - 1]


def test_no_points_have_no_answers() -> None:
    assert GridIndex(squares(2), codes_of(squares(2))).containing(np.array([]), np.array([])) == []


@pytest.mark.usefixtures("at_once")
def test_a_map_that_cannot_have_one_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    index, places = GridIndex([shapely.LineString([(0, 0), (5, 5)])], ["0101"]), np.ones((FEW, 2))
    assert asked(index, places) == [("0101",)] * FEW
    monkeypatch.delattr(locate, "rastered")
    assert asked(index, places) == [("0101",)] * FEW


# ── Rows in, answers out ─────────────────────────────────────────────────────────────────────────────────────────────


def row(position: int, event: e.Event) -> Row:
    return Row(
        "intake",
        "city",
        position,
        DAY,
        position,
        1,
        f"case {position}",
        1,
        f"intake/city/{position}",
        event,
    )


@pytest.mark.parametrize("times", [1, FEW])
def test_each_point_of_each_row_has_its_answer(times: int) -> None:
    school, nowhere, corner = (
        e.PlaceClaim(by="point", lat=lat, lon=lon)
        for lat, lon in ((0.5, 0.5), (9.0, 9.0), (1.0, 1.0))
    )
    events: list[e.Event] = [
        issue(school, e.PlaceClaim(by="grid", code="0101"), nowhere),
        issue(),
        e.VisitMade(action="a1", issue="c", by="ann"),
        issue(corner),
    ]
    answers = [(("0101", "SCHOOL"), ()), (), (), (("0101", "0102", "0201"),)]
    rows = [row(position, event) for position, event in enumerate(events * times, 1)]
    assert Locator(LIBRARY)(Reference(digest(GRID_MAP)), rows) == answers * times


def test_without_a_map_no_point_has_an_answer() -> None:
    assert Locator(LIBRARY)(
        Reference(), [row(1, issue(e.PlaceClaim(by="point", lat=0.5, lon=0.5)))]
    ) == [()]
