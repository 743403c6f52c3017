"""Rows of logs and of shards, as the tables of the services have them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import asyncpg

SCHEMAS = {
    "intake": "intake",
    "cases": "routing",
    "calls": "escalation",
    "evaluations": "assessment",
}  # Each log, and whose it is.
SOURCE = {
    "cases": "intake",
    "calls": "cases",
}  # Each log of a stage of one log, and that log. Assessment reads two.
REFERENCE = "reference"  # The subject of reference data.
BEGINNING = -62_135_596_800_000_000  # 0001-01-01T00:00:00Z: no time has passed.
PREFETCH = 2000


class Unreadable(Exception):
    """A row lacks something that events of its type have."""


class Row(NamedTuple):
    """A row of a log.

    `kind` is its type without prefix and version. `data` are its fields, or None if they are
    no JSON.
    """

    log: str
    shard: str
    position: int
    time: int
    input: int
    step: int
    subject: str
    sequence: int
    cause: str
    kind: str
    data: Any

    @property
    def name(self) -> str:
        return f"{self.log}/{self.shard}/{self.position}"

    @property
    def has_input(self) -> bool:
        """True if it stores an input that waits. A retry that failed, and a clock, store none."""
        return isinstance(self.data, dict) and self.data.get("input") is not None

    def field(self, *path: str) -> Any:
        value = self.data
        for part in path:
            if not isinstance(value, dict) or part not in value:
                raise Unreadable(f"{self.name} ({self.kind}) has no {'.'.join(path)}")
            value = value[part]
        return value

    def text(self, *path: str) -> str:
        if not isinstance(value := self.field(*path), str):
            raise Unreadable(f"{self.name}: {'.'.join(path)} is {value!r}, and no text")
        return value

    def instant(self, *path: str) -> int | None:
        if (value := self.field(*path)) is not None and type(value) is not int:
            raise Unreadable(f"{self.name}: {'.'.join(path)} is {value!r}, and no whole number")
        return value

    def number(self, *path: str) -> int:
        if (value := self.instant(*path)) is None:
            raise Unreadable(f"{self.name}: {'.'.join(path)} is null")
        return value


class Head(NamedTuple):
    """A shard's row: its last position, the time that has passed, and the last input applied."""

    position: int = 0
    time: int = BEGINNING
    input: int = 0


@cache
def kind_of(type_name: str) -> str:
    """Return `case-routed` of `gridcall.case-routed.v1`, or of another version of it.

    The checks read what all versions have in common.
    """
    named = re.fullmatch(r"gridcall\.(.+)\.v[1-9][0-9]*", type_name)
    return named[1] if named else type_name


def parse_data(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


class Tables:
    """The logs and shards of the services, each in one state of its database."""

    def __init__(self, connections: Mapping[str, asyncpg.Connection[asyncpg.Record]]) -> None:
        self._connections = connections

    async def shards(self) -> set[str]:
        shards: set[str] = set()
        for schema, connection in self._connections.items():
            records = await connection.fetch(
                f"SELECT shard FROM {schema}.shard UNION SELECT shard FROM {schema}.log"
            )
            shards |= {record["shard"] for record in records}
        return shards

    async def head(self, log: str, shard: str) -> Head | None:
        query = f"SELECT pos, ts, input FROM {SCHEMAS[log]}.shard WHERE shard = $1"
        record = await self._connections[SCHEMAS[log]].fetchrow(query, shard)
        return Head(record["pos"], record["ts"], record["input"]) if record else None

    async def rows(self, log: str, shard: str) -> AsyncIterator[Row]:
        query = (
            "SELECT pos, ts, input, n, subject, seq, cause, type, data "
            f"FROM {SCHEMAS[log]}.log WHERE shard = $1 ORDER BY pos"
        )
        async for record in self._connections[SCHEMAS[log]].cursor(query, shard, prefetch=PREFETCH):
            *columns, type_name, data = record
            yield Row._make((log, shard, *columns, kind_of(type_name), parse_data(data)))
