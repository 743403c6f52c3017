"""Which database this is. A generation ends when the database becomes another one: restored, promoted, or exchanged.

What was announced last (the newest position and time of each district) is kept in the data folder. A database that is of
another system or timeline, or lies behind what was announced, is a new generation: nothing is accepted and nothing is decided
in it until an operator has looked.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from events.catalogue import Instant
from events.errors import CannotGoOn

IDENTITY = """
SELECT (SELECT system_identifier::text FROM pg_control_system()), substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
"""
HEADS = "SELECT shard, pos, ts FROM {schema}.shard"
CUT = """
WITH gone AS (
  DELETE FROM {stage}.log l USING {before}.shard b WHERE b.shard = l.shard AND l.input > b.pos
)
UPDATE {stage}.shard s SET input = least(s.input, b.pos), epoch = s.epoch + 1,
  pos = (SELECT coalesce(max(l.pos), 0) FROM {stage}.log l WHERE l.shard = s.shard AND l.input <= b.pos)
FROM {before}.shard b WHERE b.shard = s.shard
"""


class NewGeneration(CannotGoOn):
    """The database is not the one that it was."""


class Announced(NamedTuple):
    """A generation: its number, the database's system and timeline, per district the newest position and time."""

    number: int
    system: str
    timeline: str
    heads: dict[str, tuple[int, Instant]]
    starts: dict[str, int]  # The last position of each district that was taken over from the generation before.


class Generation:
    """Compares a database with what was announced of it. `folder` is the data folder, `schema` whose logs count there."""

    def __init__(self, folder: Path, url: str, schema: str = "intake") -> None:
        self._schema = schema
        self._heads = HEADS.format(schema=schema)
        self._path = folder / f"generation-{sha256(url.encode()).hexdigest()[:12]}.json"
        self.announced = self._read()

    async def check(self, connection: asyncpg.Connection[Any]) -> None:
        """Whether a new connection leads to the database that was announced. Raises NewGeneration where it does not."""
        kept = self._read()
        if kept and (self.announced is None or kept.number > self.announced.number):
            self.announced = kept
        known = self.announced
        if known is None:
            return
        system, timeline = await connection.fetchrow(IDENTITY)  # type: ignore[misc]  # It has one row.
        if (system, timeline) != (known.system, known.timeline):
            was = f"system {known.system} on timeline {known.timeline}"
            raise NewGeneration(f"the database is system {system} on timeline {timeline}; it was {was}: promoted, or exchanged")
        heads = {shard: (pos, ts) for shard, pos, ts in await connection.fetch(self._heads)}
        for shard, (pos, ts) in known.heads.items():
            has = heads.get(shard, (0, 0))
            if has[0] < pos or has[1] < ts:
                raise NewGeneration(
                    f"{self._schema}/{shard} ends at {has[0]}, but {pos} was announced: the database was restored"
                )

    async def announce(self, connection: asyncpg.Connection[Any]) -> None:
        """Keep how far the database is, before anybody is told more."""
        system, timeline = await connection.fetchrow(IDENTITY)  # type: ignore[misc]  # It has one row.
        heads = {shard: (pos, ts) for shard, pos, ts in await connection.fetch(self._heads)}
        known = self.announced
        now = Announced(known.number if known else 1, system, timeline, heads, known.starts if known else {})
        if now != self.announced:
            self.announced = now
            self._write(now)

    async def accept(self, connection: asyncpg.Connection[Any]) -> int:
        """Begin a new generation with the database as it is: stages are cut back to what they can have read; time stays."""
        known = self._read()
        async with connection.transaction():
            for shard, (_, ts) in (known.heads if known else {}).items():
                await connection.execute("UPDATE intake.shard SET ts = greatest(ts, $2) WHERE shard = $1", shard, ts)
            for stage, before in (("routing", "intake"), ("escalation", "routing")):
                await connection.execute(CUT.format(stage=stage, before=before))
        system, timeline = await connection.fetchrow(IDENTITY)  # type: ignore[misc]  # It has one row.
        heads = {shard: (pos, ts) for shard, pos, ts in await connection.fetch(self._heads)}
        starts = {shard: pos for shard, (pos, _) in heads.items()}
        self.announced = Announced((known.number if known else 0) + 1, system, timeline, heads, starts)
        self._write(self.announced)
        return self.announced.number

    def _read(self) -> Announced | None:
        try:
            kept = json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        heads = {shard: (pos, ts) for shard, (pos, ts) in kept["heads"].items()}
        return Announced(kept["number"], kept["system"], kept["timeline"], heads, kept.get("starts", {}))

    def of(self, shard: str) -> tuple[int, int]:
        """The number of the generation, and the last position of a district that was taken over from the one before."""
        known = self.announced
        return (known.number, known.starts.get(shard, 0)) if known else (1, 0)

    def _write(self, announced: Announced) -> None:
        """Whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(f".{os.getpid()}")
        with fresh.open("w") as file:
            json.dump(announced._asdict(), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
