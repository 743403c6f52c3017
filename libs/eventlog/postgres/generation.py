"""Generations: notices that a database is another one: restored, promoted, or exchanged.

The head of each shard of the first log (generation, position and time) is announced: it is stored
outside that database. It is in the data folder and, over Kafka, on the topics of the log. A
database of another system or timeline, or one that is behind what was announced, is not the one
that it was. Nothing is accepted in it until an operator has looked.

What the operator accepts is a new generation of the first log, and of all logs that follow from it.
A stage's log has the generation of the log that it reads (`PostgresLog.follow`). A lost one is
folded again, so that it needs no such check. The generation is a column of the shard's row,
so that a new database has another one, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from eventlog.core.row import Generation
from eventlog.postgres.address import public_address
from eventlog.postgres.pool import check_writable
from eventlog.postgres.states import FORGET
from events.errors import Halted, Unusable
from events.instants import LATEST, Instant

IDENTITY = """
SELECT (SELECT system_identifier::text FROM pg_control_system()),
  substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
"""
HEADS = "SELECT shard, generation, pos, ts FROM {schema}.shard"
GENERATIONS = "SELECT shard, generation, before, start FROM {schema}.shard"
BEGIN = "SELECT {schema}.begin_generation($1, $2)"
CUT = """
WITH cut AS (DELETE FROM {schema}.log WHERE shard = $1 AND (input > $2 OR ts >= $5))
UPDATE {schema}.shard s SET input = least(input, $2), ts = least(ts, $5), epoch = epoch + 1,
  generation = $3, before = $4, start = kept.pos, pos = kept.pos
