"""Rows of the files, as the profile reads them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from unicodedata import normalize

Spec = dict[str, Any]  # A part of the profile; every scalar in it is text.
Cell = str | int


class Fault(Exception):
    """The row cannot become an issue, because of this column."""

    def __init__(self, column: str, value: str) -> None:
        super().__init__(column, value)
        self.column, self.value = column, value


@dataclass(frozen=True)
class Row:
    """A row of a file: the trimmed cells that the profile names, in NFC.

    In `known`, the cells that the profile calls blank are empty.
    """

    file: str
    number: int
    cells: dict[str, str]
    known: dict[str, str]
    whole: bool  # It has as many cells as the header.


def nfc(value: Any) -> Any:
    """Return texts at any depth in Unicode's form NFC."""
    if isinstance(value, dict):
        return {nfc(key): nfc(item) for key, item in value.items()}
    if isinstance(value, list):
        return [nfc(item) for item in value]
    return normalize("NFC", value) if isinstance(value, str) else value


def read_rows(path: Path, profile: Spec) -> Iterator[Row]:
    settings = profile.get("csv", {})
    # A quote that is never closed makes a long cell, which is dirt like any other.
    csv.field_size_limit(2**31 - 1)
    with open_text(path, settings.get("encoding", "utf-8")) as text:
        reader = csv.reader(text, delimiter=settings.get("delimiter", ","))
        header = [nfc(name.strip()) for name in next(line for line in reader if line)]
        places = {name: find(name, header, profile) for name in named_columns(profile)}
        # A quoted cell may have line ends: a row has the number of its first physical line.
        number = reader.line_num + 1
        for cells in reader:
            if cells:  # An empty line is no row.
                yield read_row(path.name, number, cells, places, len(header), settings)
            number = reader.line_num + 1


def read_row(
    file: str, number: int, cells: list[str], places: dict[str, int], width: int, settings: Spec
) -> Row:
    trimmed = {name: nfc(cells[i].strip()) if i < len(cells) else "" for name, i in places.items()}
    known = {
        name: "" if cell in settings.get("blank", [""]) else cell for name, cell in trimmed.items()
    }
    return Row(file, number, trimmed, known, whole=len(cells) == width)


def find(name: str, header: list[str], profile: Spec) -> int:
    """Return the position of a column. Format 2 takes another case if there is no exact one."""
    if name in header or profile["format"] == "1":
        return header.index(name)
    return [other.lower() for other in header].index(name.lower())


def open_text(path: Path, encoding: str) -> TextIO:
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding=encoding, newline="", errors="surrogateescape")
    return path.open(encoding=encoding, newline="", errors="surrogateescape")


def columns_of(spec: Spec | None) -> list[str]:
    """Return the columns of a key, in the order in which they are joined."""
    if not spec:
        return []
    return spec["columns"] if "columns" in spec else [spec["column"]] if "column" in spec else []


def title(spec: Spec) -> str:
    """Return the columns of a key as rejected.csv names them."""
    return "+".join(columns_of(spec))


def known_text(row: Row, spec: Spec, join: str) -> str:
    """Return the joined cells of a key. If one is blank, the whole is blank."""
    cells = [row.known[name] for name in columns_of(spec)]
    return join.join(cells) if all(cells) else ""


def raw_text(row: Row, spec: Spec, join: str) -> str:
    """Return the joined cells of a key as they were written."""
    return join.join(row.cells[name] for name in columns_of(spec))


def named_columns(profile: Spec) -> list[str]:
    """Return the columns whose cells are the content of a row."""
    keys = ("reference", "line", "category", "reported", "due", "ended", "published")
    parts = [*(profile.get(key) for key in keys), profile.get("ended", {}).get("state")]
    columns = [column for part in parts for column in columns_of(part)]
    for kind, spec in claims(profile):
        columns += [spec["lat"], spec["lon"]] if kind == "point" else [spec["column"]]
    return columns


def claims(profile: Spec) -> list[tuple[str, Spec]]:
    """Return the claims that a row can make about its place, the first ones believed first."""
    return [item for claim in profile.get("place", []) for item in claim.items()]
