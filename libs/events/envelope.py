"""A row as a CloudEvents 1.0 JSON event, and back: pure, and deterministic to the byte (sorted keys, no spaces, UTF-8).

Beside the attributes of the specification it has documented extensions: `position`, `sequence` (within the subject),
`step` (number within its decision), `input`, `causationid`, `partitionkey` and `dataclassification`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

import msgspec

from events.catalogue import CATALOGUE, TYPE_OF, Instant
from events.row import Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
sorted_encoder = msgspec.json.Encoder(order="sorted")
encoder = msgspec.json.Encoder()


@lru_cache(maxsize=4096)
def date(days: int) -> str:
    """The date so many days after 1970-01-01, with its T."""
    return (EPOCH + timedelta(days=days)).isoformat()[:11]


@lru_cache(maxsize=86_400)
def time_of_day(seconds: int) -> str:
    """HH:MM:SS."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


@lru_cache(maxsize=4096)  # What one input caused has one time, in three logs.
def rfc3339(ts: Instant) -> str:
    """An instant as `2015-01-01T05:20:09Z`, with `.ffffff` only where it is not zero."""
    seconds, micros = divmod(ts, 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    fraction = f".{micros:06}" if micros else ""
    return f"{date(days)}{time_of_day(seconds)}{fraction}Z"


def instant(moment: datetime) -> Instant:
    """The instant of an aware datetime, in microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


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
    """The row of an envelope: `opened(envelope(row)) == row`. Raises msgspec.DecodeError for anything else."""
    wire = decoder.decode(body)
    log, shard, _ = wire.id.split("/")
    event = data_decoder(wire.type).decode(wire.data)
    ts = instant(wire.time)
    return Row(log, shard, wire.position, ts, wire.input, wire.step, wire.subject, wire.sequence, wire.causationid, event)
