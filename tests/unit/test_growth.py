"""Curves of growth: their figures, their goals, and a fault of one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.growth.__main__ import Growth, measure_all, to_document
from benchmarks.growth.curve import Curve, Goal, Measure, Size, growth_ratio, last_value, slope
from benchmarks.growth.curves import CURVES
from benchmarks.report import Line

POINTS = {1: {"cost": 2.0}, 10: {"cost": 3.0}, 101: {"cost": 7.0}}


def make_curve(name: str, measure: Measure) -> Curve:
    @contextmanager
    def open_() -> Iterator[Measure]:
        yield measure

    return Curve(
        name=name,
        title="Cost",
        x="districts",
        y="µs",
        amounts={Size.QUICK: (1, 2), Size.FULL: (100, 1, 10), Size.LONG: (1, 1000)},
        open=open_,
        goals=(Goal("cost of the last", last_value("cost"), 50.0),),
    )


DOUBLE = make_curve("double", lambda amount: {"cost": 2.0 * amount})


def fail(amount: int) -> dict[str, float]:
    raise ValueError(f"nothing at {amount}")


def test_figures_compare_the_largest_amount_with_the_smallest() -> None:
    assert last_value("cost")(POINTS) == 7.0
    assert growth_ratio("cost")(POINTS) == 3.5
    assert slope("cost", 1024)(POINTS) == pytest.approx(51.2)


def test_a_curve_has_a_point_for_each_amount_the_smallest_first() -> None:
    (growth,) = measure_all([DOUBLE], Size.FULL)
    assert list(growth.points.items()) == [
        (1, {"cost": 2.0}), (10, {"cost": 20.0}), (100, {"cost": 200.0})
    ]  # fmt: skip


def test_a_goal_that_is_missed_says_so() -> None:
    (growth,) = measure_all([DOUBLE], Size.FULL)
    (line,) = growth.lines(Size.FULL)
    assert line.is_reached() is False
    assert str(line).endswith("≤ 50     MISSED")


def test_a_quick_run_has_figures_and_no_goals() -> None:
    (growth,) = measure_all([DOUBLE], Size.QUICK)
    (line,) = growth.lines(Size.QUICK)
    assert (line.ours, line.goal, line.is_reached()) == (4.0, None, None)


def test_a_curve_that_fails_ends_no_other_and_is_named_in_the_document() -> None:
    growths = list(measure_all([make_curve("broken", fail), DOUBLE], Size.QUICK))
    broken, double = to_document(growths, Size.QUICK)["curves"]
    assert (broken["name"], broken["points"]) == ("broken", [])
    assert broken["fault"] == "ValueError: nothing at 1"
    assert [point["values"]["cost"] for point in double["points"]] == [2.0, 4.0]
    assert list(Growth(growths[0].curve, {}, "fault").lines(Size.FULL)) == []


def test_every_curve_has_a_name_of_its_own_a_goal_and_amounts_of_each_size() -> None:
    assert len({curve.name for curve in CURVES}) == len(CURVES)
    for curve in CURVES:
        assert curve.goals, curve.name
        assert all(len(curve.amounts[size]) >= 2 for size in Size), curve.name


@pytest.mark.parametrize(
    ("line", "reached"),
    [
        (Line("a maximum", 2.0, None, 2.0), True),
        (Line("just past it", 2.01, None, 2.0), False),
        (Line("a ratio", 5.0, 2.0, 2.5), True),
        (Line("just below it", 4.99, 2.0, 2.5), False),
        (Line("no goal", 1.0, 2.0, None), None),
    ],
)
def test_a_goal_is_a_maximum_or_a_ratio_beside_the_peer(line: Line, reached: bool | None) -> None:
    assert line.is_reached() is reached
