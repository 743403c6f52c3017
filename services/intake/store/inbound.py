"""The topics of the lines: their progress, and their dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from eventlog.postgres.lease import take_leases
from intake.inbound.dead_letters import DeadLetter, Refused, from_row, to_columns
from intake.store.base import Store

LEASE_PARTITIONS = take_leases(
    "intake.inbound",
    "line, partition",
    """
SELECT $1, partition, $3, clock_timestamp() + make_interval(secs => $4)
FROM generate_series(0, $2 - 1) AS partition
""",
    "partition, next, digest",
)
ADVANCE = """
WITH passed AS (
  UPDATE intake.inbound SET next = $4, digest = $5
  WHERE line = $1 AND partition = $2 AND owner = $3 RETURNING line
)
INSERT INTO intake.quarantine
  (line, partition, place, problem, digest, key, headers, value, size)
SELECT line, refused.* FROM passed, unnest($6::integer[], $7::bigint[], $8::bytea[], $9::bytea[],
  $10::bytea[], $11::bytea[], $12::bytea[], $13::bigint[]) AS refused
ON CONFLICT DO NOTHING
"""
DEAD_LETTERS = """
SELECT id, line, partition, place, at, again, problem, key, headers, value, size
FROM intake.quarantine
"""
SELECTED_DEAD_LETTERS = f"""
{DEAD_LETTERS} WHERE ($1::text IS NULL OR line = $1) AND ($2 OR id = ANY ($3)) ORDER BY id
"""
DEAD_LETTERS_TO_RETRY = f"{DEAD_LETTERS} WHERE line = $1 AND again ORDER BY id LIMIT $2"
RETRY = "UPDATE intake.quarantine SET again = true WHERE id = ANY ($1)"
REFUSE_AGAIN = "UPDATE intake.quarantine SET again = false, problem = $2 WHERE id = $1"
DISCARD = "DELETE FROM intake.quarantine WHERE id = ANY ($1) RETURNING id"


class Progress(NamedTuple):
    """The next offset of a partition, and the digest of the record before it.

    The digest is empty if there was no record.
    """

    next: int
    digest: bytes


class InboundStore(Store):
    """The progress of each topic of a line, and its dead letters."""

    async def lease_partitions(
        self, line: str, count: int, owner: str, seconds: float
    ) -> dict[int, Progress]:
        """Lease the free ones of `count` partitions, and return those that the owner has."""
        rows = await self._database.fetch(LEASE_PARTITIONS, line, count, owner, seconds)
        return {row["partition"]: Progress(row["next"], row["digest"]) for row in rows}

    async def advance(
        self,
        line: str,
        partition: int,
        owner: str,
        progress: Progress,
        refused: Sequence[Refused],
    ) -> None:
        """Store the progress of a partition and its dead letters, if the owner has the lease."""
        columns = to_columns(refused)
        await self._database.fetch(ADVANCE, line, partition, owner, *progress, *columns)

    async def dead_letters(
        self, line: str | None = None, ids: Sequence[int] = ()
    ) -> list[DeadLetter]:
        """Return dead letters, the oldest first: all, or of a line, or by id."""
        rows = await self._database.fetch(SELECTED_DEAD_LETTERS, line, not ids, list(ids))
        return [from_row(row) for row in rows]

    async def dead_letters_to_retry(self, line: str, limit: int) -> list[DeadLetter]:
        """Return the dead letters of a line that are to be tried again."""
        return [
            from_row(row) for row in await self._database.fetch(DEAD_LETTERS_TO_RETRY, line, limit)
        ]

    async def retry(self, ids: Sequence[int]) -> None:
        """Mark dead letters to be tried again by the intake that reads their line."""
        await self._database.fetch(RETRY, list(ids))

    async def refuse_again(self, id_: int, problem: dict[str, Any]) -> None:
        """Store the problem of a dead letter that was tried again in vain."""
        await self._database.fetch(REFUSE_AGAIN, id_, msgspec.json.encode(problem))

    async def discard(self, ids: Sequence[int]) -> int:
        """Delete dead letters for ever, and return how many there were."""
        return len(await self._database.fetch(DISCARD, list(ids)))
