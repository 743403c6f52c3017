"""The registry of events: each declares itself once, and everything else reads it here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, dataclass_transform, overload

T = TypeVar("T")


class Words(NamedTuple):
    """The name of an event for people, in each language of the screen."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """The declaration of an event, beside its fields.

    `logs` are the logs that carry it. `personal` says that it names a worker or an officer by code.
    `case_stage` is the stage in which it puts its case, None if the case stays where it is.
    `reference` says that it adopts reference data. `defers` says that by it an input waits to be
    decided, or the waiting ones go on.
    """

    name: str
    version: int
    cls: type[Any]
    logs: tuple[str, ...]
    personal: bool
    case_stage: str | None
    reference: bool
    defers: bool
    words: Words

    @property
    def short(self) -> str:
        """The name without prefix and version: `gridcall.call-raised.v1` → `call-raised`."""
        return short_type(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parking:
    """The events about a parked subject, for a stage that knows no event by name.

    `parked` says that it waits for a retry, `deferred` that an input waits behind it, and `retried`
    that it goes on. Each names its subject in the field `subject_field`; `parked` has the reason in
    `fault`. Both of the first have in `input` the input that waits; `parked` has None if there is
    none.
    """

    parked: type[Any]
    deferred: type[Any]
    retried: type[Any]
    subject_field: str

    def park(self, subject: str, fault: str, stored: Any) -> Any:
        """Return the event that parks a subject, with the input that could not be decided."""
        return self.parked(**{self.subject_field: subject}, fault=fault, input=stored)

    def defer(self, subject: str, stored: Any) -> Any:
        """Return the event that puts an input behind a parked subject."""
        return self.deferred(**{self.subject_field: subject}, input=stored)

    def retry(self, subject: str) -> Any:
        """Return the event that ends the parking of a subject."""
        return self.retried(**{self.subject_field: subject})


CATALOGUE: dict[str, EventType] = {}
TYPE_OF: dict[type[Any], EventType] = {}


def short_type(type_name: str) -> str:
    """Return a type name without prefix and version: `gridcall.call-raised.v1` → `call-raised`."""
    return type_name.removeprefix("gridcall.").rpartition(".")[0]


@overload
def value(cls: type[T], /) -> type[T]: ...


@overload
def value(*, kw_only: bool) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True)
def value(cls: type[T] | None = None, /, *, kw_only: bool = False) -> Any:
    """Make a class a value: what events and states are made of. The type checker keeps it
    immutable.

    Python's own frozen dataclasses take three times as long to make, and making them is much of
    what a decider does.
    """
    if cls is not None:
        return dataclass(slots=True, unsafe_hash=True)(cls)
    return dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def event(
    *logs: str,
    words: Words,
    version: int = 1,
    personal: bool = False,
    case_stage: str | None = None,
    reference: bool = False,
    defers: bool = False,
) -> Callable[[type[T]], type[T]]:
    """Make a class an event of `logs`, with keyword-only fields, and enter it in the catalogue."""

    def enter(cls: type[T]) -> type[T]:
        made = value(kw_only=True)(cls)
        dashed = re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()
        CATALOGUE[f"gridcall.{dashed}.v{version}"] = TYPE_OF[made] = EventType(
            name=f"gridcall.{dashed}.v{version}",
            version=version,
            cls=made,
            logs=logs,
            personal=personal,
            case_stage=case_stage,
            reference=reference,
            defers=defers,
            words=words,
        )
        return made

    return enter
