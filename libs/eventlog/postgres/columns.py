"""Rows as the parameters of a statement: one text for each column.

asyncpg spends long on each element of an array. Postgres splits a text much faster. An array takes
any text and any bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventlog.codec import encoder, sorted_encoder
from eventlog.core.row import Row
from events.registry import TYPE_OF


def row_columns(rows: Sequence[Row]) -> list[str]:
    """Return the columns of rows, in the order in which COMMIT takes them."""
    _, _, _, times, inputs, steps, subjects, sequences, causes, events = zip(*rows, strict=True)
    return [
        *map(number_array, (times, inputs, steps, sequences)),
        text_lines(subjects),
        text_lines(causes),
        *event_columns(events),
    ]


def array_columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    """Return an array for each of the columns of rows, also if there are none."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]


def number_array(column: Sequence[int | None]) -> str:
    """Return numbers as an array of Postgres."""
    return f"{{{encoder.encode(column).decode()[1:-1]}}}"


def text_lines(column: Sequence[str]) -> str:
    """Return one line for each text. Raises ValueError for a text with a line feed."""
    joined = "\n".join(column)
    if joined.count("\n") != len(column) - 1:
        broken = next(text for text in column if "\n" in text)
        raise ValueError(f"a name with a line feed in it: {broken!r}")
    return joined


def event_columns(events: Sequence[Any]) -> tuple[str, str]:
    """Return the names of the types, and the events in JSON, which has no line feed in it."""
    names = "\n".join([TYPE_OF[type(event)].name for event in events])
    return names, b"\n".join(map(sorted_encoder.encode, events)).decode()
