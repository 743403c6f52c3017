"""`gridcall sheet`: the figures of a gridworker, folded from the logs now, each with the events that it counts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from assessment.facts import Facts, Key, merge_into
from assessment.figures import FLOWS, receipts, sheets
from events.bell import Bell
from events.catalogue import Instant, PoliciesAdopted
from events.database import Database
from events.instants import rfc3339
from events.postgres import PostgresLog
from events.row import Row
from gridcall.asking import asked
from gridcall.operations import the_district
from gridcall.tables import as_json
from gridcall.terminal import NOTHING_RAN, emit, fail

READ = 1000


@click.command("sheet")
@click.argument("worker", metavar="WORKER")
@click.option("--district", metavar="CODE", help="Which; not needed where there is one.")
@click.option("--json", "as_json_", is_flag=True, help="As JSON.")
def sheet_command(worker: str, district: str | None, as_json_: bool) -> None:
    """A gridworker's figures by month, as far as time has passed, and the events that each of them counts.

    \b
    Exit status: 0 · 2 nothing is counted for this worker
    Example:     gridcall sheet w-0102
    """
    found, until = asked(lambda database: sheets_with_receipts(database, worker, district))
    if not found:
        fail(
            NOTHING_RAN, f"nothing is counted for {worker!r} yet; a roster names the workers, `gridcall tail cases` their cases"
        )
    emit(as_json(found) if as_json_ else "\n".join(text_of(each, until) for each in found).encode())


async def sheets_with_receipts(database: Database, worker: str, district: str | None) -> tuple[list[dict[str, Any]], Instant]:
    """The sheets of a worker, each with its receipts, at the instant up to which both logs have been decided."""
    name = district or await the_district(database)
    logs = [PostgresLog(log, database, Bell()) for log in ("cases", "calls")]
    until = min([(await log.watermark(name)).w for log in logs])
    facts: dict[Key, Any] = {}
    zone = "UTC"
    for log in logs:
        rows = await all_of(log, name)
        merge_into(facts, rows)
        zone = next((row.event.zone for row in reversed(rows) if isinstance(row.event, PoliciesAdopted)), zone)
    return counted(facts, zone, until, worker), until


async def all_of(log: PostgresLog, district: str) -> list[Row]:
    """A log from its beginning."""
    rows: list[Row] = []
    while more := await log.read(district, len(rows), READ):
        rows += more
    return rows


def counted(facts: Facts, zone: str, until: Instant, worker: str) -> list[dict[str, Any]]:
    """What counts for one worker: others' responsibilities are left out before anything is summed."""
    own = {key: fact for key, fact in facts.items() if key.worker == worker}
    return [
        {**asdict(sheet), "receipts": receipts(own, zone, until, worker, sheet.period)} for sheet in sheets(own, zone, until)
    ]


def text_of(sheet: dict[str, Any], until: Instant) -> str:
    """A sheet for people: a figure a line, with its events."""
    head = f"{sheet['period']}  {sheet['worker']}, grid {sheet['grid']}, until {rfc3339(until)}\n"
    return head + "".join(f"{name:15}{sheet[name]:>5}  {' '.join(sheet['receipts'][name])}".rstrip() + "\n" for name in FLOWS)
