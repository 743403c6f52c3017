"""The profile of a city: its keys and their values. docs/simulate.md explains each.

A profile says how a city's records become issues and actions. Another city needs another profile
and no code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from events.catalogue import Line
from gridcall.simulation.city.profile_values import (
    NEW_KEY,
    Delimiter,
    Duration,
    Encoding,
    KeepPattern,
    Never,
    Pattern,
    SquareMetres,
    TimeFormat,
    Unsupported,
    Zone,
)

Outcome = Literal["open", "closed", "withdrawn"]
DISTRICT_CODE = r"[^/\s]+"  # Row ids contain it and are split at slashes.


class Part(BaseModel):
    """A part of a profile. Unknown keys are errors. Of the `ways`, exactly one is there."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    ways: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def check_one_way(self) -> Self:
        """Return this part, if it has exactly one of the keys that exclude each other."""
        if self.ways and sum(bool(getattr(self, way)) for way in self.ways) != 1:
            *others, last = self.ways
            raise ValueError(f"exactly one of {', '.join(others)} or {last}")
        return self


class Csv(Part):
    """The form of the CSV files. Cells are trimmed; `blank` lists those that mean nothing."""

    delimiter: Delimiter = ","
    encoding: Encoding = "utf-8"
    blank: frozenset[str] = frozenset({""})


class Column(Part):
    """A column."""

    column: str


class Columns(Part):
    """A column, or several that are joined. If one of several is blank, the whole is blank."""

    ways: ClassVar[tuple[str, ...]] = ("column", "columns")

    column: str | None = None
    columns: Annotated[tuple[str, ...], NEW_KEY] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in the order in which they are joined."""
        return self.columns if self.column is None else (self.column,)

    @property
    def title(self) -> str:
        """The columns in a message."""
        return "+".join(self.names)

    def keys(self) -> Iterator[tuple[str, str]]:
        """Yield each column and its key."""
        if self.column is not None:
            yield self.column, "column"
        for i, column in enumerate(self.columns):
            yield column, f"columns.{i}"


class ReferenceColumns(Columns):
    """The columns of the reference, joined by `join`, or `row`: the file's name and the line."""

    ways = ("column", "columns", "row")

    join: Annotated[str, NEW_KEY] = ""
    row: Annotated[bool, NEW_KEY] = False

    @model_validator(mode="after")
    def check_join(self) -> Self:
        """Return this part, if it has columns to join."""
        if "join" in self.model_fields_set and not self.columns:
            raise ValueError("join is for columns; leave it out")
        return self


class LineColumn(Part):
    """The column of the line: the meaning of its values, and of all others.

    Instead, `value` is the line of the whole file.
    """

    ways = ("column", "value")

    column: str | None = None
    value: Annotated[Line | None, NEW_KEY] = None
    values: dict[str, Line] = {}
    otherwise: Line | Literal["refuse"] = "refuse"

    @model_validator(mode="after")
    def check_value(self) -> Self:
        """Return this part, if its one value stands alone."""
        if self.value and self.model_fields_set & {"values", "otherwise"}:
            raise ValueError("value is the line of the whole file: leave out values and otherwise")
        return self


class CategoryColumn(Column):
    """The column of the category. `values` renames some of them."""

    values: Annotated[dict[str, str], NEW_KEY] = {}
    otherwise: Annotated[Literal["keep"], NEW_KEY] = "keep"


class TimeColumn(Columns):
    """A column of times, or several that are joined by one space. Formats are tried in order.

    `day: end` takes the last microsecond of the date.
    """

    formats: Annotated[tuple[TimeFormat, ...], Field(min_length=1)] = ("iso",)
    day: Literal["end"] | None = None


class StateColumn(Column):
    """The column of the way in which a record ended."""

    values: dict[str, Outcome] = {}
    otherwise: Outcome = "closed"


class EndedColumn(TimeColumn):
    """The columns of a record's end: its time and its way."""

    state: StateColumn | None = None


class Code(Part):
    """The steps from a cell or a property to a code.

    `drop` removes the first match, `keep` keeps group 1 of the first match, `pad` fills with zeros.
    """

    drop: Pattern | None = None
    keep: KeepPattern | None = None
    pad: Annotated[int, Field(ge=0, le=64)] = 0


class CodeColumn(Code, Column):
    """A column of codes. Instead of the steps, `table` gives the code of each cell."""

    table: Annotated[dict[str, str] | None, NEW_KEY] = None

    @model_validator(mode="after")
    def check_table(self) -> Self:
        """Return this part, if its table stands alone."""
        if self.table is not None and self.model_fields_set & {"drop", "keep", "pad"}:
            raise ValueError("table gives the code itself: leave out drop, keep and pad")
        return self


