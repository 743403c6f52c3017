"""The terminal: data on stdout, messages on stderr, and the exit status."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table

from gridcall.simulation.reports.files import as_json

REJECTED, NOTHING_RAN, UNREACHABLE, INCOMPLETE = 1, 2, 3, 4
OWN_FAULT, INTERRUPTED, TERMINATED = 70, 130, 143


def fail(status: int, message: str) -> NoReturn:
    """End the program with a message on stderr."""
    click.echo(f"gridcall: {message}", err=True)
    sys.exit(status)


def emit(data: bytes) -> None:
    """Write to stdout. A reader that has closed the pipe is no error.

    After an error stdout becomes /dev/null, so that the interpreter does not write again at exit.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise


def print_rows(rows: Sequence[dict[str, Any]], json_output: bool, empty: str) -> None:
    """Print rows as JSON or as aligned text. Without rows say `empty` on stderr."""
    if json_output:
        emit(as_json(list(rows)))
    elif not rows:
        click.echo(empty, err=True)
    else:
        emit(columns_of_text(rows).encode())


def columns_of_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as columns of plain text under a header."""
    names = list(rows[0])
    lines = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(names))]
    padded = (
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
    )
    return "".join("  ".join(cells).rstrip() + "\n" for cells in padded)


def frame(title: str, values: dict[str, Any]) -> bytes:
    """Return nested values as a framed table of dotted names and values."""
    table = Table(title=title, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in flatten(values):
        table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
    text = io.StringIO()
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    Console(file=text, highlight=False, force_terminal=is_terminal).print(table)
    return text.getvalue().encode()


def flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested values, each under its dotted name."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
