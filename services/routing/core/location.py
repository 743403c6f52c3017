"""Where a report lies, decided from what it claims: pure. Which polygons contain a point was asked outside (locate.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from events.catalogue import PlaceClaim
from routing.core.reference import Grids


class Located(NamedTuple):
    """The answer: a grid and its street, a street alone, or neither; by which claim; and the dirt met on the way."""

    grid: str | None
    street: str | None
    by: str
    rules: tuple[str, ...]


def located(
    claims: Sequence[PlaceClaim], answer: Sequence[tuple[str, ...]], grids: Grids
) -> Located:
    """The first claim that answers wins. `answer` has, for each point claim, the codes of the grids that contain it."""
    hits = iter(answer)
    rules: list[str] = []
    for claim in claims:
        grid, street, dirt = answered(claim, hits, grids)
        rules += dirt
        if street is not None:
            return Located(grid, street, claim.by, tuple(rules))
    return Located(None, None, "none", tuple(rules))


def answered(
    claim: PlaceClaim, hits: Iterator[tuple[str, ...]], grids: Grids
) -> tuple[str | None, str | None, tuple[str, ...]]:
    """What one claim answers: grid, street, and the rules that handled its dirt."""
    code = claim.code
    if claim.by == "point":
        inside = next(hits, ())
        if not inside:
            return None, None, ("outside_map",)
        grid, tied = chosen(inside, grids)
        return grid, grids.entries[grid].street, ("in_two_grids",) if tied else ()
    if claim.by == "grid":
        entry = grids.entries.get(code or "")
        return (code, entry.street, ()) if entry else (None, None, ())
    if claim.by == "street":
        return None, code if code in grids.streets else None, ()
    return None, None, (claim.by,)


def chosen(inside: Sequence[str], grids: Grids) -> tuple[str, bool]:
    """A dedicated grid wins over the basic grid around it; among equals the lowest code, and then it was a tie."""
    dedicated = [code for code in inside if grids.entries[code].dedicated]
    equals = dedicated or inside
    return min(equals), len(equals) > 1
