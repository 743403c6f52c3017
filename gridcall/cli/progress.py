"""Progress on stderr: a bar for what has an end."""

from __future__ import annotations

import time
from collections.abc import Callable

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

REDRAW_SECONDS = 0.1


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
