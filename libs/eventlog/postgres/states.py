"""State rows on Postgres: the tables `state` and `checkpoint` in the schema of a stage.

The row of a shard in `checkpoint` is the fence: each statement that writes moves it, if it has the
epoch of this process. It is not the shard's own row, so that no commit waits for a state row.

No state row has a row of the log after position `reach`. The instant at which the row there was
recorded tells this log from another one: from one that was cut since, restored, or made again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import asyncpg

from eventlog.checkpoints import Cadence
from eventlog.postgres.columns import number_array, text_lines
from eventlog.postgres.pool import SupportsFetch
from eventlog.state_codec import StateRow
from events.errors import Conflict

# An epoch beyond that of the shard is from before its row was made again.
CLAIM = """
INSERT INTO {schema}.checkpoint AS known (shard, epoch, version) VALUES ($1, $2, $3)
ON CONFLICT (shard) DO UPDATE SET epoch = $2, version = $3,
  pos = CASE WHEN known.version = $3 AND known.pos <= known.reach AND EXISTS (
      SELECT FROM {schema}.log
      WHERE shard = $1 AND pos = known.reach AND recorded = known.recorded
    ) THEN known.pos ELSE 0 END
WHERE known.epoch <= $2
  OR known.epoch > (SELECT epoch FROM {schema}.shard WHERE shard = $1) RETURNING pos
"""
# The first part makes all of them invalid at once, because the recovery position is 0 from then on.
DROP = """
WITH owner AS (
  UPDATE {schema}.checkpoint SET pos = 0, reach = 0 WHERE shard = $1 AND epoch = $2 RETURNING shard
), part AS (
  SELECT subject FROM {schema}.state WHERE shard = $1 AND subject > $3 ORDER BY subject LIMIT $4
), dropped AS (
  DELETE FROM {schema}.state AS s USING owner, part
  WHERE s.shard = owner.shard AND s.subject = part.subject
)
SELECT (SELECT max(subject) FROM part) AS last FROM owner
"""
LIVE = """
SELECT subject, seq, live, data FROM {schema}.state WHERE shard = $1 AND live
"""
LOAD = """
SELECT subject, seq, live, data FROM {schema}.state
WHERE shard = $1 AND subject = ANY (string_to_array($2, E'\\n'))
"""
STATES = """
SELECT subject, seq, live, data FROM {schema}.state
WHERE shard = $1 AND subject > $2 ORDER BY subject LIMIT $3
"""
WRITE = """
WITH owner AS (
  UPDATE {schema}.checkpoint AS known
  SET pos = greatest(known.pos, $4),
    reach = greatest(reach, $3),
    recorded = CASE WHEN reach < $3 THEN log.recorded ELSE known.recorded END
  FROM {schema}.log
  WHERE known.shard = $1 AND epoch = $2 AND log.shard = $1 AND log.pos = $3
  RETURNING known.shard
), written AS (
  INSERT INTO {schema}.state (shard, subject, seq, live, data)
  SELECT shard, subject, seq, live, convert_to(data, 'UTF8')
  FROM owner, unnest(
    string_to_array($5, E'\\n'), $6::text::int[], $7::text::int[]::bool[],
    string_to_array($8, E'\\n')
  ) AS row (subject, seq, live, data)
  ON CONFLICT (shard, subject) DO UPDATE
  SET seq = excluded.seq, live = excluded.live, data = excluded.data
)
SELECT shard FROM owner
"""
CHECKPOINT = "SELECT pos, version FROM {schema}.checkpoint WHERE shard = $1"
PAGE = 10_000
# The next owner believes no state row of the shard, and drops them.
FORGET = "DELETE FROM {schema}.checkpoint WHERE shard = $1"


class StoredStates(NamedTuple):
    """The state rows of a shard, the position up to which they have all rows, and their version."""

    position: int
    version: str
    rows: Sequence[StateRow]


class PostgresStates:
    """The state rows in a schema. `epoch_of` gives the epoch of this process's lease of a shard."""

    def __init__(
        self,
        name: str,
        schema: str,
        database: SupportsFetch,
        epoch_of: Callable[[str], int],
        cadence: Cadence,
    ) -> None:
        self.cadence = cadence
        self._name = name
        self._database = database
        self._epoch_of = epoch_of
        statements = (CLAIM, DROP, LIVE, LOAD, STATES, WRITE)
        self._sql = {each: each.format(schema=schema) for each in statements}

    async def claim(self, shard: str, version: str) -> int:
        """Begin as the owner, and return the recovery position. Raises Conflict for an earlier one.

        It is 0 if there are no state rows of this version. It is 0, too, if the log lacks rows that
        are in them, because it was cut or made again.
        """
        records = await self._fetch(CLAIM, shard, self._epoch_of(shard), version)
        self._require_owner(shard, records)
        position: int = records[0]["pos"]
        return position

    async def drop(self, shard: str) -> None:
        """Drop all state rows of a shard. Raises Conflict if it has another owner.

        No statement drops more than a part, so that none takes longer than a lease.
        """
        last: str | None = ""
        while last is not None:
            fence = (shard, self._epoch_of(shard))
            records = await self._fetch(DROP, *fence, last, self.cadence.part)
            self._require_owner(shard, records)
            last = records[0]["last"]

    async def live(self, shard: str) -> Sequence[StateRow]:
        """Return the live state rows, with that of reference data."""
        return state_rows(await self._fetch(LIVE, shard))

    async def load(self, shard: str, subjects: Collection[str]) -> Sequence[StateRow]:
        """Return the state rows of some subjects."""
        return state_rows(await self._fetch(LOAD, shard, text_lines([*subjects])))

    async def page(self, shard: str, after: str, limit: int) -> Sequence[StateRow]:
        """Return state rows in the order of their subjects."""
        return state_rows(await self._fetch(STATES, shard, after, limit))

    async def write(
        self, shard: str, rows: Sequence[StateRow], reach: int, position: int = 0
    ) -> None:
        """Write state rows. None of them has a row of the log after `reach`.

        The last ones of a checkpoint move the recovery position up to `position`. Raises Conflict
        if the shard has another owner, or if the log does not reach that far.
        """
        subjects, sequences, live, data = zip(*rows, strict=True)
        columns = (
            text_lines(subjects),
            number_array(sequences),
            number_array([*map(int, live)]),
            b"\n".join(data).decode(),
        )
        fence = (shard, self._epoch_of(shard), reach, position)
        self._require_owner(shard, await self._fetch(WRITE, *fence, *columns))

    async def _fetch(self, statement: str, *args: object) -> list[asyncpg.Record]:
        return await self._database.fetch(self._sql[statement], *args)

    def _require_owner(self, shard: str, moved: Sequence[object]) -> None:
        """Raise Conflict if a statement found another epoch in the fence, or another log."""
        if not moved:
            raise Conflict(f"the states of {self._name}/{shard} have another owner, or log")


def state_rows(records: Sequence[asyncpg.Record]) -> list[StateRow]:
    """Return the state rows of records."""
    return [StateRow(*record) for record in records]


async def stored_states(database: SupportsFetch, schema: str, shard: str) -> StoredStates:
    """Return all state rows of a shard."""
    rows: list[StateRow] = []
    states = STATES.format(schema=schema)
    while records := await database.fetch(states, shard, rows[-1].subject if rows else "", PAGE):
        rows += state_rows(records)
    for position, version in await database.fetch(CHECKPOINT.format(schema=schema), shard):
        return StoredStates(position, version, rows)
    return StoredStates(0, "", rows)
