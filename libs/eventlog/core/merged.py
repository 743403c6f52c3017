"""The merged order of two logs: by time, then the first log before the second, then position. Pure.

A row is released as soon as time has passed it in both logs, because no row can come before it
then. A log promises that by its watermark, which is believed up to the position that it had then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from eventlog.core.row import Row, Watermark
from events.instants import BEGINNING, Instant

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
    until = min(map(complete_until, pages))
    released: list[Row] = []
    for page in pages:
        end = bisect_left(page.rows, until, key=time_of)
        released += page.rows[: min(end, limit)]  # A page of one instant may have far more.
    released.sort(key=time_of)  # It is stable: of one time, rows of the first log stay before.
    return released[:limit]


def complete_until(page: Page) -> Instant:
    """Return the instant before which all rows of a log are in its page, or were released."""
    time = page.rows[-1].time if page.rows else BEGINNING
    return max(time, page.mark.watermark) if page.end >= page.mark.position else time