class PointColumns(Part):
    """The columns of a point in WGS 84 degrees.

    `unknown` lists points that mean "unknown". They are compared after rounding to `decimals`.
    """

    lat: str
    lon: str
    decimals: Annotated[int, Field(ge=0, le=15)] = 15
    unknown: tuple[tuple[float, float], ...] = ()


class Place(Part):
    """One way to find the place."""

    ways = ("point", "grid", "street")

    point: PointColumns | None = None
    grid: CodeColumn | None = None
    street: CodeColumn | None = None

    def keys(self) -> Iterator[tuple[str, str]]:
        """Yield each column and its key."""
        if self.point:
            yield self.point.lat, "point.lat"
            yield self.point.lon, "point.lon"
        if self.grid:
            yield self.grid.column, "grid.column"
        if self.street:
            yield self.street.column, "street.column"


class District(Part):
    """The district that the data are about."""

    code: Annotated[str, Field(min_length=1, pattern=f"^{DISTRICT_CODE}$")]
    name: str


class Dedicated(Part):
    """The features that are dedicated grids: those whose property has one of the values."""

    property: str
    values: Annotated[frozenset[str], Field(min_length=1)]


class GridsFile(Part):
    """The GeoJSON file of the grids, and the property that is a grid's code.

    With `dissolve`, several features of one code are one grid.
    """

    file: str
    code: str
    dissolve: Annotated[bool, NEW_KEY] = False
    dedicated: Annotated[Dedicated | None, NEW_KEY] = None


class StreetsFrom(Code):
    """The property of a grid from which its street's code is made."""

    from_: Annotated[str, Field(alias="from")]


class Overlap(Part):
    """The rule for overlaps: the lowest code wins, up to this size in m²."""

    take: Literal["lowest_code"] = "lowest_code"
    tolerate_m2: SquareMetres = 0.0


class Gap(Part):
    """The largest permitted hole between grids, in m²."""

    tolerate_m2: SquareMetres = 0.0


class MapFiles(Part):
    """The map: its district, file and properties, and the tolerated faults."""

    district: District
    grids: GridsFile
    streets: StreetsFrom
    overlap: Overlap = Overlap()
    gap: Gap = Gap()


class Calls(Part):
    """The time within which a call must be answered (ISO 8601), or `never`."""

    answer_within: Literal["never"] | Duration
    repeat: Annotated[Never, NEW_KEY] = "never"

    @model_validator(mode="before")
    @classmethod
    def expand_never(cls, value: Any) -> Any:
        """Return `{answer_within: never}` for the short form `never`."""
        return {"answer_within": "never"} if value == "never" else value


class Published(Column):
    """The column of the source's own verdict, which is compared at the end and never fed."""

    overdue: frozenset[str]
    not_overdue: frozenset[str]


class Profile(Part):
    """The whole profile. Format 2 has more keys than format 1, and its files more columns."""

    profile: Annotated[str, Field(min_length=1)]
    format: Literal["1", "2"]
    zone: Zone
    csv: Csv = Csv()
    reference: ReferenceColumns
    line: LineColumn
    category: CategoryColumn
    reported: TimeColumn
    due: TimeColumn | None = None
    ended: EndedColumn | None = None
    place: tuple[Place, ...] = ()
    map: MapFiles
    policies: Unsupported = None
    calendar: Unsupported = None
    workers: Literal["one_per_grid"]
    merge: Never
    calls: Calls
    published: Published | None = None

    def columns(self) -> dict[str, str]:
        """Return each column of the profile with the key that names it, in profile order."""
        columns: dict[str, str] = {}
        for column, key in self._keys():
            columns.setdefault(column, key)
        return columns

    def _keys(self) -> Iterator[tuple[str, str]]:
        times = {"reported": self.reported, "due": self.due, "ended": self.ended}
        yield from prefix_keys("reference", self.reference.keys())
        if self.line.column is not None:
            yield self.line.column, "line.column"
        yield self.category.column, "category.column"
        for name, part in times.items():
            yield from prefix_keys(name, part.keys() if part else ())
        if self.published:
            yield self.published.column, "published.column"
        if self.ended and self.ended.state:
            yield self.ended.state.column, "ended.state.column"
        for i, place in enumerate(self.place):
            yield from prefix_keys(f"place.{i}", place.keys())


def prefix_keys(
    part: str, keys: Iterator[tuple[str, str]] | tuple[()]
) -> Iterator[tuple[str, str]]:
    """Yield columns and their keys, each key below the part's own."""
    for column, key in keys:
        yield column, f"{part}.{key}"
