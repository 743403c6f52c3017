"""The terminal: data on stdout, messages on stderr, and the exit status.

All that is written goes through this module, which escapes characters that nobody sees: a text may
come from anywhere, and would command the terminal.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from events.texts import escape_unseen
from gridcall.simulation.reports.files import as_json

REJECTED, NOTHING_RAN, UNREACHABLE, INCOMPLETE = 1, 2, 3, 4
OWN_FAULT, INTERRUPTED, TERMINATED = 70, 130, 143


def fail(status: int, message: str) -> NoReturn:
    """End the program with a message on stderr."""
    say(f"gridcall: {message}", err=True)
    sys.exit(status)


def say(text: str, *, err: bool = False) -> None:
    """Write a line to stdout, or a message to stderr."""
    click.echo(escape_unseen(text), err=err)


def emit(data: bytes) -> None:
    """Write text in UTF-8, or JSON, to stdout. A reader that has closed the pipe is no error.

    After an error stdout becomes /dev/null, so that the interpreter does not write again at exit.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.buffer.write(escape_unseen(data.decode(errors="backslashreplace")).encode())
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
        say(empty, err=True)
    else:
        emit(columns_of_text(rows).encode())


def columns_of_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as columns of plain text under a header."""
    names = list(rows[0])
    lines = [names, *([one_line(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(names))]
    padded = (
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
    )
    return "".join("  ".join(cells).rstrip() + "\n" for cells in padded)


def one_line(value: Any) -> str:
    """Return a value as text without line breaks, because a row is a line."""
    return escape_unseen(str(value)).replace("\n", "\\n").replace("\t", "\\t")


def frame(title: str, values: dict[str, Any]) -> bytes:
    """Return nested values as a framed table of dotted names and values."""
    table = Table(title=title, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in flatten(values):
        shown = f"{value:,}" if isinstance(value, int) else escape_unseen(str(value))
        table.add_row(Text(name), Text(shown))  # A text is no markup.
    text = io.StringIO()
    Console(file=text, highlight=False).print(table)
    return text.getvalue().encode()


def flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested values, each under its dotted name."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
