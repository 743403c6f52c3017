"""Shares equal values between the rows of a replay, so that the states of cases share them, too.

A stage that decides shares them by itself: the cases of a grid get one assignment. Rows that are
read come with copies of their own, which were over half of the memory that routing's states took.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple, get_args, get_type_hints

from eventlog.core.row import Row
from events.registry import SHARED

VALUES_MAX = 65_536  # A value that is not among them stays a copy.


class Shareable(NamedTuple):
    """The fields of an event that may be shared.

    `name` is its first text, which may be the subject of the row; empty without any. `values` are
    shared as they are. `parts` are other values, with the texts in them that are shared.
    """

    name: str
    values: tuple[str, ...]
    parts: tuple[tuple[str, tuple[str, ...]], ...]


class SharedValues:
    """The values of the rows of one replay, equal ones once."""

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}
        self._fields: dict[type[Any], Shareable] = {}
        self._subject = ""

    def share(self, rows: Iterable[Row]) -> None:
        """Put equal values into the events of rows. Nobody notices, because they are equal."""
        for row in rows:
            if row.subject != self._subject:  # A case is reported and placed by one decision.
                self._subject = row.subject
            self.share_value(row.event)

    def share_value(self, event: Any) -> None:
        """Put equal values into an event, or into a state that was loaded."""
        name, values, parts = self._fields.get(type(event)) or self._learn(type(event))
        if name and getattr(event, name) == self._subject:
            setattr(event, name, self._subject)
        for field in values:
            setattr(event, field, self._one(getattr(event, field)))
        for field, texts in parts:
            part = getattr(event, field)
            for text in texts if part is not None else ():
                setattr(part, text, self._one(getattr(part, text)))

    def _one(self, value: Any) -> Any:
        """Return the first value that equals this one."""
        values = self._values
        if len(values) < VALUES_MAX:
            return values.setdefault(value, value)
        return values.get(value, value)

    def _learn(self, kind: type[Any]) -> Shareable:
        self._fields[kind] = learnt = shareable(kind)
        return learnt


def shareable(kind: type[Any]) -> Shareable:
    """Return the fields of an event that may be shared."""
    classes = {name: class_of(hint) for name, hint in get_type_hints(kind).items()}
    return Shareable(
        name=next(iter(text_fields(kind)), ""),
        values=tuple(name for name, cls in classes.items() if cls in SHARED),
        parts=tuple(
            (name, text_fields(cls))
            for name, cls in classes.items()
            if is_dataclass(cls) and cls not in SHARED and text_fields(cls)
        ),
    )


def class_of(hint: Any) -> Any:
    """Return the class of a field that may be None; None if it may be of several classes."""
    classes = [each for each in get_args(hint) or (hint,) if each is not type(None)]
    return classes[0] if len(classes) == 1 and isinstance(classes[0], type) else None


def text_fields(kind: Any) -> tuple[str, ...]:
    """Return the names of the fields that are texts."""
    hints = get_type_hints(kind)
    return tuple(each.name for each in fields(kind) if hints[each.name] is str)
