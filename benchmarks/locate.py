"""Points to grids: routing's index beside shapely's STRtree alone, on a district of 2,707 grids.

python -m benchmarks.locate

Each way starts from degrees, as a batch of reports gives them. Ours ends with a tuple of codes for
each point, the tree with pairs of numbers. The ways take turns; a rate is the median of the rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import shapely
from numpy.typing import NDArray

from benchmarks.report import Line, print_lines
from gridcall.simulation.feed import without_collecting
from routing.spatial.locator import Codes, GridIndex

BASIC, DEDICATED, POINTS, BATCH, ROUNDS = 1_209, 1_498, 200_000, 500, 5
WEST, SOUTH, EAST, NORTH = 117.0, 36.6, 117.4, 37.0  # Degrees.
GRIDCALL, TREE = "gridcall", "STRtree"
GOAL = 0.7

Floats = NDArray[np.float64]
Ways = dict[str, Callable[[], object]]


def random_places(rng: np.random.Generator, count: int) -> Floats:
    """Return longitudes and latitudes, of the shape (count, 2)."""
    return rng.uniform((WEST, SOUTH), (EAST, NORTH), (count, 2))


def make_district() -> NDArray[np.object_]:
    """Return basic grids that fill the district, and small dedicated ones anywhere in them."""
    rng = np.random.default_rng(2707)
    outline = shapely.box(WEST, SOUTH, EAST, NORTH)
    seeds = shapely.multipoints(random_places(rng, BASIC))
    basic = shapely.intersection(
        shapely.get_parts(shapely.voronoi_polygons(seeds, extend_to=outline)), outline
    )
    radii = rng.uniform(0.0004, 0.0016, DEDICATED)  # Degrees: 40 to 160 m.
    dedicated = shapely.buffer(shapely.points(random_places(rng, DEDICATED)), radii, quad_segs=3)
    return np.concatenate((basic, dedicated))


def batches(places: Floats) -> Iterator[Floats]:
    """Yield parts of BATCH places."""
    return (places[i : i + BATCH] for i in range(0, len(places), BATCH))


def ways(index: GridIndex, tree: shapely.STRtree, places: Floats) -> Ways:
    """Return the calls that are timed, each of which answers all places in batches."""

    def query(points: object) -> object:
        return tree.query(points, predicate="intersects")

    return {
        GRIDCALL: lambda: [index.grids_at(some) for some in batches(places)],
        TREE: lambda: [query(shapely.points(some)) for some in batches(places)],
    }


def seconds(run: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def rates(timed: Ways) -> dict[str, float]:
    """Return the points per second of each way: the median of rounds in which all take turns."""
    with without_collecting():
        rounds = [
            {name: POINTS / seconds(run) for name, run in timed.items()} for _ in range(ROUNDS)
        ]
    return {name: statistics.median(one[name] for one in rounds) for name in timed}


def expected_codes(tree: shapely.STRtree, codes: list[str], places: Floats) -> list[Codes]:
    """Return the answers of the tree itself."""
    answers: list[Codes] = [()] * len(places)
    for point, polygon in tree.query(shapely.points(places), predicate="intersects").T.tolist():
        answers[point] = (*answers[point], codes[polygon])
    return [tuple(sorted(answer)) for answer in answers]


def main() -> None:
    """Print mismatches, rates and goals."""
    polygons = make_district()
    codes = [f"{number:04}" for number in range(len(polygons))]
    index, tree = GridIndex(polygons, codes), shapely.STRtree(polygons)
    places = random_places(np.random.default_rng(1), POINTS)
    corners = shapely.get_num_coordinates(polygons).sum()
    print(f"{len(polygons):,} polygons, {corners:,} corners; {POINTS:,} points")
    answers = [answer for some in batches(places) for answer in index.grids_at(some)]
    print(f"mismatches: {sum(map(tuple.__ne__, expected_codes(tree, codes, places), answers))}\n")
    rate = rates(ways(index, tree, places))
    name = f"points/s in batches of {BATCH}, and shapely's STRtree"
    print_lines([Line(name, rate[GRIDCALL], rate[TREE], GOAL)])


if __name__ == "__main__":
    main()
