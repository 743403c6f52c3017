"""The quarantine: records of `inbound.<line>` that were not accepted, with the place where they lay and the reason.

Nothing is skipped silently: a record is accepted, or is here until an operator lets it be tried again or discards it. What the
broker no longer had when it was asked is here too, without a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from eventlog.postgres.pool import Database
from httpedge.strict_json import ITEM_BYTES_MAX
from intake.inbound.cloudevents import Record

COLUMNS = "id, line, partition, place, at, again, problem, key, headers, value, size"
headers_of = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode


class Refused(NamedTuple):
    """What is put into quarantine: where it lay, what it was (None: it was gone), and why it was not accepted."""

    partition: int
    offset: int
    record: Record | None
    problem: dict[str, Any]


class Kept(NamedTuple):
    """What is in quarantine. `place` is its offset; `again`: it is to be tried again; `size`: the bytes that it had."""

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
        """Whether it can be tried again."""
        return self.record is not None and len(self.record.value or b"") == self.size

    @property
    def reason(self) -> str:
        """Why it was not accepted, in a line."""
        errors = self.problem.get("errors", ())
        return " ".join(
            [
                self.problem["detail"],
                *(f"{error['pointer']}: {error['detail']}" for error in errors[:1]),
            ]
        )


class Quarantine:
    """The quarantine of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self, line: str | None = None, ids: Sequence[int] = ()) -> list[Kept]:
        """What is in it, the oldest first: all, or of a line, or by number."""
        wanted = "($1::text IS NULL OR line = $1) AND ($2 OR id = ANY ($3))"
        sql = f"SELECT {COLUMNS} FROM intake.quarantine WHERE {wanted} ORDER BY id"  # noqa: S608
        return [
            kept(record) for record in await self._database.fetch(sql, line, not ids, list(ids))
        ]

    async def waiting(self, line: str, limit: int) -> list[Kept]:
        """What is to be tried again."""
        sql = f"SELECT {COLUMNS} FROM intake.quarantine WHERE line = $1 AND again ORDER BY id LIMIT $2"  # noqa: S608
        return [kept(record) for record in await self._database.fetch(sql, line, limit)]

    async def retry(self, ids: Sequence[int]) -> None:
        """Let some be tried again, by the intake that reads their line."""
        await self._database.fetch(
            "UPDATE intake.quarantine SET again = true WHERE id = ANY ($1)", list(ids)
        )

    async def still(self, number: int, problem: dict[str, Any]) -> None:
        """It was tried again, and not accepted."""
        sql = "UPDATE intake.quarantine SET again = false, problem = $2 WHERE id = $1"
        await self._database.fetch(sql, number, msgspec.json.encode(problem))

    async def discard(self, ids: Sequence[int]) -> int:
        """Forget some, for ever; how many there were."""
        sql = "DELETE FROM intake.quarantine WHERE id = ANY ($1) RETURNING id"
        return len(await self._database.fetch(sql, list(ids)))


def kept(row: Any) -> Kept:
    """A row of the table."""
    number, line, partition, place, at, again, problem, key, headers, value, size = row
    record = None if headers is None else Record(key, value, headers_of(headers))
    return Kept(
        number, line, partition, place, at, again, msgspec.json.decode(problem), record, size
    )


def columns(refused: Sequence[Refused]) -> list[list[Any]]:
    """What is stored of each, column by column. Of a very long value its beginning is kept: to be shown, not tried again."""
    rows = [(each, each.record) for each in refused]
    return [
        [each.partition for each in refused],
        [each.offset for each in refused],
        [msgspec.json.encode(each.problem) for each in refused],
        [record.digest if record else b"" for _, record in rows],
        [record.key if record else None for _, record in rows],
        [msgspec.msgpack.encode(list(record.headers)) if record else None for _, record in rows],
        [
            record.value[:ITEM_BYTES_MAX] if record and record.value is not None else None
            for _, record in rows
        ],
        [len(record.value or b"") if record else 0 for _, record in rows],
    ]
