"""Rows of the files, as the profile reads them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

Spec = dict[str, Any]  # A part of the profile; every scalar in it is text.
Cell = str | int


class Fault(Exception):
    """The row cannot become an issue, because of this column."""

    def __init__(self, column: str, value: str) -> None:
        super().__init__(column, value)
        self.column, self.value = column, value


@dataclass(frozen=True)
class Row:
    """A row of a file: the trimmed cells that the profile names.

    In `known`, the cells that the profile calls blank are empty.
    """

    file: str
    number: int
    cells: dict[str, str]
    known: dict[str, str]
    whole: bool  # It has as many cells as the header.


def read_rows(path: Path, profile: Spec) -> Iterator[Row]:
    settings = profile.get("csv", {})
    # A quote that is never closed makes a long cell, which is dirt like any other.
    csv.field_size_limit(2**31 - 1)
    with open_text(path, settings.get("encoding", "utf-8")) as text:
        reader = csv.reader(text, delimiter=settings.get("delimiter", ","))
        header = [name.strip() for name in next(reader)]
        places = {name: header.index(name) for name in named_columns(profile)}
        # A quoted cell may have line ends: a row has the number of its first physical line.
        number = reader.line_num + 1
        for cells in reader:
            trimmed = {
                name: cells[i].strip() if i < len(cells) else "" for name, i in places.items()
            }
            known = {
                name: "" if cell in settings.get("blank", [""]) else cell
                for name, cell in trimmed.items()
            }
            yield Row(path.name, number, trimmed, known, whole=len(cells) == len(header))
            number = reader.line_num + 1


def open_text(path: Path, encoding: str) -> TextIO:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def named_columns(profile: Spec) -> list[str]:
    """Return the columns whose cells are the content of a row."""
    state = profile.get("ended", {}).get("state")
    parts = [
        profile.get(key)
        for key in ("reference", "line", "category", "reported", "due", "ended", "published")
    ]
    columns = [part["column"] for part in [*parts, state] if part]
    for kind, spec in claims(profile):
        columns += [spec["lat"], spec["lon"]] if kind == "point" else [spec["column"]]
    return columns


def claims(profile: Spec) -> list[tuple[str, Spec]]:
    """Return the claims that a row can make about its place, the first ones believed first."""
    return [item for claim in profile["place"] for item in claim.items()]
