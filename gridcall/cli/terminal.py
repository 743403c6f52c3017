"""The terminal: data on stdout, progress on stderr, and how a command ends."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import click
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
from rich.table import Table
from rich.text import Text

REJECTED, NOTHING_RAN, UNREACHABLE, OWN_FAULT, INTERRUPTED, TERMINATED = 1, 2, 3, 70, 130, 143


def fail(code: int, message: str) -> NoReturn:
    """End with a message on stderr."""
    click.echo(f"gridcall: {message}", err=True)
    sys.exit(code)


def emit(data: bytes) -> None:
    """Data on stdout. That nobody listens any more is no error; what could not be written is not tried again at the end."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise


class Rate(ProgressColumn):
    """Rows per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")


class Bar(Progress):
    """A bar on stderr: what, how much, how fast, time left. Without a terminal only what is printed above it.

    It is drawn where it is moved, at most ten times a second, and not by a thread: reading forks, and a fork must meet none.
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
        super().__init__(
            *columns, console=console, disable=not console.is_terminal, auto_refresh=False
        )
        self._drawn = 0.0

    def task(self, description: str, total: int | None) -> Callable[[int], None]:
        """Begin a task; what is returned moves it on."""
        task = self.add_task(description, total=total)

        def moved(count: int) -> None:
            self.advance(task, count)
            if time.monotonic() - self._drawn > 0.1:
                self._drawn = time.monotonic()
                self.refresh()

        return moved


def summary_table(summary: dict[str, Any]) -> bytes:
    """The summary as a table."""
    table = Table(title=f"{summary['profile']} until {summary['until']}", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in flattened(summary):
        table.add_row(key, f"{value:,}" if isinstance(value, int) else str(value))
    text = io.StringIO()
    terminal = sys.stdout is not None and sys.stdout.isatty()
    Console(file=text, highlight=False, force_terminal=terminal).print(table)
    return text.getvalue().encode()


def flattened(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested figures, each under its dotted key."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from flattened(inner, f"{prefix}{key}.")
        elif key not in ("profile", "until"):
            yield prefix + key, inner
