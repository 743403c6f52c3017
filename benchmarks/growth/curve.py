"""A curve: a figure at several amounts of work, and the goals that follow from its points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

Values = Mapping[str, float]  # The height of each line at one amount of work.
Points = Mapping[int, Values]  # By the amount, the smallest first.
Measure = Callable[[int], Values]
Figure = Callable[[Points], float]


class Size(StrEnum):
    """`quick` shows that a curve can be measured: seconds. `long` adds what takes many minutes."""

    QUICK = "quick"
    FULL = "full"
    LONG = "long"


class Goal(NamedTuple):
    """A figure that follows from the points, and the most that it may be."""

    name: str
    figure: Figure
    most: float
    digits: int = 2


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A figure that is measured at the amounts of a size, the smallest first.

    `open` prepares what all points share, for example a database, and yields the function that
    measures one of them. A long curve may keep what an earlier point has made.
    """

    name: str
    title: str
    x: str
    y: str
    amounts: Mapping[Size, Sequence[int]]
    open: Callable[[], AbstractContextManager[Measure]]
    goals: Sequence[Goal]


def last_value(line: str) -> Figure:
    """Return a figure: the height of a line at the largest amount."""

    def figure(points: Points) -> float:
        return points[max(points)][line]

    return figure


def growth_ratio(line: str) -> Figure:
    """Return a figure: a line's height at the largest amount beside that at the smallest."""

    def figure(points: Points) -> float:
        return points[max(points)][line] / points[min(points)][line]

    return figure


def slope(line: str, unit: float = 1.0) -> Figure:
    """Return a figure: what each further piece of work adds to a line, times `unit`."""

    def figure(points: Points) -> float:
        first, last = min(points), max(points)
        return unit * (points[last][line] - points[first][line]) / (last - first)

    return figure


def measure_curve(curve: Curve, size: Size, advance: Callable[[], None]) -> Points:
    """Measure all points of a curve. `advance` is called after each."""
    points: dict[int, Values] = {}
    with curve.open() as measure:
        for amount in sorted(curve.amounts[size]):
            points[amount] = measure(amount)
            advance()
    return points
