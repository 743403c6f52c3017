"""Points → grids: gridcall's index beside shapely's STRtree, on a made-up district of 2,707 grids.

python benchmarks/locate.py

Each way is timed from degrees, as a batch of reports gives them, and the tree also with its points made beforehand. Ours ends
with a tuple of codes for each point, the tree with pairs of numbers. The ways take turns; a rate is the median of the rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import shapely
from numpy.typing import NDArray

from gridcall.simulation.feed import without_collecting
from routing.spatial.locator import PAYS_AFTER, SIDE, Codes, GridIndex, rastered

BASIC, DEDICATED, POINTS, SAMPLE, BATCH, ROUNDS = 1_209, 1_498, 1_000_000, 50_000, 500, 5
WEST, SOUTH, EAST, NORTH = 117.0, 36.6, 117.4, 37.0  # Degrees.
AT_ONCE, IN_BATCHES = "gridcall, 1,000,000 at once", "gridcall, batches of 500"
TREE_ONE, TREE_ONE_MADE = "STRtree, one by one", "STRtree, one by one, points made before"
TREE_BATCHES, TREE_BATCHES_MADE = (
    "STRtree, batches of 500",
    "STRtree, batches of 500, points made before",
)

Floats = NDArray[np.float64]


def random_places(rng: np.random.Generator, count: int) -> Floats:
    """Lons and lats, of the shape (2, count)."""
    return rng.uniform([[WEST], [SOUTH]], [[EAST], [NORTH]], (2, count))


def district() -> NDArray[np.object_]:
    """Basic grids that share their borders and fill the district, and small dedicated ones anywhere in them."""
    rng = np.random.default_rng(2707)
    outline = shapely.box(WEST, SOUTH, EAST, NORTH)
    seeds = shapely.multipoints(random_places(rng, BASIC).T)
    basic = shapely.intersection(
        shapely.get_parts(shapely.voronoi_polygons(seeds, extend_to=outline)), outline
    )
    radii = rng.uniform(0.0004, 0.0016, DEDICATED)  # Degrees: 40 to 160 m.
    dedicated = shapely.buffer(shapely.points(random_places(rng, DEDICATED).T), radii, quad_segs=3)
    return np.concatenate((basic, dedicated))


def batches(places: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    """Parts of BATCH along the last axis."""
    return (places[..., i : i + BATCH] for i in range(0, places.shape[-1], BATCH))


def ways(
    index: GridIndex, tree: shapely.STRtree, places: Floats
) -> dict[str, tuple[int, Callable[[], object]]]:
    """What is timed: a name → how many points it answers, and how."""
    few = places[:, :SAMPLE].T.tolist()
    made = shapely.points(places.T)

    def ask(points: object) -> object:
        return tree.query(points, predicate="intersects")

    return {
        AT_ONCE: (POINTS, lambda: index.containing(*places)),
        IN_BATCHES: (POINTS, lambda: [index.containing(*some) for some in batches(places)]),
        TREE_ONE: (SAMPLE, lambda: [ask(shapely.Point(place)) for place in few]),
        TREE_ONE_MADE: (SAMPLE, lambda: [ask(point) for point in made[:SAMPLE]]),
        TREE_BATCHES: (POINTS, lambda: [ask(shapely.points(some.T)) for some in batches(places)]),
        TREE_BATCHES_MADE: (POINTS, lambda: [ask(some) for some in batches(made)]),
    }


def seconds(run: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def rates(timed: dict[str, tuple[int, Callable[[], object]]]) -> dict[str, float]:
    """Points per second of each way: the median of rounds in which all take turns."""
    with without_collecting():
        rounds = [
            {name: count / seconds(run) for name, (count, run) in timed.items()}
            for _ in range(ROUNDS)
        ]
    return {name: statistics.median(one[name] for one in rounds) for name in timed}


def expected(tree: shapely.STRtree, codes: list[str], places: Floats) -> list[Codes]:
    """The tree's own answers."""
    found: list[Codes] = [()] * places.shape[1]
    for point, polygon in tree.query(shapely.points(places.T), predicate="intersects").T.tolist():
        found[point] = (*found[point], codes[polygon])
    return [tuple(sorted(answer)) for answer in found]


def main() -> None:
    """Print it."""
    polygons = district()
    codes = [f"{number:04}" for number in range(len(polygons))]
    index, tree = GridIndex(polygons, codes), shapely.STRtree(polygons)
    places = random_places(np.random.default_rng(1), POINTS)
    index.containing(*places[:, :PAYS_AFTER])
    assert index.raster is not None
    build = statistics.median(
        seconds(lambda: rastered(polygons, index.exactly)) for _ in range(ROUNDS)
    )
    print(
        f"{len(polygons):,} polygons, {shapely.get_num_coordinates(polygons).sum():,} corners; {POINTS:,} points"
    )
    print(
        f"raster: {SIDE} × {SIDE}, {index.raster.nbytes:,} bytes, made in {build:.3f} s; ", end=""
    )
    print(
        f"{len(index.raster.containing(places.T)[1]) / POINTS:.1%} of the points are asked exactly"
    )
    wanted = expected(tree, codes, places)
    answered = [answer for some in batches(places) for answer in index.containing(*some)]
    wrong = [
        sum(map(tuple.__ne__, wanted, answers)) for answers in (index.containing(*places), answered)
    ]
    print(f"mismatches: {wrong[0]} at once, {wrong[1]} in batches\n")
    del wanted, answered
    rate = rates(ways(index, tree, places))
    print(f"{'':44}{'points/s':>12}{'at once ×':>12}{'batches ×':>12}")
    for name, of in rate.items():
        print(f"{name:44}{of:12,.0f}{rate[AT_ONCE] / of:12.1f}{rate[IN_BATCHES] / of:12.1f}")
    for goal, beside in ((15, TREE_ONE_MADE), (4, TREE_BATCHES)):
        reached = [f"{rate[ours] / rate[beside]:.1f}" for ours in (AT_ONCE, IN_BATCHES)]
        print(f"goal: ≥ {goal} × {beside}: {reached[0]} at once, {reached[1]} in batches")


if __name__ == "__main__":
    main()
