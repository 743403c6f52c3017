"""Generations: notices that a database is another one: restored, promoted, or exchanged.

What was announced last (the newest position and time of each shard) is stored in the data folder.
A database of another system or timeline, or one that is behind what was announced, is not the one
that it was. Nothing is accepted and nothing is decided in it until an operator has looked.

What the operator accepts is a new generation of the first log, and of all logs that follow from it.
A stage's log has the generation of the log that it reads (`PostgresLog.follow`). The generation is
a column of the shard's row, so that a new database has another one, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from eventlog.core.row import Generation
from events.errors import Halted
from events.instants import BEGINNING, Instant

IDENTITY = """
SELECT (SELECT system_identifier::text FROM pg_control_system()),
  substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
"""
HEADS = "SELECT shard, pos, ts FROM {schema}.shard"
GENERATIONS = "SELECT shard, generation, before, start FROM {schema}.shard"
BEGIN = "SELECT {schema}.begin_generation($1, $2)"
CUT = """
WITH cut AS (DELETE FROM {schema}.log WHERE shard = $1 AND input > $2)
UPDATE {schema}.shard s SET input = least(input, $2), epoch = epoch + 1,
  generation = $3, before = $4, start = kept.pos, pos = kept.pos
FROM (
  SELECT coalesce(max(pos), 0) AS pos FROM {schema}.log WHERE shard = $1 AND input <= $2
) kept WHERE shard = $1
"""
POSITION = "SELECT pos FROM {schema}.shard WHERE shard = $1"
UNPUBLISHED = "UPDATE {schema}.sent SET pos = least(pos, $2) WHERE shard = $1"

Connection: TypeAlias = "asyncpg.Connection[Any]"


class NewGeneration(Halted):
    """The database is not the one that it was."""


class Announced(NamedTuple):
    """The announced state of a database: system, timeline, and newest position and time
    by shard.
    """

    system: str
    timeline: str
    heads: dict[str, tuple[int, Instant]]


def is_behind(state: Announced, shard: str, head: tuple[int, Instant]) -> bool:
    """Tell whether a shard is not as far as it was."""
    position, time = state.heads.get(shard, (0, BEGINNING))
    return position < head[0] or time < head[1]


class DatabaseCheck:
    """Compares a database with what was announced of the logs in one of its schemas.

    `folder` is the data folder; it has a file for each database.
    """

    def __init__(self, folder: Path, url: str, schema: str) -> None:
        self._schema = schema
        self._path = folder / f"announced-{sha256(url.encode()).hexdigest()[:12]}.json"
        self._announced: Announced | None = None

    async def check(self, connection: Connection) -> None:
        """Check the database of a new connection. Raises NewGeneration if it is another one."""
        known, now = self._read(), await self._state(connection)
        if known is None:
            return
        if now[:2] != known[:2]:
            raise NewGeneration(
                f"the database is system {now.system} on timeline {now.timeline}; it was "
                f"system {known.system} on timeline {known.timeline}: promoted, or exchanged"
            )
        for shard, (position, time) in known.heads.items():
            if is_behind(now, shard, (position, time)):
                end = now.heads[shard][0] if shard in now.heads else 0
                raise NewGeneration(
                    f"{self._schema}/{shard} ends at {end}, but {position} was announced: "
                    "the database was restored"
                )

    async def announce(self, connection: Connection) -> None:
        """Store the state of the database, before any reader learns more."""
        now = await self._state(connection)
        if now != self._announced:
            self._write(now)
            self._announced = now

    async def accept(
        self,
        connection: Connection,
        upstream: Mapping[str, str],
        separate: Mapping[str, Connection] = MappingProxyType({}),
    ) -> None:
        """Go on with the database as it is.

        The checked schema begins a new generation, unless the database is the announced one. Its
        time stays. Each stage in `upstream` is cut back to what it can have read. Its keys are the
        schemas of the stages, in their order; its values are the schemas of the logs that they
        read. `separate` has the connections of stages with databases of their own.
        """
        connections = {
            schema: separate.get(schema, connection) for schema in (self._schema, *upstream)
        }
        async with AsyncExitStack() as stack:
            for each in {id(each): each for each in connections.values()}.values():
                await stack.enter_async_context(each.transaction())
            if self._is_another(await self._state(connection)):
                for shard, time in (await self._newest_times(connections)).items():
                    await connection.execute(BEGIN.format(schema=self._schema), shard, time)
            for stage, before in upstream.items():
                await cut(stage, connections[stage], await generations(before, connections[before]))
        self._write(await self._state(connection))

    async def _newest_times(self, connections: Mapping[str, Connection]) -> dict[str, Instant]:
        """Return the newest time of each shard of the checked schema that any reader may know."""
        own = await connections[self._schema].fetch(HEADS.format(schema=self._schema))
        newest = {shard: time for shard, _, time in own}
        known = self._read()
        times = [(shard, time) for shard, (_, time) in known.heads.items()] if known else []
        for schema, each in connections.items():
            heads = await each.fetch(HEADS.format(schema=schema))
            times += [(shard, time) for shard, _, time in heads]
        for shard, time in times:
            if shard in newest:
                newest[shard] = max(newest[shard], time)
        return newest

    def _is_another(self, state: Announced) -> bool:
        known = self._read()
        if known is None or state[:2] != known[:2]:
            return True
        return any(is_behind(state, shard, head) for shard, head in known.heads.items())

    async def _state(self, connection: Connection) -> Announced:
        system, timeline = await connection.fetchrow(IDENTITY)  # type: ignore[misc]  # One row.
        heads = await connection.fetch(HEADS.format(schema=self._schema))
        return Announced(
            system, timeline, {shard: (position, time) for shard, position, time in heads}
        )

    def _read(self) -> Announced | None:
        try:
            stored = json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        heads = {shard: (position, time) for shard, (position, time) in stored["heads"].items()}
        return Announced(stored["system"], stored["timeline"], heads)

    def _write(self, announced: Announced) -> None:
        """Replace the file as a whole."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(f".{os.getpid()}")
        with fresh.open("w") as file:
            json.dump(announced._asdict(), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


async def generations(schema: str, connection: Connection) -> dict[str, Generation]:
    """Return the generation of each shard of a log."""
    records = await connection.fetch(GENERATIONS.format(schema=schema))
    return {shard: Generation(*generation) for shard, *generation in records}


async def cut(stage: str, connection: Connection, read: Mapping[str, Generation]) -> None:
    """Cut a stage's log back to what it can have read. `read` are the generations of its input."""
    for shard, own in (await generations(stage, connection)).items():
        now = read.get(shard, own)
        if own.number != now.number and (own.number or now.previous):
            common = now.forked_at if own.number in (0, now.previous) else 0
            await connection.execute(
                CUT.format(schema=stage), shard, common, now.number, own.number or now.previous
            )
            position = await connection.fetchval(POSITION.format(schema=stage), shard)
            await connection.execute(UNPUBLISHED.format(schema=stage), shard, position)
