"""A profile: the file that tells how a city's records become issues and actions. Another city needs another profile, no code.

The contract is docs/simulate.md. Every scalar is read as the text that was written (a code `0406` stays `0406`, a status `No`
stays `No`); an unknown key is an error that names the nearest known one; every error names file, line and key.
"""

from __future__ import annotations

import codecs
import re
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from events.catalogue import Line
from events.errors import GridcallError

Outcome = Literal["open", "closed", "withdrawn"]
DISTRICT_CODE = r"[^/\s]+"  # It stands in the ids of rows, which are cut at their strokes.


class ProfileError(GridcallError):
    """A profile that cannot be used: what is wrong, where, and what to do."""


def known_zone(name: str) -> str:
    """A name of the IANA time zone database."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is not a zone of the IANA database; write for example Europe/Dublin"
        ) from None
    return name


def compiled(pattern: str) -> str:
    """A Python regular expression."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    return pattern


def with_group(pattern: str) -> str:
    """A Python regular expression with a group, which is what is kept."""
    if re.compile(compiled(pattern)).groups < 1:
        raise ValueError(f"{pattern!r} has no group (…): group 1 is what is kept")
    return pattern


def known_encoding(name: str) -> str:
    """A character encoding that Python knows."""
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(
            f"{name!r} is not a known encoding; write for example utf-8 or latin-1"
        ) from None
    return name


def separates(delimiter: str) -> str:
    """A character that can separate cells."""
    if delimiter in '"\r\n\0 ':
        raise ValueError(f"{delimiter!r} cannot separate cells; write for example ',' or ';'")
    return delimiter


def readable(form: str) -> str:
    """A format of datetime.strptime, or `iso`."""
    try:
        datetime.strptime("", form)
    except ValueError as error:
        if "does not match" not in str(error):
            raise ValueError(f"{form!r} is not a format of strptime: {error}") from None
    except re.error:
        raise ValueError(
            f"{form!r} is not a format of strptime: a directive stands in it twice"
        ) from None
    return form


def tolerance(text: Any) -> Any:
    """A number of square metres, or `any`."""
    return float("inf") if text == "any" else text


Zone = Annotated[str, AfterValidator(known_zone)]
Pattern = Annotated[str, AfterValidator(compiled)]
KeepPattern = Annotated[str, AfterValidator(with_group)]
SquareMetres = Annotated[float, BeforeValidator(tolerance), Field(ge=0)]


class Part(BaseModel):
    """A part of a profile: its keys are all that there are."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Csv(Part):
    """How the files are written. Cells are trimmed first; `blank` are the cells that mean nothing."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1), AfterValidator(separates)] = ","
    encoding: Annotated[str, AfterValidator(known_encoding)] = "utf-8"
    blank: frozenset[str] = frozenset({""})


class Column(Part):
    """A column."""

    column: str


class LineColumn(Column):
    """The column that names the line, its values, and what all other values mean."""

    values: dict[str, Line] = {}
    otherwise: Line | Literal["refuse"] = "refuse"


class TimeColumn(Column):
    """A column of times: formats are tried in order; `iso` is ISO 8601; `day: end` takes the last microsecond of the date."""

    formats: Annotated[
        tuple[Annotated[str, AfterValidator(readable)], ...], Field(min_length=1)
    ] = ("iso",)
    day: Literal["end"] | None = None


class StateColumn(Column):
    """The column that says how a record ended."""

    values: dict[str, Outcome] = {}
    otherwise: Outcome = "closed"


class EndedColumn(TimeColumn):
    """When a record ended, and how."""

    state: StateColumn | None = None


class Code(Part):
    """How a cell or a property becomes a code: `drop` what is found, `keep` group 1 of what is found, `pad` with zeros."""

    drop: Pattern | None = None
    keep: KeepPattern | None = None
    pad: Annotated[int, Field(ge=0, le=64)] = 0


class CodeColumn(Code, Column):
    """A column of codes."""


class PointColumns(Part):
    """The columns of a point in WGS 84 degrees, and the points that mean "unknown", compared after rounding."""

    lat: str
    lon: str
    decimals: Annotated[int, Field(ge=0, le=15)] = 15
    unknown: tuple[tuple[float, float], ...] = ()


class Place(Part):
    """One way to find the place: exactly one of its keys."""

    point: PointColumns | None = None
    grid: CodeColumn | None = None
    street: CodeColumn | None = None

    @model_validator(mode="after")
    def one_way(self) -> Place:
        if len(self.model_fields_set) != 1:
            raise ValueError("exactly one of point, grid or street per entry")
        return self


class District(Part):
    """The district that the data are about."""

    code: Annotated[str, Field(min_length=1, pattern=f"^{DISTRICT_CODE}$")]
    name: str


class GridsFile(Part):
    """The GeoJSON file of the grids, and the property that is a grid's code."""

    file: str
    code: str


class StreetsFrom(Code):
    """The property of a grid that names its street."""

    from_: Annotated[str, Field(alias="from")]


class Overlap(Part):
    """Where grids overlap, the lowest code is taken; an overlap may be as large as this, in m²."""

    take: Literal["lowest_code"] = "lowest_code"
    tolerate_m2: SquareMetres = 0.0


class Gap(Part):
    """A hole between grids may be as large as this, in m²."""

    tolerate_m2: SquareMetres = 0.0


