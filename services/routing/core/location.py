"""The place of a report, decided from its claims and the look-up of its points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, assert_never

from events.catalogue import PlaceClaim
from routing.core.reference import Grids


class Location(NamedTuple):
    """A grid and its street, a street alone, or neither.

    `by` names the claim that gave it; `data_flags` are those of all claims that were tried.
    """

    grid: str | None
    street: str | None
    by: str
    data_flags: tuple[str, ...]


class Place(NamedTuple):
    """The place that one claim gives, and the dirt that was met there."""

    grid: str | None = None
    street: str | None = None
    data_flags: tuple[str, ...] = ()


class Point(NamedTuple):
    """A claimed point, in degrees of WGS 84: a request for the grids that contain it."""

    lon: float
    lat: float


UNKNOWN_CODE = Place(data_flags=("unknown_code",))  # The map does not have it.


def points_of(claims: Sequence[PlaceClaim]) -> list[Point]:
    """Return the points that are claimed, in their order."""
    return [
        Point(claim.lon, claim.lat)
        for claim in claims
        if claim.by == "point" and claim.lat is not None and claim.lon is not None
    ]


def locate(
    claims: Sequence[PlaceClaim], answers: Sequence[tuple[str, ...]], grids: Grids
) -> Location:
    """Return the place of the first claim that has one.

    `answers` has, for each point claim, the codes of the grids that contain it.
    """
    grids_at = iter(answers)
    data_flags: list[str] = []
    for claim in claims:
        place = place_of(claim, grids_at, grids)
        data_flags += [flag for flag in place.data_flags if flag not in data_flags]
        if place.street is not None:
            return Location(place.grid, place.street, claim.by, tuple(data_flags))
    return Location(None, None, "none", tuple(data_flags))


def place_of(claim: PlaceClaim, grids_at: Iterator[tuple[str, ...]], grids: Grids) -> Place:
    """Return the place that one claim gives. A point claim takes the next of `grids_at`."""
    code = claim.code or ""
    match claim.by:
        case "point":
            return place_among(next(grids_at, ()), grids)
        case "grid":
            entry = grids.entries.get(code)
            return Place(code, entry.street) if entry else UNKNOWN_CODE
        case "street":
            return Place(street=code) if code in grids.streets else UNKNOWN_CODE
        case "no_point" | "unknown_point":
            return Place(data_flags=(claim.by,))
        case unreachable:
            assert_never(unreachable)


def place_among(codes: Sequence[str], grids: Grids) -> Place:
    """Return the grid that a point belongs to, of those that contain it.

    A dedicated grid wins over the basic grid around it; of several equals the lowest code wins.
    """
    if not codes:
        return Place(data_flags=("outside_map",))
    dedicated = [code for code in codes if grids.entries[code].dedicated]
    equals = dedicated or codes
    grid = min(equals)
    return Place(grid, grids.entries[grid].street, ("in_two_grids",) if len(equals) > 1 else ())
