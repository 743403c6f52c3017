"""All rows of a model, for `gridcall verify`: each with a name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple, TypeAlias

import asyncpg
import msgspec

PAGE = 2_000

SERVED = """
SELECT id, settings FROM screen.model WHERE shard = $1 AND version = $2 AND state <> 'dropped'
ORDER BY state = 'live' DESC LIMIT 1
"""
PROGRESS = "SELECT log, pos, input, ts FROM screen.progress WHERE model = $1"
CASES = """
SELECT id, line, reference, grid, due, accepted, ended,
  open, running, overdue, calling, queued, parked, file
FROM screen.case_file WHERE model = $1 AND id > $2 ORDER BY id LIMIT $3
"""
CALLS = "SELECT id, case_id, level, due FROM screen.call WHERE model = $1"
TALLIES = """
SELECT of, code,
  accepted, open, ended, overdue, calling, queued, parked, street_calls, district_calls
FROM screen.tally WHERE model = $1
"""
EVENTS = "SELECT ts, log, pos, start, name, case_id FROM screen.event WHERE model = $1"
DISTRICTS = "SELECT DISTINCT shard FROM screen.model WHERE state <> 'dropped'"

Connection: TypeAlias = "asyncpg.Connection[Any]"
decode_settings = msgspec.json.Decoder(dict[str, str]).decode


class ModelEnd(NamedTuple):
    """A model of a district, and the last position of each log that it has read."""

    id: int
    settings: str
    positions: dict[str, int]


async def stored_model(session: Connection, district: str, version: int) -> ModelEnd | None:
    """Return the model of a version that is live, else the one that is built, if there is any."""
    record = await session.fetchrow(SERVED, district, version)
    if record is None:
        return None
    progress = await session.fetch(PROGRESS, record["id"])
    positions = {log: position for log, position, _, _ in progress}
    return ModelEnd(record["id"], record["settings"], positions)


async def stored_rows(
    session: Connection, model: ModelEnd
) -> AsyncIterator[tuple[str, tuple[Any, ...]]]:
    """Yield each row of a model with its name. Counts of nothing are none."""
    last = ""
    while records := await session.fetch(CASES, model.id, last, PAGE):
        for id_, *values in records:
            yield f"case {id_}", tuple(values)
        last = records[-1]["id"]
    for id_, *values in await session.fetch(CALLS, model.id):
        yield f"call {id_}", tuple(values)
    for of, code, *counts in await session.fetch(TALLIES, model.id):
        if any(counts):
            yield f"count of the {of} {code}", tuple(counts)
    for time, log, position, *values in await session.fetch(EVENTS, model.id):
        yield f"event {time} {log}/{position}", tuple(values)
    for log, *read in await session.fetch(PROGRESS, model.id):
        if any(read[:1]):
            yield f"progress of {log}", tuple(read)
    yield "settings", tuple(sorted(decode_settings(model.settings).items()))


async def read_districts(session: Connection) -> set[str]:
    """Return the districts that have a model."""
    return {record["shard"] for record in await session.fetch(DISTRICTS)}
