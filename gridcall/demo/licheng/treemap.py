"""A treemap on a lattice of whole numbers, so that neighbours share their corners exactly."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle of the lattice: its western and southern sides, its width and its height."""

    x: int
    y: int
    width: int
    height: int


def treemap(box: Box, weights: Sequence[int]) -> list[Box]:
    """Return a box for each weight. Together they tile `box`, and each is almost a square.

    The algorithm is the squarified treemap of Bruls, Huizing and van Wijk (2000).
    """
    order = sorted(range(len(weights)), key=lambda i: (-weights[i], i))
    boxes: dict[int, Box] = {}
    while order:
        left = [weights[i] for i in order]
        count = first_row(box, left)
        strip, box = cut_strip(box, sum(left[:count]), sum(left))
        boxes.update(zip(order[:count], divide(strip, left[:count]), strict=True))
        order = order[count:]
    return [boxes[i] for i in range(len(weights))]


def first_row(box: Box, weights: Sequence[int]) -> int:
    """Return the number of weights whose row of boxes has the squarest worst box."""
    short, whole = min(box.width, box.height), sum(weights)
    area = box.width * box.height

    def worst_ratio(count: int) -> int:
        """Return the longer by the shorter side of the worst box, times 1,000,000."""
        together = sum(weights[:count])
        ratios = [
            (short * short * whole * each * 10**6) // (area * together * together)
            for each in weights[:count]
        ]
        return max(max(ratio, 10**12 // max(ratio, 1)) for ratio in ratios)

    best = 1
    while best < len(weights) and worst_ratio(best + 1) <= worst_ratio(best):
        best += 1
    return best


def cut_strip(box: Box, part: int, whole: int) -> tuple[Box, Box]:
    """Return a strip along the shorter side with its part of the area, and the remaining box."""
    x, y, width, height = box
    if width >= height:
        taken = width * part // whole
        return Box(x, y, taken, height), Box(x + taken, y, width - taken, height)
    taken = height * part // whole
    return Box(x, y, width, taken), Box(x, y + taken, width, height - taken)


def divide(strip: Box, weights: Sequence[int]) -> list[Box]:
    """Return a box of a strip for each weight, side by side."""
    x, y, width, height = strip
    if width >= height:
        return [Box(x + start, y, end - start, height) for start, end in intervals(width, weights)]
    return [Box(x, y + start, width, end - start) for start, end in intervals(height, weights)]


def intervals(length: int, weights: Sequence[int]) -> list[tuple[int, int]]:
    """Return the start and the end of each weight's share of a length."""
    ends = (length * weight // sum(weights) for weight in accumulate(weights, initial=0))
    return list(pairwise(ends))
