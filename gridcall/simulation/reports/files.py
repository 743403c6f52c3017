"""The form of the files: CSV and JSON to the byte, as docs/simulate.md describes them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from events.instants import Instant, rfc3339

REJECTED_COLUMNS = ("file", "line", "reference", "column", "value", "reason")


NEW_IN_2 = "+"  # Before the name of a column that format 1 does not have.


def columns_of_formats(*columns: str) -> dict[int, tuple[str, ...]]:
    """Return the columns of a file in each format of profiles."""
    old = tuple(column for column in columns if not column.startswith(NEW_IN_2))
    return {1: old, 2: tuple(column.removeprefix(NEW_IN_2) for column in columns)}


def time_cell(time: Instant | None) -> str:
    """Return an instant as a cell, empty for None."""
    return "" if time is None else rfc3339(time)


class LineFeeds:
    """A file for a csv.writer that ends lines with CR LF: each is written with LF.

    So the writer quotes a cell that holds either of them.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        return self._file.write(line.removesuffix("\r\n") + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write UTF-8 with LF. A cell is quoted only if it holds a comma, a quote, CR or LF."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(LineFeeds(file), lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows(rows)


def as_json(value: Any) -> bytes:
    """Return JSON in UTF-8 with sorted keys, two spaces and a final newline."""
    return (json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()
