"""The values of a profile: what each may be, and what to write instead."""

from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO, TextIOWrapper
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from gridcall.simulation.city.time_formats import check_format

T = TypeVar("T")
FORMAT_2 = "write format: 2"


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
        TextIOWrapper(BytesIO(), encoding=name)
    except LookupError:  # Python also has encodings of other things than text.
        raise ValueError(
            f"{name!r} is not a known encoding; write for example utf-8 or latin-1"
        ) from None
    return name


def check_delimiter(delimiter: str) -> str:
    """Return a character that can separate cells."""
    if delimiter in '"\r\n\0 ':
        raise ValueError(f"{delimiter!r} cannot separate cells; write for example ',' or ';'")
    return delimiter


def check_time_format(form: str, info: ValidationInfo) -> str:
    """Return a format of times that the profile's format knows."""
    if form in ("epoch", "epoch_ms") and is_format_1(info):
        raise ValueError(f"{form} is new in format 2: {FORMAT_2}")
    return check_format(form)


def parse_tolerance(text: Any) -> Any:
    """Return a number of square metres; infinity for `any`."""
    return float("inf") if text == "any" else text


def is_format_1(info: ValidationInfo) -> bool:
    """Return True if the profile that is validated has `format: 1`."""
    return info.context is not None and info.context["format"] == "1"


def check_new_key(value: Any, info: ValidationInfo) -> Any:
    """Return the value of a key that format 1 does not have."""
    if is_format_1(info):
        raise ValueError(f"this key is new in format 2: {FORMAT_2}")
    return value


def refuse_key(value: Any) -> Any:
    """Refuse a key of format 2 that is not built yet."""
    raise ValueError("this key of format 2 is not supported yet; leave it out")


def check_never(value: Any) -> Any:
    """Return `never`. Its other values are not built yet."""
    if value != "never":
        raise ValueError("only `never` is supported yet")
    return value


NEW_KEY = BeforeValidator(check_new_key)
Never = Annotated[Literal["never"], BeforeValidator(check_never)]
Unsupported = Annotated[None, BeforeValidator(refuse_key)]
Zone = Annotated[str, AfterValidator(check_zone)]
Pattern = Annotated[str, AfterValidator(check_pattern)]
KeepPattern = Annotated[str, AfterValidator(check_group)]
Encoding = Annotated[str, AfterValidator(check_encoding)]
Delimiter = Annotated[str, Field(min_length=1, max_length=1), AfterValidator(check_delimiter)]
TimeFormat = Annotated[str, AfterValidator(check_time_format)]
SquareMetres = Annotated[float, BeforeValidator(parse_tolerance), Field(ge=0)]
Duration = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=3660))]
