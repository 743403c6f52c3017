"""A survey of a log's tables for an operator: heads and owners, latest rows, parked subjects.

These statements read whole tables. No service runs them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

import msgspec

from eventlog.codec import stored_row
from eventlog.core.row import Row
from eventlog.core.versions import newest
from eventlog.postgres.pool import SupportsFetch
from events.instants import Instant
from events.registry import Parking, names_of_versions

HEADS = """
SELECT shard, pos, ts, input, epoch, head,
  CASE WHEN leased_until > clock_timestamp() THEN owner ELSE '' END, folded
FROM {schema}.shard ORDER BY shard
"""
COLUMNS = "pos, ts, input, n, subject, seq, cause, type, data"
LATEST = """
SELECT DISTINCT ON (subject) {columns} FROM {schema}.log
WHERE shard = $1 AND type = ANY ($2) ORDER BY subject, seq DESC
"""
OF_TYPES = "SELECT {columns} FROM {schema}.log WHERE shard = $1 AND type = ANY ($2) ORDER BY pos"
PARKED = """
SELECT p.shard, max(p.pos) AS pos, p.subject, (array_agg(p.data ORDER BY p.pos DESC))[1] AS data,
  (SELECT count(*) FROM {schema}.log d WHERE d.shard = p.shard AND d.subject = p.subject
    AND d.pos > min(p.pos) AND d.type = ANY ($2)) AS deferred
FROM {schema}.log p WHERE p.type = ANY ($1) AND NOT EXISTS (
  SELECT FROM {schema}.log r WHERE r.shard = p.shard AND r.subject = p.subject AND r.pos > p.pos
    AND r.type = ANY ($3))
GROUP BY p.shard, p.subject ORDER BY p.shard, max(p.pos)
"""


class Head(NamedTuple):
    """The head of a shard. `owner` is empty while no process has the lease.

    `hash` is that of the chain; it is empty for a log that follows from another one. `folded` is
    the last position that the owner has replayed.
    """

    shard: str
    position: int
    time: Instant
    input: int
    epoch: int
    hash: bytes
    owner: str
    folded: int

    @property
    def is_replayed(self) -> bool:
        """False while the shard's owner replays its log."""
        return not self.owner or self.folded >= self.position


class ParkedSubject(NamedTuple):
    """A subject that is parked: the last parking, and the inputs deferred since the first."""

    shard: str
    position: int
    subject: str
    fault: str
    deferred: int


class Survey:
    """The tables of one log. `schema` is the one of its writer."""

    def __init__(self, log: str, schema: str, database: SupportsFetch) -> None:
        self._log = log
        self._schema = schema
        self._database = database

    async def heads(self) -> list[Head]:
        """Return the head of every shard."""
        return [Head(*record) for record in await self._database.fetch(self._sql(HEADS))]

    async def latest_rows(self, shard: str, kinds: Collection[type]) -> Iterator[Row]:
        """Return the last row of each subject among the rows of these events, in any version."""
        return await self._rows(LATEST, shard, kinds)

    async def rows_of(self, shard: str, kinds: Collection[type]) -> Iterator[Row]:
        """Return all rows of these events, in any version."""
        return await self._rows(OF_TYPES, shard, kinds)

    async def parked(self, parking: Parking) -> list[ParkedSubject]:
        """Return the subjects that are parked. `parking` has the events that say so."""
        kinds = (parking.parked, parking.deferred, parking.retried)
        names = (names_of_versions((kind,)) for kind in kinds)
        records = await self._database.fetch(self._sql(PARKED), *names)
        return [
            ParkedSubject(shard, position, subject, msgspec.json.decode(data)["fault"], deferred)
            for shard, position, subject, data, deferred in records
        ]

    async def _rows(self, sql: str, shard: str, kinds: Collection[type]) -> Iterator[Row]:
        records = await self._database.fetch(self._sql(sql), shard, names_of_versions(kinds))
        return (newest(stored_row(self._log, shard, record)) for record in records)

    def _sql(self, statement: str) -> str:
        return statement.format(schema=self._schema, columns=COLUMNS)
