"""Values as plain data, as JSON has them, and back: for an action stored inside an event."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import date
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints


def to_plain(item: Any) -> Any:
    """Return a value as plain data: dicts for values, lists for tuples, texts for dates."""
    if is_dataclass(item):
        return {field.name: to_plain(getattr(item, field.name)) for field in fields(item)}
    if isinstance(item, tuple):
        return [to_plain(each) for each in item]
    if isinstance(item, date):
        return item.isoformat()
    return item


def from_plain(kind: Any, plain: Any) -> Any:
    """Return the value of a type whose plain data `to_plain` gave."""
    if get_origin(kind) is Annotated:
        return from_plain(get_args(kind)[0], plain)
    if isinstance(plain, list):
        (element, *_) = get_args(kind)
        return tuple(from_plain(element, each) for each in plain)
    if isinstance(plain, dict):
        cls = next((each for each in (kind, *get_args(kind)) if is_dataclass(each)), None)
        if isinstance(cls, type):
            hints = field_types(cls)
            return cls(**{name: from_plain(hints[name], each) for name, each in plain.items()})
    if kind is date and plain is not None:
        return date.fromisoformat(plain)
    return plain


@cache
def field_types(cls: type[Any]) -> dict[str, Any]:
    """Return the types of the fields of a value, without `| None`."""
    return {name: without_none(hint) for name, hint in get_type_hints(cls).items()}


def without_none(hint: Any) -> Any:
    """Return the other type of `X | None`; any other type as it is."""
    rest = [each for each in get_args(hint) if each is not NoneType]
    return rest[0] if NoneType in get_args(hint) and len(rest) == 1 else hint
