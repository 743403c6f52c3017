"""The state of a system on one database: positions, lag, open and parked cases."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

from eventlog.postgres.pool import Database, SupportsFetch
from eventlog.postgres.survey import Head
from events.catalogue import PARKING
from events.errors import Unavailable
from events.instants import rfc3339
from events.registry import TYPE_OF
from events.topology import LOGS, SERVICE, WRITER
from gridcall.host.conditions import look_at_database, look_at_services
from gridcall.host.examination import Look, examine, lag_of, rows_behind
from gridcall.host.open_cases import open_calls, open_cases, survey

# Counted as routed: a level above the grids has the case, and has not been there yet.
STAGE_NAMES = {"withheld": "routed"}


async def status(database: Database) -> dict[str, Any]:
    """Return the shards of every log, what is open in each district, and what is wrong.

    `replays` has the shards that their owners take over now.
    """
    shards = await shards_of_all_logs(database)
    districts = sorted({shard["district"] for shard in shards})
    return {
        "shards": shards,
        "open": {district: await count_open(database, district) for district in districts},
        **fields_of(await look_at_database(database)),
    }


async def services_status(key: str) -> dict[str, Any]:
    """Return the shards of every log, the replays, and what is wrong, as each service answers."""
    look = await look_at_services(key)
    shards = [
        {
            "district": state.shard,
            "log": condition.log,
            "position": state.position,
            "ts": rfc3339(state.time),
            "lag": lag_of(condition, state, look),
            "epoch": state.epoch,
            "owner": state.owner,
            "head": state.head,
        }
        for condition in look.conditions.values()
        for state in condition.shards
    ]
    return {"shards": shards, "open": {}, **fields_of(look)}


def fields_of(look: Look) -> dict[str, list[dict[str, Any]]]:
    """Return the replays of one look, and what it finds, for JSON."""
    return {
        "replays": [
            {
                "name": replay.name,
                "folded": replay.folded,
                "rows": replay.rows,
                "percent": replay.percent,
            }
            for condition in look.conditions.values()
            for replay in condition.replays
        ],
        "findings": [
            {
                "check": finding.check,
                "result": "note" if finding.note else "FAIL",
                "text": finding.sentence,
                "command": finding.command,
            }
            for finding in examine(look)
        ],
    }


async def shards_of_all_logs(database: Database) -> list[dict[str, Any]]:
    """Return position, time, lag, epoch and owner of every shard, log by log.

    All logs are read at one instant. Otherwise a stage that works meanwhile would seem to be ahead
    of its input.
    """
    async with database.snapshot() as connection:
        return await read_shards(connection)


async def read_shards(connection: SupportsFetch) -> list[dict[str, Any]]:
    """Return the shards of every log, as one connection sees them."""
    heads = {log: await survey(log, connection).heads() for log in LOGS}
    shards = []
    for log in LOGS:
        read = [heads[source] for source in SERVICE[WRITER[log]].inputs]
        for head in heads[log]:
            sources = [each for each in chain(*read) if each.shard == head.shard]
            shards.append(shard_status(log, head, rows_behind(head.time, head.input, sources)))
    return shards


def shard_status(log: str, head: Head, lag: int) -> dict[str, Any]:
    """Return a shard. Its lag is the number of input rows that it may apply, and has not."""
    return {
        "district": head.shard,
        "log": log,
        "position": head.position,
        "ts": rfc3339(head.time),
        "lag": lag,
        "epoch": head.epoch,
        "owner": head.owner,
        "head": head.hash.hex(),
    }


async def count_open(database: Database, district: str) -> dict[str, int]:
    """Return the number of open cases by stage and level, and of open calls by level."""
    counts: Counter[str] = Counter()
    for case in await open_cases(database, district):
        stage = STAGE_NAMES.get(case.stage, case.stage)
        counts[f"{stage} at the {case.level}"] += 1
    for call in await open_calls(database, district):
        counts[f"calls to the {call.to_level}"] += 1
    return dict(counts)


async def parked(database: Database) -> list[dict[str, Any]]:
    """Return the parked cases with their last fault, and how many inputs wait behind each."""
    return [
        {
            "district": each.shard,
            "log": log,
            "position": each.position,
            "case": each.subject,
            "held": each.deferred,
            "fault": each.fault,
        }
        for log in TYPE_OF[PARKING.parked].logs
        for each in await survey(log, database).parked(PARKING)
    ]


async def services_parked(key: str) -> list[dict[str, Any]]:
    """Return the parked cases as each service answers. Raises Unavailable if one does not."""
    look = await look_at_services(key)
    for finding in look.unreachable:
        raise Unavailable(finding.sentence, about=finding.check)
    return [
        {
            "district": case.shard,
            "log": condition.log,
            "position": case.position,
            "case": case.subject,
            "held": case.waiting,
            "fault": case.fault,
        }
        for condition in look.conditions.values()
        for case in condition.parked
    ]