class MapFiles(Part):
    """The map: which district, which file, which properties, and what is tolerated."""

    district: District
    grids: GridsFile
    streets: StreetsFrom
    overlap: Overlap = Overlap()
    gap: Gap = Gap()


class Calls(Part):
    """Within which time a call must be answered (ISO 8601), or `never`."""

    answer_within: (
        Literal["never"] | Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=3660))]
    )

    @model_validator(mode="before")
    @classmethod
    def in_one_word(cls, value: Any) -> Any:
        """`calls: never` says the same as `calls: {answer_within: never}`."""
        return {"answer_within": "never"} if value == "never" else value


class Published(Column):
    """The source's own verdict, compared at the end and never fed."""

    overdue: frozenset[str]
    not_overdue: frozenset[str]


class Profile(Part):
    """A city's file → issues and actions."""

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
        """The columns that the profile names, each with the key that names it, in the order of the file."""
        named = {
            "reference": self.reference,
            "line": self.line,
            "category": self.category,
            "reported": self.reported,
        }
        found = {part.column: f"{key}.column" for key, part in named.items()}
        for key, part in (("due", self.due), ("ended", self.ended), ("published", self.published)):
            if part:
                found.setdefault(part.column, f"{key}.column")
        if self.ended and self.ended.state:
            found.setdefault(self.ended.state.column, "ended.state.column")
        for i, place in enumerate(self.place):
            for column, key in place_columns(place):
                found.setdefault(column, f"place.{i}.{key}")
        return found


def place_columns(place: Place) -> list[tuple[str, str]]:
    """The columns of one way to find the place, each with its key."""
    if place.point:
        return [(place.point.lat, "point.lat"), (place.point.lon, "point.lon")]
    if place.grid:
        return [(place.grid.column, "grid.column")]
    return [(place.street.column, "street.column")] if place.street else []


def is_text(text: str) -> bool:
    """Without NUL and without lone surrogates."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


class SourceLines:
    """At which line of the file each key stands."""

    def __init__(self, path: Path, root: yaml.Node) -> None:
        self.path = path
        self._lines: dict[tuple[str, ...], int] = {}
        self._visit(root, ())

    def _visit(self, node: yaml.Node, at: tuple[str, ...]) -> None:
        self._lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode) and not is_text(node.value):
            raise ProfileError(
                f"{self.path}:{node.start_mark.line + 1}: {'.'.join(at)}: NUL or half a character stands here"
            )
        if isinstance(node, yaml.MappingNode):
            for key, item in node.value:
                inner = (*at, str(key.value))
                if inner in self._lines:
                    raise ProfileError(
                        f"{self.path}:{key.start_mark.line + 1}: {'.'.join(inner)}: this key stands here twice"
                    )
                self._lines[inner] = key.start_mark.line + 1
                self._visit(key, inner)
                self._visit(item, inner)
        elif isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                self._visit(item, (*at, str(i)))

    def written(self, at: tuple[str, ...], *, missing: bool) -> tuple[str, ...]:
        """The part of a place that is written in the file; a missing key is the one step beyond it."""
        known = at
        while known and known not in self._lines:
            known = known[:-1]
        return at[: len(known) + 1] if missing else known

    def where(self, at: tuple[str, ...]) -> str:
        """file:line of a key, or of the nearest one around it."""
        while at and at not in self._lines:
            at = at[:-1]
        return f"{self.path}:{self._lines.get(at, 1)}"


def load_profile(path: Path) -> tuple[Profile, SourceLines]:
    """Read a profile. Raises ProfileError with every finding, one a line: file:line: key: what, and what to do."""
    try:
        text = path.read_text(encoding="utf-8")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise ProfileError(f"{path}: aliases (*name) are not read; write it out")
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        data = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  # It makes text, lists and mappings, nothing else.
        if not isinstance(data, dict) or root is None:
            raise ProfileError(
                f"{path}: a profile is a mapping of keys; start from the one in docs/simulate.md"
            )
        lines = SourceLines(path, root)
    except OSError as error:
        raise ProfileError(
            f"{path}: cannot be read: {error.strerror}; name a profile that exists"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ProfileError(f"{path}: not a YAML file in UTF-8: {error}") from error
    try:
        return Profile.model_validate(data), lines
    except ValidationError as error:
        raise ProfileError("\n".join(finding(item, lines) for item in error.errors())) from error


def finding(item: Any, lines: SourceLines) -> str:
    """One finding of pydantic as file:line: key: what, and what to do."""
    at = lines.written(tuple(str(step) for step in item["loc"]), missing=item["type"] == "missing")
    key = ".".join(at)
    where = lines.where(at)
    if item["type"] == "extra_forbidden":
        near = get_close_matches(at[-1], known_keys(at[:-1]), n=1, cutoff=0.0)
        return f"{where}: {key}: unknown key; did you mean {near[0]!r}?"
    if item["type"] == "missing":
        return f"{where}: {key}: this key is missing; add it"
    return f"{where}: {key}: {item['msg']} (got {item['input']!r})"


def known_keys(at: tuple[str, ...]) -> list[str]:
    """The keys that a profile may have at a place."""
    model: type[BaseModel] = Profile
    for step in at:
        if not step.isdigit():
            model = next(iter(models_in(model.model_fields[step].annotation)))
    return [field.alias or name for name, field in model.model_fields.items()]


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation names, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in models_in(inner)]
