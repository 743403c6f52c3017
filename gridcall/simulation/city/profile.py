"""The profile of a city: its keys and their values. docs/simulate.md explains each.

A profile says how a city's records become issues and actions. Another city needs another profile
and no code.
"""

from __future__ import annotations

import codecs
import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from events.catalogue import Line

Outcome = Literal["open", "closed", "withdrawn"]
DISTRICT_CODE = r"[^/\s]+"  # Row ids contain it and are split at slashes.


def check_zone(name: str) -> str:
    """Return the name of a zone of the IANA time zone database."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is not a zone of the IANA database; write for example Europe/Dublin"
        ) from None
    return name


def check_pattern(pattern: str) -> str:
    """Return a valid regular expression of Python."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    return pattern


def check_group(pattern: str) -> str:
    """Return a regular expression with a group."""
    if re.compile(check_pattern(pattern)).groups < 1:
        raise ValueError(f"{pattern!r} has no group (…): group 1 is what is kept")
    return pattern


def check_encoding(name: str) -> str:
    """Return the name of a character encoding that Python knows."""
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(
            f"{name!r} is not a known encoding; write for example utf-8 or latin-1"
        ) from None
    return name


def check_delimiter(delimiter: str) -> str:
    """Return a character that can separate cells."""
    if delimiter in '"\r\n\0 ':
        raise ValueError(f"{delimiter!r} cannot separate cells; write for example ',' or ';'")
    return delimiter


def check_format(form: str) -> str:
    """Return a format of datetime.strptime, or `iso`."""
    try:
        datetime.strptime("", form)
    except ValueError as error:
        if "does not match" not in str(error):
            raise ValueError(f"{form!r} is not a format of strptime: {error}") from None
    except re.error:
        raise ValueError(
            f"{form!r} is not a format of strptime: a directive is in it twice"
        ) from None
    return form


def parse_tolerance(text: Any) -> Any:
    """Return a number of square metres; infinity for `any`."""
    return float("inf") if text == "any" else text


Zone = Annotated[str, AfterValidator(check_zone)]
Pattern = Annotated[str, AfterValidator(check_pattern)]
KeepPattern = Annotated[str, AfterValidator(check_group)]
SquareMetres = Annotated[float, BeforeValidator(parse_tolerance), Field(ge=0)]


class Part(BaseModel):
    """A part of a profile. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Csv(Part):
    """The form of the CSV files. Cells are trimmed; `blank` lists those that mean nothing."""

    delimiter: Annotated[
        str, Field(min_length=1, max_length=1), AfterValidator(check_delimiter)
    ] = ","
    encoding: Annotated[str, AfterValidator(check_encoding)] = "utf-8"
    blank: frozenset[str] = frozenset({""})


class Column(Part):
    """A column."""

    column: str


class LineColumn(Column):
    """The column of the line: the meaning of its values, and of all others."""

    values: dict[str, Line] = {}
    otherwise: Line | Literal["refuse"] = "refuse"


class TimeColumn(Column):
    """A column of times. Formats are tried in order.

    `iso` is ISO 8601. `day: end` takes the last microsecond of the date.
    """

    formats: Annotated[
        tuple[Annotated[str, AfterValidator(check_format)], ...], Field(min_length=1)
    ] = ("iso",)
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
    """A column of codes."""


class PointColumns(Part):
    """The columns of a point in WGS 84 degrees.

    `unknown` lists points that mean "unknown". They are compared after rounding to `decimals`.
    """

    lat: str
    lon: str
    decimals: Annotated[int, Field(ge=0, le=15)] = 15
    unknown: tuple[tuple[float, float], ...] = ()


class Place(Part):
    """One way to find the place, with exactly one key."""

    point: PointColumns | None = None
    grid: CodeColumn | None = None
    street: CodeColumn | None = None

    @model_validator(mode="after")
    def check_one_way(self) -> Place:
        if len(self.model_fields_set) != 1:
            raise ValueError("exactly one of point, grid or street per entry")
        return self


class District(Part):
    """The district that the data are about."""

    code: Annotated[str, Field(min_length=1, pattern=f"^{DISTRICT_CODE}$")]
    name: str


class Dedicated(Part):
    """The property that makes a feature a dedicated grid, and the values that do."""

    property: str
    values: frozenset[str]


class GridsFile(Part):
    """The GeoJSON file of the grids, and the property that is a grid's code.

    With `dissolve` several features of one code are one grid.
    """

    file: str
    code: str
    dissolve: bool = False
    dedicated: Dedicated | None = None


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

    answer_within: (
        Literal["never"] | Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=3660))]
    )

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
    """The whole profile."""

    profile: Annotated[str, Field(min_length=1)]
    format: Literal["1"]
    zone: Zone
    csv: Csv = Csv()
    reference: Column
    line: LineColumn
    category: Column
    reported: TimeColumn
    due: TimeColumn | None = None
    ended: EndedColumn | None = None
    place: tuple[Place, ...] = ()
    map: MapFiles
    workers: Literal["one_per_grid"]
    merge: Literal["never"]
    calls: Calls
    published: Published | None = None

    def columns(self) -> dict[str, str]:
        """Return each column of the profile with the key that names it, in profile order."""
        required = {
            "reference": self.reference,
            "line": self.line,
            "category": self.category,
            "reported": self.reported,
        }
        columns = {part.column: f"{key}.column" for key, part in required.items()}
        for key, part in (("due", self.due), ("ended", self.ended), ("published", self.published)):
            if part:
                columns.setdefault(part.column, f"{key}.column")
        if self.ended and self.ended.state:
            columns.setdefault(self.ended.state.column, "ended.state.column")
        for i, place in enumerate(self.place):
            for column, key in place_columns(place):
                columns.setdefault(column, f"place.{i}.{key}")
        return columns


def place_columns(place: Place) -> list[tuple[str, str]]:
    """Return the columns of one way to find the place, each with its key."""
    if place.point:
        return [(place.point.lat, "point.lat"), (place.point.lon, "point.lon")]
    if place.grid:
        return [(place.grid.column, "grid.column")]
    return [(place.street.column, "street.column")] if place.street else []


def is_text(text: str) -> bool:
    """Return True for text without NUL and without lone surrogates."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
