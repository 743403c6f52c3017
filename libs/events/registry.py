"""The registry of events: each declares itself once, and everything else reads it here.

The newest version of an event is a class with the plain name. An earlier one has the suffix of its
version, and an upcaster to the next one:

    @event("cases", version=2, words=…)
    class CaseVisited: …

    @event("cases", version=1, words=…)
    class CaseVisitedV1: …

    @upcaster
    def add_outcome(event: CaseVisitedV1) -> CaseVisited: …

A log keeps each event as it was written. `latest` gives it to those who fold it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, dataclass_transform, get_type_hints, overload

T = TypeVar("T")
Upcaster = TypeVar("Upcaster", bound=Callable[[Any], Any])

VERSION_SUFFIX = re.compile(r"V(\d+)$")
TYPE_NAME = re.compile(r"gridcall\.[a-z][a-z0-9-]*\.v[1-9][0-9]*")


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
    decided; its field `input` then has that input.
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


@dataclass(slots=True, unsafe_hash=True)
class UnknownEvent:
    """An event of a type that this build does not know, because a newer build wrote it.

    `data` are its fields in JSON, as they came. `personal` is its classification if that is known;
    else it counts as personal, which protects more.
    """

    type: str
    data: bytes
    personal: bool = field(default=True, compare=False)


CATALOGUE: dict[str, EventType] = {}
TYPE_OF: dict[type[Any], EventType] = {}
UPCASTERS: dict[type[Any], Callable[[Any], Any]] = {}
SHARED: set[type[Any]] = set()


def short_type(type_name: str) -> str:
    """Return a type name without prefix and version: `gridcall.call-raised.v1` → `call-raised`."""
    return type_name.removeprefix("gridcall.").rpartition(".")[0]


def type_name(event: Any) -> str:
    """Return the name of an event's type, also of an unknown one."""
    return event.type if type(event) is UnknownEvent else TYPE_OF[type(event)].name


def newest_types() -> list[EventType]:
    """Return the newest version of every event, in the order of their declarations."""
    newest = {kind.short: kind.version for kind in CATALOGUE.values()}
    for kind in CATALOGUE.values():
        newest[kind.short] = max(newest[kind.short], kind.version)
    return [kind for kind in CATALOGUE.values() if kind.version == newest[kind.short]]


def newer_version(kind: EventType) -> EventType | None:
    """Return the newest version of an event if this is an earlier one."""
    (newest,) = (each for each in newest_types() if each.short == kind.short)
    return None if newest is kind else newest


def names_of_versions(kinds: Iterable[type[Any]]) -> list[str]:
    """Return the type names of these events in each version, as a store has them."""
    wanted = {TYPE_OF[kind].short for kind in kinds}
    return [name for name, kind in CATALOGUE.items() if kind.short in wanted]


def latest(event: Any) -> Any:
    """Return an event in its newest version, as it is folded. Most are in it already."""
    while (upcast := UPCASTERS.get(type(event))) is not None:
        event = upcast(event)
    return event


def latest_of(events: Sequence[Any]) -> Sequence[Any]:
    """Return events in their newest versions; the same list if all are in them."""
    if UPCASTERS.keys().isdisjoint(map(type, events)):
        return events
    return [latest(event) for event in events]


def upcaster(function: Upcaster) -> Upcaster:
    """Enter a function from a version of an event to the next one. It is pure and never raises.

    Its annotations name both. Raises TypeError if they do not follow each other.
    """
    hints = get_type_hints(function)
    after = TYPE_OF[hints.pop("return")]
    (before,) = (TYPE_OF[hint] for hint in hints.values())
    if (before.short, before.version + 1) != (after.short, after.version):
        raise TypeError(f"{function.__name__}: {after.name} does not follow {before.name}")
    UPCASTERS[before.cls] = function
    return function


@overload
def value(cls: type[T], /) -> type[T]: ...


@overload
def value(*, kw_only: bool, shared: bool = False) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True)
def value(cls: type[T] | None = None, /, *, kw_only: bool = False, shared: bool = False) -> Any:
    """Make a class a value: what events and states are made of. The type checker keeps it
    immutable.

    Many events have equal values of a `shared` class. A replay lets them have one object.

    Python's own frozen dataclasses take three times as long to make, and making them is much of
    what a decider does.
    """
    if cls is not None:
        return dataclass(slots=True, unsafe_hash=True)(cls)
    make = dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)
    return (lambda cls: note_shared(make(cls))) if shared else make


def note_shared(cls: type[T]) -> type[T]:
    """Enter a class in SHARED, and return it."""
    SHARED.add(cls)
    return cls


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
    """Make a class an event of `logs`, with keyword-only fields, and enter it in the catalogue.

    The name of an earlier version has its suffix. Raises TypeError for the suffix of another one.
    """

    def enter(cls: type[T]) -> type[T]:
        suffix = VERSION_SUFFIX.search(cls.__name__)
        if suffix and int(suffix[1]) != version:
            raise TypeError(f"{cls.__name__} is declared as version {version}")
        plain = VERSION_SUFFIX.sub("", cls.__name__)
        dashed = re.sub(r"(?<!^)(?=[A-Z])", "-", plain).lower()
        name = f"gridcall.{dashed}.v{version}"
        made = value(kw_only=True)(cls)
        CATALOGUE[name] = TYPE_OF[made] = EventType(
            name=name,
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
