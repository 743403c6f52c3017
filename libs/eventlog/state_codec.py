"""Encodes an aggregate for a store, exactly: what is decoded decides as what was encoded.

The bytes are JSON: the name of the state's class, its fields, and what waits behind it if it is
parked. Keys and timers are no part of them, because they follow from the state.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from eventlog.codec import decode_event, encoder, typed_data
from eventlog.core.aggregates import Aggregate
from eventlog.core.decider import REFERENCE
from eventlog.core.stage import Stage
from events.errors import Outdated
from events.instants import BEGINNING, Instant
from events.registry import UnknownEvent
from events.stored_inputs import INSTALL_NEWER, StoredInput


class StateRow(NamedTuple):
    """An aggregate as a store has it, after its event number `sequence`."""

    subject: str
    sequence: int
    live: bool
    data: bytes


class Taken(NamedTuple):
    """An aggregate as it was at one instant. Its values are immutable, so that nothing is copied
    but the list of what waits.
    """

    subject: str
    sequence: int
    live: bool
    state: Any
    deferred: tuple[StoredInput, ...] | None
    parked_at: Instant


class Encoded(msgspec.Struct, array_like=True):
    """The JSON of an aggregate."""

    kind: str
    state: msgspec.Raw
    parked_at: int = BEGINNING
    deferred: list[StoredInput] | None = None


class StateCodec:
    """The codec of the aggregates of one stage. `states` are the classes of their states."""

    def __init__(self, states: Sequence[type[Any]]) -> None:
        self._decoders = {each.__name__: msgspec.json.Decoder(each) for each in states}
        self._digest = digest_of(states)

    def version(self, stage: Stage[Any, Any]) -> str:
        """Return the version of state rows: other builds cannot read them, or fold otherwise."""
        return f"{stage.newest_version}/{self._digest}"

    def encode(self, taken: Taken) -> StateRow:
        """Return the row of an aggregate, or of reference data."""
        subject, sequence, live, state, deferred, parked_at = taken
        if subject == REFERENCE:
            return StateRow(subject, sequence, live, encode_adoptions(state))
        parts = [type(state).__name__, state]
        if deferred is not None:
            parts += [parked_at, deferred]
        return StateRow(subject, sequence, live, encoder.encode(parts))

    def decode(self, row: StateRow) -> Aggregate[Any]:
        """Return an aggregate without its keys and timers. Raises NO_EVENT for other bytes."""
        encoded = decode_encoded(row.data)
        aggregate = Aggregate(self._decoders[encoded.kind].decode(encoded.state))
        aggregate.sequence = row.sequence
        aggregate.deferred = encoded.deferred
        aggregate.parked_at = encoded.parked_at
        return aggregate


decode_encoded = msgspec.json.Decoder(Encoded).decode
decode_adoptions = msgspec.json.Decoder(list[tuple[str, msgspec.Raw]]).decode


def take(stage: Stage[Any, Any], name: str) -> Taken:
    """Return an aggregate of a stage as it is now. The state of reference data are the adoptions
    in force.
    """
    aggregate = stage.aggregates.by_name[name]
    if name == REFERENCE:
        adoptions = tuple(stage.adoptions.values())
        return Taken(name, aggregate.sequence, True, adoptions, None, BEGINNING)
    deferred = None if aggregate.deferred is None else tuple(aggregate.deferred)
    return Taken(
        name, aggregate.sequence, aggregate.is_live, aggregate.state, deferred, aggregate.parked_at
    )


def encode_adoptions(events: Iterable[Any]) -> bytes:
    """Return adoptions as they are stored, in order."""
    typed = map(typed_data, events)
    return encoder.encode([(name, msgspec.Raw(data)) for name, data in typed])


def decode_adoptions_of(row: StateRow) -> list[Any]:
    """Return the adoptions of the row of reference data. Raises NO_EVENT, or Outdated."""
    events = [decode_event(name, data) for name, data in decode_adoptions(row.data)]
    for event in events:
        if type(event) is UnknownEvent:
            raise Outdated(f"{row.subject} has a {event.type}, {INSTALL_NEWER}")
    return events


def digest_of(states: Sequence[type[Any]]) -> str:
    """Return a digest of the types of states. It changes with each field, and with no docstring."""
    types, parts = msgspec.json.schema_components(states)
    described = [types, {name: without_prose(part) for name, part in parts.items()}]
    return sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


def without_prose(schema: Any) -> Any:
    """Return a JSON schema without its descriptions. A field may have that name."""
    if isinstance(schema, list):
        return [without_prose(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: without_prose(each) for key, each in schema.items() if key != "description"}
    if fields := schema.get("properties"):
        parts["properties"] = {name: without_prose(each) for name, each in fields.items()}
    return parts
