"""A row as a CloudEvents 1.0 JSON event, and back: pure, and deterministic to the byte (sorted keys, no spaces, UTF-8).

Beside the attributes of the specification it has documented extensions: `position`, `sequence` (within the subject),
`step` (number within its decision), `input`, `causationid`, `partitionkey` and `dataclassification`.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from events.catalogue import CATALOGUE, TYPE_OF
from events.errors import Invalid
from events.instants import instant, rfc3339
from events.row import Row

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
    """What a row is made from, of an envelope that was received."""

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


decoder = msgspec.json.Decoder(Received)


def envelope(row: Row) -> bytes:
    """The stored, hashed and published form of a row."""
    log, shard, pos, ts, input_, n, subject, seq, cause, event = row
    kind = TYPE_OF[type(event)]
    return encoder.encode(
        Wire(
            cause or msgspec.UNSET,
            msgspec.Raw(sorted_encoder.encode(event)),
            "personal" if kind.personal else "internal",
            f"urn:gridcall:schema:{kind.name}",
            f"{log}/{shard}/{pos}",
            input_,
            shard,
            pos,
            seq,
            f"/gridcall/{shard}/{log}",
            "1.0",
            n,
            subject,
            rfc3339(ts),
            kind.name,
        )
    )


@cache
def data_decoder(type_name: str) -> msgspec.json.Decoder[Any]:
    """The decoder of one event's fields. Raises KeyError for a type that the catalogue does not have."""
    return msgspec.json.Decoder(CATALOGUE[type_name].cls)


def opened(body: bytes) -> Row:
    """The row of an envelope: `opened(envelope(row)) == row`. Raises Invalid for anything else."""
    try:
        wire = decoder.decode(body)
        log, shard, _ = wire.id.split("/")
        event = data_decoder(wire.type).decode(wire.data)
        ts = instant(wire.time)
    except (msgspec.DecodeError, KeyError, ValueError, TypeError) as fault:
        raise Invalid("envelope", body[:200].decode(errors="replace"), f"not an event of ours: {fault}") from fault
    return Row(log, shard, wire.position, ts, wire.input, wire.step, wire.subject, wire.sequence, wire.causationid, event)
