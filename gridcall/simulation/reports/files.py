"""The form of the files: CSV and JSON to the byte, as docs/simulate.md describes them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from events.instants import Instant, rfc3339

PART_ROWS = 1_000
REJECTED_COLUMNS = ("file", "line", "reference", "column", "value", "reason")


NEW_IN_2 = "+"  # Before the name of a column that format 1 does not have.


def columns_of_formats(*columns: str) -> dict[int, tuple[str, ...]]:
    """Return the columns of a file in each format of profiles."""
    old = tuple(column for column in columns if not column.startswith(NEW_IN_2))
    return {1: old, 2: tuple(column.removeprefix(NEW_IN_2) for column in columns)}


def time_cell(time: Instant | None) -> str:
    """Return an instant as a cell, empty for None."""
    return "" if time is None else rfc3339(time)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write UTF-8 with LF. A cell is quoted only if it holds a comma, a quote, CR or LF."""
    rows = chain((columns,), rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        while part := list(islice(rows, PART_ROWS)):
            file.write(csv_text(part))


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as lines that end with LF.

    csv quotes a cell that holds what ends a line. So lines end with CR LF first if a cell has CR.
    """
    text = "".join(csv_lines(rows, "\n"))
    if "\r" not in text:
        return text
    return "".join([line.removesuffix("\r\n") + "\n" for line in csv_lines(rows, "\r\n")])


def csv_lines(rows: Iterable[Sequence[str]], end: str) -> list[str]:
    """Return a line for each row, with its end."""
    lines = Lines()
    csv.writer(lines, lineterminator=end).writerows(rows)
    return lines


class Lines(list[str]):
    """A list that takes lines as a file does."""

    write = list.append


def as_json(value: Any) -> bytes:
    """Return JSON in UTF-8 with sorted keys, two spaces and a final newline."""
    return (json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()
