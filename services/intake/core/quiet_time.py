"""Tells which passings of time readers are woken for. Pure.

Time passes in a quiet district every second, in one statement for all districts. To wake its
readers costs far more, and they would only pass the time on. So they are woken for news.
"""

from __future__ import annotations

from eventlog.core.row import Watermark
from events.instants import Instant

QUIET_US = 5_000_000  # Of the district's time. In a demo that runs fast, each second is news.


class QuietTime:
    """The watermarks of the districts, as this process saw them last."""

    def __init__(self) -> None:
        self._known: dict[str, Watermark] = {}

    def is_news(self, district: str, mark: Watermark) -> bool:
        """Take a watermark. Tell if rows came before it, or if other QUIET_US began.

        All districts begin them at the same time, so that their readers share statements.
        """
        before = self._known.get(district)
        self._known[district] = mark
        if before is None or mark.position != before.position:
            return True
        return period_of(mark.watermark) != period_of(before.watermark)


def period_of(time: Instant) -> int:
    """Return the number of the QUIET_US that contain an instant."""
    return time // QUIET_US
