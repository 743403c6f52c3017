"""The progress of replays on stderr: one line below those of the log."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Sequence

from eventlog.condition import Replay
from eventlog.replay_progress import Show, describe_replays
from events.texts import escape_unseen

CLEAR_LINE = "\r\x1b[K"


class ReplayLine(logging.Filter):
    """The last line of a terminal while districts are replayed. Log lines are written above it."""

    def __init__(self) -> None:
        super().__init__()
        self._is_drawn = False

    def show(self, replays: Sequence[Replay]) -> None:
        """Draw the line again; remove it after the last replay."""
        self._clear()
        if replays:
            self._is_drawn = True
            width = shutil.get_terminal_size().columns - 1  # A longer line would stay.
            self._write(escape_unseen(describe_replays(replays))[:width])

    def filter(self, record: logging.LogRecord) -> bool:
        """Make room for a line of the log."""
        self._clear()
        return True

    def _clear(self) -> None:
        if self._is_drawn:
            self._is_drawn = False
            self._write(CLEAR_LINE)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def draw_replays() -> Show | None:
    """Return a function that draws the replays on the terminal; None without one.

    The handlers of the log make room for the line.
    """
    if not sys.stderr.isatty():
        return None
    line = ReplayLine()
    for handler in logging.getLogger().handlers:
        handler.addFilter(line)
    return line.show