FROM (
  SELECT coalesce(max(pos), 0) AS pos FROM {schema}.log
  WHERE shard = $1 AND input <= $2 AND ts < $5
) kept WHERE shard = $1
"""
TIME_AT = "SELECT ts FROM {schema}.log WHERE shard = $1 AND pos = $2"
LAST_BEFORE = """
SELECT pos FROM {schema}.log WHERE shard = $1 AND ts < $2 ORDER BY pos DESC LIMIT 1
"""
POSITION = "SELECT pos FROM {schema}.shard WHERE shard = $1"
UNPUBLISHED = "UPDATE {schema}.sent SET pos = least(pos, $2) WHERE shard = $1"

Connection: TypeAlias = "asyncpg.Connection[Any]"


class NewGeneration(Halted):
    """The database is not the one that it was."""


class Head(NamedTuple):
    """The head of a shard: the order of its fields is the order in which heads follow."""

    generation: int
    position: int
    time: Instant


class Announced(NamedTuple):
    """The announced state of a database: system, timeline, and the head of each shard.

    System and timeline are empty if only heads are known.
    """

    system: str
    timeline: str
    heads: dict[str, Head]


NOTHING = Announced("", "", {})


def is_behind(head: Head | None, announced: Head) -> bool:
    """Tell whether a shard is not as far as it was. A later generation was accepted since."""
    if head is None or head.generation < announced.generation:
        return True
    is_same = head.generation == announced.generation
    return is_same and (head.position < announced.position or head.time < announced.time)


def is_accepted(state: Announced, announced: Announced) -> bool:
    """Tell whether an operator has begun a new generation of each shard since the announcement."""
    later = [
        shard in state.heads and state.heads[shard].generation > head.generation
        for shard, head in announced.heads.items()
    ]
    return bool(later) and all(later)


def difference(schema: str, state: Announced, announced: Announced) -> str:
    """Return why a database is not the one that was announced, empty if it is."""
    is_other = bool(announced.system) and state[:2] != announced[:2]
    if is_other and not is_accepted(state, announced):
        return (
            f"the database is system {state.system} on timeline {state.timeline}; it was "
            f"system {announced.system} on timeline {announced.timeline}: promoted, or exchanged"
        )
    for shard, head in announced.heads.items():
        own = state.heads.get(shard)
        if is_behind(own, head):
            end = own.position if own else 0
            return (
                f"{schema}/{shard} ends at {end}, but {head.position} was announced: "
                "the database was restored"
            )
    return ""


class DatabaseCheck:
    """Compares a database with what was announced of the first log, which is in `schema`.

    `folder` is the data folder; it has a file for each database. `published` has the heads that
    readers know from Kafka; without Kafka it is None.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        schema: str,
        published: Mapping[str, Head] | None = None,
    ) -> None:
        self._schema = schema
        self._address = public_address(url)
        self._path = folder / f"announced-{sha256(self._address.encode()).hexdigest()[:12]}.json"
        self._published = published
        self._announced = self._stored = NOTHING

    @property
    def has_file(self) -> bool:
        """Tell whether the data folder knows this database."""
        return self._path.exists()

    async def check(self, connection: Connection) -> None:
        """Check the database of a new connection. Raises NewGeneration if it is another one."""
        if why := difference(self._schema, await self.state(connection), self._last_known()):
            raise NewGeneration(why)

    def announce(self, state: Announced) -> None:
        """Store the state of the database, before any reader learns more. Raises OSError."""
        self._announced = state
        if state != self._stored:
            self._write(state)
            self._stored = state

    def begin(self, state: Announced) -> None:
        """Announce the state with which a process starts.

        Raises Unusable if it can be stored nowhere: a restored database would not be noticed.
        """
        try:
            self.announce(state)
        except OSError as fault:
            if self._published is None:
                raise Unusable(
                    f"{self._path} cannot be written: {fault.strerror}. It has the announced "
                    "position, by which a restored database is noticed: name a folder that lasts "
                    "in GRIDCALL_HOME"
                ) from fault

    async def accept(
        self,
        connection: Connection,
        upstream: Mapping[str, Sequence[str]],
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
            if self._is_another(await self.state(connection)):
                for shard, time in (await self._newest_times(connections)).items():
                    await connection.execute(BEGIN.format(schema=self._schema), shard, time)
            for stage, before in upstream.items():
                await cut(stage, connections[stage], await order_generations(before, connections))
        self.announce(await self.state(connection))

    async def _newest_times(self, connections: Mapping[str, Connection]) -> dict[str, Instant]:
        """Return the newest time of each shard of the checked schema that any reader may know."""
        own = await read_heads(self._schema, connections[self._schema])
        newest = {shard: head.time for shard, head in own.items()}
        times = [(shard, head.time) for shard, head in self._last_known().heads.items()]
        for schema, each in connections.items():
            heads = await read_heads(schema, each)
            times += [(shard, head.time) for shard, head in heads.items()]
        for shard, time in times:
            if shard in newest:
                newest[shard] = max(newest[shard], time)
        return newest

    def _is_another(self, state: Announced) -> bool:
        known = self._last_known()
        return known == NOTHING or bool(difference(self._schema, state, known))

    async def state(self, connection: Connection) -> Announced:
        """Return the present state of the database."""
        system, timeline = await connection.fetchrow(IDENTITY)  # type: ignore[misc]  # One row.
        return Announced(system, timeline, await read_heads(self._schema, connection))

    def _last_known(self) -> Announced:
        """Return what was announced: in the file, by this process, or on Kafka."""
        stored = self._read()
        if stored == NOTHING:
            stored = self._announced
        heads = dict(stored.heads)
        for known in (self._announced.heads, self._published or {}):
            for shard, head in known.items():
                heads[shard] = max(head, heads.get(shard, head))
        return stored._replace(heads=heads)

    def _read(self) -> Announced:
        try:
            stored = json.loads(self._path.read_text())
            heads = {shard: Head(*head) for shard, head in stored["heads"].items()}
            return Announced(stored["system"], stored["timeline"], heads)
        except FileNotFoundError:
            return NOTHING
        except (OSError, ValueError, KeyError, TypeError) as fault:
            raise NewGeneration(
                f"{self._path} cannot be read ({fault}), so that nobody knows how far "
                f"{self._address} was"
            ) from fault

    def _write(self, announced: Announced) -> None:
        """Replace the file as a whole."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._path.with_suffix(f".{os.getpid()}")
        with fresh.open("w") as file:
            json.dump(announced._asdict(), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def connection_check(
    check: DatabaseCheck | None,
) -> Callable[[Connection], Awaitable[None]]:
    """Return the check of a new connection: rows can be stored, and it is the same database."""

    async def check_connection(connection: Connection) -> None:
        await check_writable(connection)
        if check:
            await check.check(connection)

    return check_connection


async def read_heads(schema: str, connection: Connection) -> dict[str, Head]:
    """Return the head of each shard of a log."""
    records = await connection.fetch(HEADS.format(schema=schema))
    return {shard: Head(*head) for shard, *head in records}


async def generations(schema: str, connection: Connection) -> dict[str, Generation]:
    """Return the generation of each shard of a log."""
    records = await connection.fetch(GENERATIONS.format(schema=schema))
    return {shard: Generation(*generation) for shard, *generation in records}


async def order_generations(
    schemas: Sequence[str], connections: Mapping[str, Connection]
) -> dict[str, Generation]:
    """Return the generation of each shard of the order in which a stage reads logs.

    `forked_at` counts rows of that order, as `MergedOrder.generation` does: all up to the last
    common one of the first log.
    """
    first, *others = schemas
    result = await generations(first, connections[first])
    for shard, generation in result.items() if others else ():
        position = generation.forked_at
        time = await connections[first].fetchval(TIME_AT.format(schema=first), shard, position)
        for other in others if time is not None else ():
            sql = LAST_BEFORE.format(schema=other)
            position += await connections[other].fetchval(sql, shard, time) or 0
        result[shard] = generation._replace(forked_at=position if time is not None else 0)
    return result


async def cut(
    stage: str,
    connection: Connection,
    read: Mapping[str, Generation],
    ends: Mapping[str, Instant] = MappingProxyType({}),
) -> None:
    """Cut a stage's log back to what it can have read. `read` are the generations of its input.

    `ends` has the instant of each shard whose time goes back: no row is left from then on.
    """
    for shard, own in (await generations(stage, connection)).items():
        now = read.get(shard, own)
        if own.number != now.number and (own.number or now.previous):
            common = now.forked_at if own.number in (0, now.previous) else 0
            await connection.execute(
                CUT.format(schema=stage),
                shard,
                common,
                now.number,
                own.number or now.previous,
                ends.get(shard, LATEST),
            )
            position = await connection.fetchval(POSITION.format(schema=stage), shard)
            await connection.execute(UNPUBLISHED.format(schema=stage), shard, position)
            await connection.execute(FORGET.format(schema=stage), shard)
