"""`gridcall sheet`: the figures of a gridworker, taken from the facts now, each with the events that it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from assessment.core.figures import FLOWS, receipts, sheets
from assessment.store import FactStore
from eventlog.postgres.pool import Database, connected
from events.instants import Instant, rfc3339
from gridcall.cli.operations import the_district
from gridcall.cli.queries import asked, named
from gridcall.cli.terminal import NOTHING_RAN, emit, fail
from gridcall.simulation.reports.files import as_json


@click.command("sheet")
@click.argument("worker", metavar="WORKER")
@click.option("--district", metavar="CODE", help="Which; not needed where there is one.")
@click.option(
    "--apart",
    multiple=True,
    metavar="assessment=URL",
    help="Where assessment has a database of its own.",
)
@click.option("--json", "as_json_", is_flag=True, help="As JSON.")
def sheet_command(
    worker: str, district: str | None, apart: tuple[str, ...], as_json_: bool
) -> None:
    """A gridworker's figures by month, as far as time has passed, and the events that each of them counts.

    \b
    Exit status: 0 · 2 nothing is counted for this worker
    Example:     gridcall sheet w-0102
    """
    elsewhere = named(apart)
    found, until = asked(
        lambda database: sheets_with_receipts(database, worker, district, elsewhere)
    )
    if not found:
        fail(
            NOTHING_RAN,
            f"nothing is counted for {worker!r} yet; a roster names the workers, `gridcall tail cases` their cases",
        )
    emit(as_json(found) if as_json_ else "\n".join(text_of(each, until) for each in found).encode())


async def sheets_with_receipts(
    database: Database, worker: str, district: str | None, apart: Mapping[str, str]
) -> tuple[list[dict[str, Any]], Instant]:
    """The sheets of a worker, each with its receipts, at the instant up to which assessment has merged both logs."""
    name = district or await the_district(database)
    if url := apart.get("assessment"):
        async with connected(url, size=1) as own:
            facts, zone, until = await FactStore(own).worker_facts(name, worker)
    else:
        facts, zone, until = await FactStore(database).worker_facts(name, worker)
    made = sheets(facts.items(), zone, until)
    return [
        {**asdict(sheet), "receipts": receipts(facts.items(), zone, until, worker, sheet.period)}
        for sheet in made
    ], until


def text_of(sheet: dict[str, Any], until: Instant) -> str:
    """A sheet for people: a figure a line, with its events."""
    head = f"{sheet['period']}  {sheet['worker']}, grid {sheet['grid']}, until {rfc3339(until)}\n"
    return head + "".join(
        f"{name:15}{sheet[name]:>5}  {' '.join(sheet['receipts'][name])}".rstrip() + "\n"
        for name in FLOWS
    )


COMMANDS = {"sheet": sheet_command}
