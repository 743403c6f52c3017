"""The published position of a log: the table `sent` of its schema, one row for each shard.

One relay at a time has the lease of a row. The position moves with the renewal of the lease.
"""

from __future__ import annotations

from eventlog.postgres.lease import LEASE_SECONDS, take_leases
from eventlog.postgres.log import PostgresLog

TAKE = take_leases(
    "{schema}.sent",
    "shard",
    "VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))",
    "pos",
)
ADVANCE = """
UPDATE {schema}.sent SET pos = greatest(pos, $4),
  leased_until = clock_timestamp() + make_interval(secs => $3)
WHERE shard = $1 AND owner = $2 RETURNING pos
"""
PUBLISHED = "SELECT pos FROM {schema}.sent WHERE shard = $1"
UNPUBLISHED = """
SELECT l.pos - coalesce(s.pos, 0) AS lag
FROM {schema}.shard l LEFT JOIN {schema}.sent s USING (shard) WHERE shard = $1
"""


async def take_published(source: PostgresLog, shard: str) -> int | None:
    """Take or renew the lease. Returns the published position, None if another relay has it."""
    return await _execute(source, TAKE, shard)


async def advance_published(source: PostgresLog, shard: str, position: int) -> int | None:
    """Move the published position. Returns it, None without the lease."""
    return await _execute(source, ADVANCE, shard, position)


async def _execute(source: PostgresLog, sql: str, shard: str, *more: int) -> int | None:
    statement = sql.format(schema=source.schema)
    records = await source.database.fetch(statement, shard, source.owner, LEASE_SECONDS, *more)
    return records[0]["pos"] if records else None


async def count_unpublished(source: PostgresLog, shard: str) -> int:
    """Return the number of rows that wait for any relay. Raises Unavailable."""
    records = await source.database.fetch(UNPUBLISHED.format(schema=source.schema), shard)
    return int(records[0]["lag"]) if records else 0
