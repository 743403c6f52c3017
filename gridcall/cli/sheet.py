"""`gridcall sheet`: the figures of a gridworker, each with the events that it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from assessment.core.figures import FLOWS, receipts, sheets
from assessment.store import FactStore
from eventlog.postgres.pool import Database, open_database
from events.instants import Instant, rfc3339
from gridcall.cli.options import json_option, only_district_option, service_databases_option
from gridcall.cli.queries import existing_district, run_on_database
from gridcall.cli.terminal import NOTHING_RAN, emit, fail
from gridcall.simulation.reports.files import as_json


@click.command("sheet")
@click.argument("worker", metavar="WORKER")
@only_district_option
@service_databases_option
@json_option
def sheet_command(
    worker: str, district: str | None, service_databases: dict[str, str], json_output: bool
) -> None:
    """Show a gridworker's figures by month, each with the events that it counts.

    They are computed from the facts up to the instant that assessment has reached.

    \b
    Exit status: 0 · 2 nothing is counted for this worker
    Example:     gridcall sheet w-0102
    """
    worker_sheets, until = run_on_database(
        lambda database: sheets_with_receipts(database, worker, district, service_databases)
    )
    if not worker_sheets:
        fail(
            NOTHING_RAN,
            f"nothing is counted for {worker!r} yet; a roster names the workers, `gridcall tail "
            "cases` their cases",
        )
    if json_output:
        emit(as_json(worker_sheets))
    else:
        emit("\n".join(text(sheet, until) for sheet in worker_sheets).encode())


async def sheets_with_receipts(
    database: Database, worker: str, district: str | None, service_databases: Mapping[str, str]
) -> tuple[list[dict[str, Any]], Instant]:
    """Return a worker's sheets with their receipts, and the instant that assessment has reached."""
    district = await existing_district(database, district)
    if url := service_databases.get("assessment"):
        async with open_database(url, size=1) as assessment:
            facts, zone, until = await FactStore(assessment).worker_facts(district, worker)
    else:
        facts, zone, until = await FactStore(database).worker_facts(district, worker)
    return [
        {**asdict(sheet), "receipts": receipts(facts.items(), zone, until, worker, sheet.period)}
        for sheet in sheets(facts.items(), zone, until)
    ], until


def text(sheet: dict[str, Any], until: Instant) -> str:
    """Return a sheet as text: a figure a line, with its events."""
    head = f"{sheet['period']}  {sheet['worker']}, grid {sheet['grid']}, until {rfc3339(until)}\n"
    lines = (f"{name:15}{sheet[name]:>5}  {' '.join(sheet['receipts'][name])}" for name in FLOWS)
    return head + "".join(line.rstrip() + "\n" for line in lines)


COMMANDS = {"sheet": sheet_command}
