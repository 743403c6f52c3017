"""Encodes a row for a store (its entry) and as a CloudEvents 1.0 JSON event (its envelope).

All functions are pure, and deterministic to the byte (sorted keys, no spaces, UTF-8). An envelope
has extensions, which docs/events.md lists: `position`, `sequence` (within the subject), `step`
(within the decision), `input`, `causationid`, `partitionkey` and `dataclassification`.

Events are decoded by the registry, so the program must have imported its catalogue. A row keeps its
event in the version in which it was written. A type that this build does not know gives an
`UnknownEvent`, which is written again as it came. Data that do not fit a known type are a fault.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec

from eventlog.core.row import Row, make
from events.errors import Halted, Invalid
from events.instants import Instant, instant, rfc3339
from events.registry import CATALOGUE, TYPE_NAME, TYPE_OF, UnknownEvent

sorted_encoder = msgspec.json.Encoder(order="sorted")
encoder = msgspec.json.Encoder()


class Wire(msgspec.Struct):
    """The envelope on the wire, its fields in the order of their names."""

    causationid: str | msgspec.UnsetType
    data: msgspec.Raw
    dataclassification: str
    dataschema: str
    id: str
    input: int
    partitionkey: str
    position: int
    sequence: int
    source: str
    specversion: str
    step: int
    subject: str
    time: str
    type: str


class Received(msgspec.Struct):
    """The fields of a received envelope from which a row is made."""

    id: str
    time: datetime
    type: str
    subject: str
    position: int
    input: int
    step: int
    sequence: int
    data: msgspec.Raw
    causationid: str = ""


class Classified(msgspec.Struct):
    """The classification of a received envelope. Known types declare it themselves."""

    dataclassification: str


decoder = msgspec.json.Decoder(Received)
classification_decoder = msgspec.json.Decoder(Classified)

# The errors of decoding what is no event of the catalogue.
NO_EVENT = (msgspec.DecodeError, KeyError, ValueError, TypeError)


class Entry(NamedTuple):
    """A row of a log as a store has it, column by column.

    The event is the name of its type, and its fields in JSON.
    """

    position: int
    time: Instant
    input: int
    step: int
    subject: str
    sequence: int
    cause: str
    type: str
    data: bytes


def entry(row: Row) -> Entry:
    """Return the entry of a row."""
    _, _, position, time, input_, step, subject, sequence, cause, event = row
    name, data = typed_data(event)
    return make(Entry, (position, time, input_, step, subject, sequence, cause, name, data))


def typed_data(event: Any) -> tuple[str, bytes]:
    """Return the name of an event's type, and its fields in JSON."""
    if type(event) is UnknownEvent:
        return event.type, event.data
    return TYPE_OF[type(event)].name, sorted_encoder.encode(event)


def row_of(log: str, shard: str, columns: Iterable[Any]) -> Row:
    """Return the row of an entry: `row_of(log, shard, entry(row)) == row`. Raises NO_EVENT."""
    position, time, input_, step, subject, sequence, cause, type_name, data = columns
    event = decode_event(type_name, data)
    return make(Row, (log, shard, position, time, input_, step, subject, sequence, cause, event))


def stored_row(log: str, shard: str, columns: Iterable[Any]) -> Row:
    """Return the row of an entry of a database. Raises Halted if its fields are not its type's."""
    try:
        return row_of(log, shard, columns)
    except NO_EVENT as fault:
        position, *_, type_name, _ = columns
        raise Halted(
            f"{log}/{shard}/{position} is no {type_name} of this build: {fault}. Either it was "
            "changed, or an unreleased build wrote it: see gridcall verify, or begin a new database"
        ) from fault


def decode_event(type_name: str, data: bytes | msgspec.Raw) -> Any:
    """Return the event of a type name and its fields in JSON. Raises NO_EVENT."""
    if type_name not in CATALOGUE and TYPE_NAME.fullmatch(type_name):
        return UnknownEvent(type_name, bytes(data))
    return data_decoder(type_name).decode(data)


def envelope(row: Row) -> bytes:
    """Return the published and hashed form of a row."""
    event = row.event
    is_personal = event.personal if type(event) is UnknownEvent else None
    return entry_envelope(row.log, row.shard, entry(row), is_personal)


def entry_envelope(log: str, shard: str, entry_: Entry, is_personal: bool | None = None) -> bytes:
    """Return the envelope of an entry. Its data are copied as they are.

    `is_personal` is its classification, if it is not that of its type.
    """
    position, time, input_, step, subject, sequence, cause, type_name, data = entry_
    if is_personal is None:
        is_personal = is_personal_type(type_name)
    return encoder.encode(
        Wire(
            cause or msgspec.UNSET,
            msgspec.Raw(data),
            "personal" if is_personal else "internal",
            f"urn:gridcall:schema:{type_name}",
            f"{log}/{shard}/{position}",
            input_,
            shard,
            position,
            sequence,
            f"/gridcall/{shard}/{log}",
            "1.0",
            step,
            subject,
            rfc3339(time),
            type_name,
        )
    )


def is_personal_type(type_name: str) -> bool:
    """Return the classification of a type. An unknown one counts as personal. Raises KeyError for
    the name of no event.
    """
    if type_name not in CATALOGUE and TYPE_NAME.fullmatch(type_name):
        return True
    return CATALOGUE[type_name].personal


@cache
def data_decoder(type_name: str) -> msgspec.json.Decoder[Any]:
    """Return the decoder of an event's fields. Raises KeyError for a type that is not
    registered.
    """
    return msgspec.json.Decoder(CATALOGUE[type_name].cls)


def read_envelope(body: bytes) -> Row:
    """Return the row of an envelope: `read_envelope(envelope(row)) == row`. Raises Invalid."""
    try:
        wire = decoder.decode(body)
        log, shard, _ = wire.id.split("/")
        event = decode_event(wire.type, wire.data)
        if type(event) is UnknownEvent:
            classification = classification_decoder.decode(body).dataclassification
            event = UnknownEvent(event.type, event.data, classification == "personal")
        time = instant(wire.time)
    except NO_EVENT as fault:
        raise Invalid(
            "envelope", body[:200].decode(errors="replace"), f"not an event of ours: {fault}"
        ) from fault
    return Row(
        log,
        shard,
        wire.position,
        time,
        wire.input,
        wire.step,
        wire.subject,
        wire.sequence,
        wire.causationid,
        event,
    )
