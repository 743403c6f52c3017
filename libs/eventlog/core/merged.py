"""The merged order of two logs: by time, then the first log before the second, then position. Pure.

Rows are released as soon as no row can come before them. A log promises that by its watermark,
which is believed up to the position that it had then, and by its own order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from eventlog.core.row import Row, Watermark
from events.instants import BEGINNING, Instant

Place: TypeAlias = tuple[Instant, int, int]  # Of a row in the order: time, number of its log, pos.

NOWHERE: Place = (BEGINNING, -1, 0)  # No row is before it.
time_of = attrgetter("time")


class Page(NamedTuple):
    """The rows of a log that were read and not released, in order.

    `end` is the last position that was read. `mark` is a watermark that the log had before that.
    """

    rows: Sequence[Row]
    end: int
    mark: Watermark


def release(pages: Sequence[Page], limit: int) -> list[Row]:
    """Return at most `limit` rows of these pages, one of each log, before which no other row can
    come.
    """
    bound = min(bound_of(number, page) for number, page in enumerate(pages))
    released: list[Row] = []
    for number, page in enumerate(pages):
        released += page.rows[: count_before(page.rows, number, bound)]
    released.sort(key=time_of)  # It is stable: of one time, rows of the first log stay before.
    return released[:limit]


def bound_of(number: int, page: Page) -> Place:
    """Return the place before which all rows of a log are in its page, or were released."""
    bound = NOWHERE
    if page.end >= page.mark.position:
        bound = page.mark.watermark, -1, 0
    if page.rows:
        bound = max(bound, (page.rows[-1].time, number, page.end + 1))
    return bound


def count_before(rows: Sequence[Row], number: int, bound: Place) -> int:
    """Return how many rows of a log are before a place."""
    return bisect_left(rows, bound, key=lambda row: (row.time, number, row.position))
