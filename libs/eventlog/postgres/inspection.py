"""Reads the condition of a service from its database: nothing is written, and nothing migrated."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

from eventlog.condition import Condition, ParkedCase, Replay, ShardState
from eventlog.postgres.pool import SupportsFetch
from eventlog.postgres.survey import Head, Survey
from events.registry import Parking

SETTINGS = ("server_version", "fsync", "full_page_writes", "synchronous_commit")
SERVER = "SELECT name, setting FROM pg_settings WHERE name = ANY ($1)"
STATE = """
SELECT
    pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean
        AS is_read_only,
    current_setting('archive_mode') <> 'off'
        AND last_failed_time > coalesce(last_archived_time, '-infinity') AS is_unarchived,
    to_char(last_archived_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS archived
FROM pg_stat_archiver
"""
COLUMNS = """
SELECT c.relname::text AS "table", a.attname::text AS "column"
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = $1 AND a.attnum > 0 AND NOT a.attisdropped
"""

Tables: TypeAlias = Mapping[str, Collection[str]]  # The columns of each table.


async def inspect_service(
    database: SupportsFetch,
    service: str,
    log: str,
    tables: Tables,
    *,
    stage: bool = True,
    parking: Parking | None = None,
) -> Condition:
    """Return the condition of a service as its database shows it.

    `tables` are those that it needs. While some are missing, nothing else is read. `parking` has
    the events about parked subjects, if the log has them.
    """
    missing = await missing_names(database, service, tables)
    server = await server_settings(database)
    if missing:
        return Condition(service=service, log=log, stage=stage, server=server, missing=missing)
    survey = Survey(log, service, database)
    heads = await survey.heads()
    parked = await survey.parked(parking) if parking else []
    return Condition(
        service=service,
        log=log,
        stage=stage,
        server=server,
        shards=[shard_state(head) for head in heads],
        replays=[
            Replay(name=f"{log}/{head.shard}", folded=head.folded, rows=head.position)
            for head in heads
            if not head.is_replayed
        ],
        parked=[
            ParkedCase(
                shard=each.shard,
                position=each.position,
                subject=each.subject,
                fault=each.fault,
                waiting=each.deferred,
            )
            for each in parked
        ],
    )


def shard_state(head: Head) -> ShardState:
    """Return the state of a shard as the database has it."""
    return ShardState(
        shard=head.shard,
        position=head.position,
        time=head.time,
        applied=head.input,
        epoch=head.epoch,
        owner=head.owner,
        head=head.hash.hex(),
    )


async def server_settings(database: SupportsFetch) -> dict[str, str]:
    """Return the version and the settings of the server, as this session has them.

    `unarchived_since` is there if the last try to archive its own log failed.
    """
    settings = dict(map(tuple, await database.fetch(SERVER, list(SETTINGS))))
    (record,) = await database.fetch(STATE)
    state = {"read_only": "on" if record["is_read_only"] else "off"}
    if record["is_unarchived"]:
        state["unarchived_since"] = record["archived"] or "its start"
    return {**settings, **state}


async def missing_names(database: SupportsFetch, schema: str, tables: Tables) -> list[str]:
    """Return the tables that a schema lacks, and the columns that its tables lack."""
    columns: dict[str, set[str]] = {}
    for table, column in await database.fetch(COLUMNS, schema):
        columns.setdefault(table, set()).add(column)
    names = []
    for table, needed in tables.items():
        if table not in columns:
            names.append(f"{schema}.{table}")
        else:
            lacking = sorted(set(needed) - columns[table])
            names += [f"{schema}.{table}.{column}" for column in lacking]
    return names
