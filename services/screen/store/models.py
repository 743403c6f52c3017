"""The models of a district: one is live, another one may be built beside it.

A process takes a lease on a model when there are rows to write, so that others need not fold the
same. The lease protects nothing: the fence of each commit does. It is the number of commits,
`step`, which moves with the positions and generations of the logs and with every change in one
transaction. So nothing is done to a model that was judged by what it is no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import asyncpg
import msgspec

from eventlog.postgres.lease import LEASE_SECONDS
from eventlog.postgres.pool import Database
from eventlog.postgres.shared_statements import SharedStatements
from events.errors import Conflict
from events.instants import Instant
from screen.core.case_file import CaseFile
from screen.core.fold import Fold
from screen.store.commits import ModelCommits

KEPT_SECONDS = 20.0  # A screen that serves a model says so this often, unless another one does.
ABANDONED_SECONDS = 60.0  # A model of an earlier build that no screen has served for so long goes.
SWEPT_ROWS = 5_000  # At once.
DISTRICTS_MAX = 1_000  # In one statement.

MODELS = """
SELECT m.shard, m.id, m.version, m.state, m.step, m.settings, m.owner,
  m.leased_until < clock_timestamp() AS is_free,
  m.served_at < clock_timestamp() - make_interval(secs => $2) AS is_fading,
  p.log, p.pos, p.input, p.ts, p.generation
FROM screen.model m JOIN screen.progress p ON p.model = m.id
WHERE m.shard = ANY ($1::text[]) ORDER BY m.version, m.id
"""
BUILD = """
INSERT INTO screen.model (shard, version, state, served_at)
VALUES ($1, $2, 'building', clock_timestamp())
ON CONFLICT DO NOTHING RETURNING id
"""
BEGIN = """
INSERT INTO screen.progress (model, log, pos, input, ts, generation) VALUES ($1, $2, 0, 0, $3, $4)
"""
KEEP = """
UPDATE screen.model SET served_at = clock_timestamp() WHERE id = ANY ($1) AND state <> 'dropped'
"""
LEASE = """
WITH call AS (
  SELECT id FROM screen.model WHERE id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE {lock}
), leased AS (
  UPDATE screen.model m
  SET owner = $2, leased_until = clock_timestamp() + make_interval(secs => $3)
  FROM call WHERE m.id = call.id AND m.state <> 'dropped'
    AND (m.owner = $2 OR m.leased_until < clock_timestamp())
  RETURNING m.id
)
SELECT id, id IN (SELECT id FROM leased) AS is_leased FROM call
"""
RELEASE = """
UPDATE screen.model SET leased_until = '-infinity' WHERE id = $1 AND owner = $2
"""
FOLLOW = """
WITH followed AS (
  UPDATE screen.model SET step = step + 1
  WHERE id = $1 AND step = $2 AND state <> 'dropped' RETURNING id
)
UPDATE screen.progress p SET generation = k.generation
FROM followed, unnest($3::text[], $4::bigint[]) AS k (log, generation)
WHERE p.model = followed.id AND p.log = k.log RETURNING p.log
"""
DROP = """
UPDATE screen.model SET state = 'dropped'
WHERE id = $1 AND step = $2 AND state <> 'dropped' RETURNING id
"""
SUPERSEDE = """
UPDATE screen.model SET state = 'dropped'
WHERE shard = $1 AND version = $2 AND state = 'live' AND id <> $3
"""
SWAP = """
UPDATE screen.model SET state = 'live' WHERE id = $1 AND step = $2 AND state = 'building'
RETURNING id
"""
ABANDON = """
UPDATE screen.model SET state = 'dropped'
WHERE shard = $1 AND version < $2 AND state <> 'dropped'
  AND served_at < clock_timestamp() - make_interval(secs => $3)
"""
# One screen at a time sweeps a model: rows that another one is deleting look as if none were left.
SWEEP = "SELECT id FROM screen.model WHERE id = $1 AND state = 'dropped' FOR UPDATE SKIP LOCKED"
SWEEPS = (
    """
DELETE FROM screen.case_file WHERE model = $1
AND id IN (SELECT id FROM screen.case_file WHERE model = $1 ORDER BY id LIMIT $2)
""",
    """
DELETE FROM screen.call WHERE model = $1
AND id IN (SELECT id FROM screen.call WHERE model = $1 ORDER BY id LIMIT $2)
""",
)
FORGET = (
    "DELETE FROM screen.tally WHERE model = $1",
    "DELETE FROM screen.event WHERE model = $1",
    "DELETE FROM screen.progress WHERE model = $1",
    "DELETE FROM screen.model WHERE id = $1",
)
NOTIFY = "SELECT pg_notify('gridcall', 'screen/' || $1)"

Connection: TypeAlias = "asyncpg.Connection[Any]"
State = Literal["building", "live", "dropped"]

decode_settings = msgspec.json.Decoder(dict[str, str]).decode


class ReadLog(NamedTuple):
    """The last row of a log that is read, and the number of the log's generation."""

    position: int
    input: int
    time: Instant
    generation: int


class StoredModel(NamedTuple):
    """A model of a district, and how far it has read each log.

    The lease of one that `is_free` ran out. One that `is_fading` was not kept for KEPT_SECONDS.
    """

    id: int
    version: int
    state: State
    step: int
    settings: Mapping[str, str]
    owner: str
    is_free: bool
    is_fading: bool
    logs: dict[str, ReadLog]


