"""Progress on stderr: a bar for what has an end, and a line for replays."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from eventlog.condition import Replay
from eventlog.replay_progress import Show, describe_replays
from events.texts import escape_unseen

REDRAW_SECONDS = 0.1
CLEAR_LINE = "\r\x1b[K"


class Rate(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")


class ProgressBar(Progress):
    """A bar on stderr with count, rate and time left. Without a terminal no bar is drawn.

    No thread draws it, because reading the input forks, and a fork must not copy a running thread.
    """

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            Rate(),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        hidden = not console.is_terminal
        super().__init__(*columns, console=console, disable=hidden, auto_refresh=False)
        self._drawn_at = 0.0

    def begin(self, description: str, total: int | None) -> Callable[[int], None]:
        """Start a task and return the function that advances it."""
        task = self.add_task(description, total=total)

        def advance(count: int) -> None:
            self.advance(task, count)
            if time.monotonic() - self._drawn_at > REDRAW_SECONDS:
                self._drawn_at = time.monotonic()
                self.refresh()

        return advance


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
