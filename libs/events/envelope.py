"""A row as a CloudEvents 1.0 JSON event, and back: pure, and deterministic to the byte (sorted keys, no spaces, UTF-8).

Beside the attributes of the specification it has documented extensions: `position`, `sequence` (within the subject),
`step` (number within its decision), `input`, `causationid`, `partitionkey` and `dataclassification`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from events.catalogue import CATALOGUE, TYPE_OF, Instant
from events.row import Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
encoder = msgspec.json.Encoder(order="sorted")


@lru_cache(maxsize=4096)
def rfc3339(ts: Instant) -> str:
    """An instant as `2015-01-01T05:20:09Z`, with `.ffffff` only where it is not zero."""
    return (EPOCH + timedelta(microseconds=ts)).isoformat().replace("+00:00", "Z")


def instant(moment: datetime) -> Instant:
    """The instant of an aware datetime, in microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def envelope(row: Row) -> bytes:
    """The stored, hashed and published form of a row."""
    kind = TYPE_OF[type(row.event)]
    fields: dict[str, Any] = {
        "data": row.event,
        "dataclassification": "personal" if kind.personal else "internal",
        "dataschema": f"urn:gridcall:schema:{kind.name}",
        "id": f"{row.log}/{row.shard}/{row.pos}",
        "input": row.input,
        "partitionkey": row.shard,
        "position": row.pos,
        "sequence": row.seq,
        "source": f"/gridcall/{row.shard}/{row.log}",
        "specversion": "1.0",
        "step": row.n,
        "subject": row.subject,
        "time": rfc3339(row.ts),
        "type": kind.name,
    }
    if row.cause:
        fields["causationid"] = row.cause
    return encoder.encode(fields)


class Wire(msgspec.Struct):
    """The envelope's fields that a row is made from."""

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


wire_decoder = msgspec.json.Decoder(Wire)


@lru_cache(maxsize=None)
def data_decoder(type_name: str) -> msgspec.json.Decoder[Any]:
    """The decoder of one event's fields. Raises KeyError for a type that the catalogue does not have."""
    return msgspec.json.Decoder(CATALOGUE[type_name].cls)


def opened(body: bytes) -> Row:
    """The row of an envelope: `opened(envelope(row)) == row`. Raises msgspec.DecodeError for anything else."""
    wire = wire_decoder.decode(body)
    log, shard, _ = wire.id.split("/")
    event = data_decoder(wire.type).decode(wire.data)
    ts = instant(wire.time)
    return Row(log, shard, wire.position, ts, wire.input, wire.step, wire.subject, wire.sequence, wire.causationid, event)
