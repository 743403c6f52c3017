"""Which database this is. A generation ends when the database becomes another one: restored,
promoted, or exchanged.

What was announced last (the newest position and time of each district) is kept in the data folder.
A database that is of another system or timeline, or lies behind what was announced, is not the one
that it was: nothing is accepted and nothing is decided in it until an operator has looked. What he
accepts is a new generation of intake's log, and of all that follows from it: a stage's log is of
the generation of what it read (`PostgresLog.follow`). The generation stands in the shard's row, so
that a database made anew is another one, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import asyncpg

from eventlog.core.row import Generation
from events.errors import Halted
from events.instants import BEGINNING, Instant

IDENTITY = """
SELECT (SELECT system_identifier::text FROM pg_control_system()), substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
"""
HEADS = "SELECT shard, pos, ts FROM {schema}.shard"
BEGIN = """
UPDATE {schema}.shard SET before = generation, start = pos, ts = greatest(ts, $2),
  generation = greatest(generation + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) WHERE shard = $1
"""
CUT = """
WITH cut AS (DELETE FROM {schema}.log WHERE shard = $1 AND input > $2)
UPDATE {schema}.shard s SET input = least(input, $2), epoch = epoch + 1, generation = $3, before = $4, start = kept.pos,
  pos = kept.pos
FROM (SELECT coalesce(max(pos), 0) AS pos FROM {schema}.log WHERE shard = $1 AND input <= $2) kept WHERE shard = $1
"""
POSITION = "SELECT pos FROM {schema}.shard WHERE shard = $1"
UNPUBLISHED = "UPDATE {schema}.sent SET pos = least(pos, $2) WHERE shard = $1"


class NewGeneration(Halted):
    """The database is not the one that it was."""


class Announced(NamedTuple):
    """What was announced of a database: its system and timeline, per district the newest position
    and time.
    """

    system: str
    timeline: str
    heads: dict[str, tuple[int, Instant]]


def is_behind(found: Announced, shard: str, head: tuple[int, Instant]) -> bool:
    """Whether a district is not as far as it was."""
    position, time = found.heads.get(shard, (0, BEGINNING))
    return position < head[0] or time < head[1]


class DatabaseCheck:
    """Compares a database with what was announced of it. `folder` is the data folder, `schema`
    whose logs count there.
    """

    def __init__(self, folder: Path, url: str, schema: str) -> None:
        self._schema = schema
        self._path = folder / f"announced-{sha256(url.encode()).hexdigest()[:12]}.json"
        self._announced: Announced | None = None

    async def check(self, connection: asyncpg.Connection[Any]) -> None:
        """Whether a new connection leads to the database that was announced. Raises NewGeneration
        where it does not.
        """
        known, found = self._read(), await self._found(connection)
        if known is None:
            return
        if found[:2] != known[:2]:
            was, now = (
                f"system {each.system} on timeline {each.timeline}" for each in (known, found)
            )
            raise NewGeneration(f"the database is {now}; it was {was}: promoted, or exchanged")
        for shard, (position, time) in known.heads.items():
            if is_behind(found, shard, (position, time)):
                ends = found.heads[shard][0] if shard in found.heads else 0
                raise NewGeneration(
                    f"{self._schema}/{shard} ends at {ends}, but {position} was announced: the database was restored"
                )

    async def announce(self, connection: asyncpg.Connection[Any]) -> None:
        """Keep how far the database is, before anybody is told more."""
        now = await self._found(connection)
        if now != self._announced:
            self._write(now)
            self._announced = now

    async def accept(
        self,
        connection: asyncpg.Connection[Any],
        upstream: Mapping[str, str],
        separate: Mapping[str, asyncpg.Connection[Any]] = MappingProxyType({}),
    ) -> None:
        """Go on with the database as it is.

        The checked schema begins a new generation, unless the database is the announced one; its
        time stays. Each stage in `upstream` (its schema → the schema of the log that it reads, in
        the order of the stages) is cut back to what it can have read. `separate` has stages in
        databases of their own.
        """
        connections = {
            schema: separate.get(schema, connection) for schema in (self._schema, *upstream)
        }
        async with AsyncExitStack() as stack:
            for each in {id(each): each for each in connections.values()}.values():
                await stack.enter_async_context(each.transaction())
            if self._is_another(await self._found(connection)):
                for shard, time in (await self._newest(connections)).items():
                    await connection.execute(BEGIN.format(schema=self._schema), shard, time)
            for stage, before in upstream.items():
                await cut(stage, connections[stage], await generations(before, connections[before]))
        self._write(await self._found(connection))

    async def _newest(
        self, connections: Mapping[str, asyncpg.Connection[Any]]
    ) -> dict[str, Instant]:
        """Return how far time has passed in each shard of the checked schema, as any reader may
        know it.
        """
        known = self._read()
        newest = {
            shard: time
            for shard, _, time in await connections[self._schema].fetch(
                HEADS.format(schema=self._schema)
            )
        }
        told = [(shard, time) for shard, (_, time) in known.heads.items()] if known else []
        for schema, each in connections.items():
            told += [
                (shard, time) for shard, _, time in await each.fetch(HEADS.format(schema=schema))
            ]
        for shard, time in told:
            if shard in newest:
                newest[shard] = max(newest[shard], time)
        return newest

    def _is_another(self, found: Announced) -> bool:
        known = self._read()
        if known is None or found[:2] != known[:2]:
            return True
        return any(is_behind(found, shard, head) for shard, head in known.heads.items())

    async def _found(self, connection: asyncpg.Connection[Any]) -> Announced:
        # It has one row.
        system, timeline = await connection.fetchrow(IDENTITY)  # type: ignore[misc]
        heads = await connection.fetch(HEADS.format(schema=self._schema))
        return Announced(
            system, timeline, {shard: (position, time) for shard, position, time in heads}
        )

    def _read(self) -> Announced | None:
        try:
            kept = json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        return Announced(
            kept["system"],
            kept["timeline"],
            {shard: (position, time) for shard, (position, time) in kept["heads"].items()},
        )

    def _write(self, announced: Announced) -> None:
        """Whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(f".{os.getpid()}")
        with fresh.open("w") as file:
            json.dump(announced._asdict(), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


async def generations(schema: str, connection: asyncpg.Connection[Any]) -> dict[str, Generation]:
    """The generation of each district of a log."""
    found = await connection.fetch(f"SELECT shard, generation, before, start FROM {schema}.shard")  # noqa: S608
    return {shard: Generation(*generation) for shard, *generation in found}


async def cut(
    stage: str, connection: asyncpg.Connection[Any], read: Mapping[str, Generation]
) -> None:
    """Cut a stage back to what it can have read of the log before it, which is of these generations
    now.
    """
    for shard, own in (await generations(stage, connection)).items():
        now = read.get(shard, own)
        if own.number != now.number and (own.number or now.previous):
            kept = now.forked_at if own.number in (0, now.previous) else 0
            await connection.execute(
                CUT.format(schema=stage), shard, kept, now.number, own.number or now.previous
            )
            position = await connection.fetchval(POSITION.format(schema=stage), shard)
            await connection.execute(UNPUBLISHED.format(schema=stage), shard, position)
