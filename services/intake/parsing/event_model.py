"""Models that are made from events: what a sender posts is what the event has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import Field, create_model

from events.instants import Epoch
from events.texts import Matching, Printable
from intake.parsing.field_types import Chars, Rfc3339, Strict

LIST_MAX = 100  # Elements of one list in an item.


class ValueModel(Strict):
    """A model of a value, for example of a plan's entry."""

    value_class: ClassVar[type[Any]]

    def to_value(self) -> Any:
        """Return the value."""
        return self.value_class(**values_of(self, type(self).model_fields))


def values_of(model: Strict, names: Iterable[str]) -> dict[str, Any]:
    """Return the values of these fields of a model, as an event has them."""
    return {name: plain(getattr(model, name)) for name in names}


def plain(content: Any) -> Any:
    """Return the content of a field with values instead of models."""
    if isinstance(content, ValueModel):
        return content.to_value()
    if isinstance(content, tuple):
        return tuple(map(plain, content))
    return content


def posted_fields(cls: type[Any], omitted: Iterable[str] = ()) -> dict[str, Any]:
    """Return the fields of a model for an event or value: each name with its type and default."""
    hints = get_type_hints(cls, include_extras=True)
    return {
        field.name: posted_field(f"{cls.__name__}.{field.name}", hints[field.name])
        for field in fields(cls)
        if field.name not in omitted
    }


def posted_field(name: str, hint: Any) -> tuple[Any, Any]:
    """Return the type and the default of a field: one that may be None may be left out."""
    return posted_type(name, hint), None if NoneType in get_args(hint) else ...


def posted_type(name: str, hint: Any) -> Any:
    """Return the type of what is posted for a field of an event.

    Raises TypeError for a field whose type sets no limit: `name` is the field.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return limited_type(name, hint)
    if origin in (Union, UnionType):
        return Union[tuple(posted_type(name, arg) for arg in args)]  # noqa: UP007
    if origin is tuple and args[-1] is Ellipsis:
        elements: Any = tuple.__class_getitem__((posted_type(name, args[0]), ...))
        return Annotated[elements, Field(max_length=LIST_MAX)]
    if origin is Literal or hint in (bool, float, date, NoneType):
        return hint
    if isinstance(hint, type) and is_dataclass(hint):
        return value_model(hint)
    raise TypeError(
        f"{name}: {hint} sets no limit for what is posted; see libs/events/texts.py for texts"
    )


def limited_type(name: str, hint: Any) -> Any:
    """Return the type of what is posted for an annotated type."""
    for limit in hint.__metadata__:
        match limit:
            case Printable():
                return Annotated[str, Chars(limit.chars_max)]
            case Matching():
                return Annotated[str, Field(pattern=limit.pattern)]
            case Epoch():
                return Annotated[int, Rfc3339()]
    return posted_type(name, get_args(hint)[0])


@cache
def value_model(cls: type[Any]) -> type[ValueModel]:
    """Return the model of a value."""
    model: type[ValueModel] = create_model(
        cls.__name__, __base__=ValueModel, __doc__=cls.__doc__, **posted_fields(cls)
    )
    model.value_class = cls
    return model