class ModelStore:
    """The models of all districts, as their writers have them. `owner` names this process."""

    def __init__(self, database: Database, owner: str) -> None:
        self.owner = owner
        self._database = database
        self._commits = ModelCommits(database, owner)
        self._reads = SharedStatements(self._read, size_max=DISTRICTS_MAX, equal=True)
        self._leases = SharedStatements(self._lease, size_max=DISTRICTS_MAX, equal=True)

    async def models(self, district: str) -> Sequence[StoredModel]:
        """Return the models of a district, those of earlier versions first."""
        return await self._reads.call(district, None)

    async def _read(self, districts: Mapping[str, None]) -> Mapping[str, Sequence[StoredModel]]:
        """Return the models of several districts."""
        models = {district: dict[int, StoredModel]() for district in districts}
        for district, id_, version, state, step, *fields in await self._database.fetch(
            MODELS, list(districts), KEPT_SECONDS
        ):
            settings, owner, is_free, is_fading, log, *read = fields
            known = (id_, version, state, step, decode_settings(settings), owner)
            model = models[district].setdefault(id_, StoredModel(*known, is_free, is_fading, {}))
            model.logs[log] = ReadLog(*read)
        return {district: [*each.values()] for district, each in models.items()}

    async def build(self, district: str, version: int, generations: Mapping[str, int]) -> None:
        """Begin a model with these generations of its logs, unless one is being built."""

        async def write(session: Connection) -> None:
            async with session.transaction():
                id_ = await session.fetchval(BUILD, district, version)
                if id_ is not None:
                    starts = [(id_, log, 0, number) for log, number in generations.items()]
                    await session.executemany(BEGIN, starts)

        await self._database.on_connection(write)

    async def keep(self, models: Sequence[int]) -> None:
        """Say that these models are served, so that no newer build takes them for abandoned."""
        await self._database.fetch(KEEP, models)

    async def lease(self, model: int) -> bool:
        """Become, or stay, the one who writes a model; return False if another process does."""
        return await self._leases.call(model, None)

    async def _lease(self, models: Mapping[int, None]) -> Mapping[int, bool]:
        """Lease several models."""
        is_shared = len(models) > 1
        statement = LEASE.format(lock="SKIP LOCKED" if is_shared else "")
        records = await self._database.fetch(statement, [*models], self.owner, LEASE_SECONDS)
        leased = {each["id"]: each["is_leased"] for each in records}
        return dict.fromkeys(() if is_shared else models, False) | leased

    async def release(self, model: int) -> None:
        """Let others write a model at once."""
        await self._database.fetch(RELEASE, model, self.owner)

    async def follow(self, model: StoredModel, generations: Mapping[str, int]) -> StoredModel:
        """Take the next generations of some logs; return the model as it is then.

        It is a commit, so that no writer goes on with rows that it had read before. Raises Conflict
        if the model is not as it was read.
        """
        logs, numbers = list(generations), list(generations.values())
        if not await self._database.fetch(FOLLOW, model.id, model.step, logs, numbers):
            raise overtaken(model)
        followed = {
            log: model.logs[log]._replace(generation=number) for log, number in generations.items()
        }
        return model._replace(step=model.step + 1, logs=model.logs | followed)

    async def drop(self, model: StoredModel) -> None:
        """Let nobody use a model again. `sweep` removes what is in it.

        Raises Conflict if the model is not as it was read.
        """
        if not await self._database.fetch(DROP, model.id, model.step):
            raise overtaken(model)

    async def swap(self, district: str, model: StoredModel) -> None:
        """Make a model live in the place of another one of its version.

        Raises Conflict if the model is not as it was read.
        """

        async def write(session: Connection) -> None:
            async with session.transaction():
                await session.execute(SUPERSEDE, district, model.version, model.id)
                if not await session.fetchval(SWAP, model.id, model.step):
                    raise overtaken(model)
                await session.execute(NOTIFY, district)

        await self._database.on_connection(write)

    async def abandon(self, district: str, version: int) -> None:
        """Drop the models of earlier versions that no screen serves any more."""
        await self._database.fetch(ABANDON, district, version, ABANDONED_SECONDS)

    async def sweep(self, model: int) -> None:
        """Remove some rows of a dropped model, and the model itself once it has none left."""

        async def write(session: Connection) -> None:
            async with session.transaction():
                if await session.fetchval(SWEEP, model) is None:
                    return
                for sql in SWEEPS:
                    if await session.execute(sql, model, SWEPT_ROWS) != "DELETE 0":
                        return
                for sql in FORGET:
                    await session.execute(sql, model)

        await self._database.on_connection(write)

    async def files(self, model: int, cases: Sequence[str]) -> dict[str, CaseFile]:
        """Return the files of those cases that a model knows."""
        return await self._commits.files(model, cases)

    async def commit(self, model: StoredModel, fold: Fold) -> None:
        """Store what a fold changed, with the positions of its logs, in one statement.

        Raises Conflict if another process has written the model, or has dropped it.
        """
        if not await self._commits.commit(model.id, model.step, fold):
            raise overtaken(model)


def overtaken(model: StoredModel) -> Conflict:
    """Return the error of a writer whose model is not as it was read."""
    return Conflict(f"model {model.id} of the screen has another writer")
