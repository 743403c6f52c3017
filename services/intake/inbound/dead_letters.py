"""Dead letters: records of `inbound.<line>` that were not accepted, each with its place and reason.

Nothing is skipped in silence. A record is accepted, or it is here until an operator lets it be
tried again or discards it. What the broker deleted before it was read is here without a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from httpedge.strict_json import ITEM_BYTES_MAX
from intake.inbound.record import Record

decode_headers = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode


class Refused(NamedTuple):
    """A record to be stored as a dead letter; None if the broker no longer had it."""

    partition: int
    offset: int
    record: Record | None
    problem: dict[str, Any]


class DeadLetter(NamedTuple):
    """A stored dead letter: `place` is its offset, `size` the bytes of its value.

    `again` says that it is to be tried again.
    """

    id: int
    line: str
    partition: int
    place: int
    at: datetime
    again: bool
    problem: dict[str, Any]
    record: Record | None
    size: int

    @property
    def is_whole(self) -> bool:
        """The fact that all of it is stored, so that it can be tried again."""
        return self.record is not None and len(self.record.value or b"") == self.size

    @property
    def reason(self) -> str:
        """The reason for which it was not accepted, in a line."""
        first = [
            f"{error['pointer']}: {error['detail']}" for error in self.problem.get("errors", ())[:1]
        ]
        return " ".join([self.problem["detail"], *first])


def from_row(row: Any) -> DeadLetter:
    """Return the dead letter in a row of the table."""
    id_, line, partition, place, at, again, problem, key, headers, value, size = row
    record = None if headers is None else Record(key, value, decode_headers(headers))
    problem = msgspec.json.decode(problem)
    return DeadLetter(id_, line, partition, place, at, again, problem, record, size)


def to_columns(refused: Sequence[Refused]) -> list[list[Any]]:
    """Return what is stored of each, column by column.

    Of a very long value the beginning is stored: to be shown, not to be tried again.
    """
    records = [each.record for each in refused]
    return [
        [each.partition for each in refused],
        [each.offset for each in refused],
        [msgspec.json.encode(each.problem) for each in refused],
        [record.digest if record else b"" for record in records],
        [record.key if record else None for record in records],
        [msgspec.msgpack.encode(list(record.headers)) if record else None for record in records],
        [first_bytes(record.value) if record else None for record in records],
        [len(record.value or b"") if record else 0 for record in records],
    ]


def first_bytes(value: bytes | None) -> bytes | None:
    """Return as much of a value as is stored."""
    return None if value is None else value[:ITEM_BYTES_MAX]
