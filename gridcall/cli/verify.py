"""`gridcall verify`: the logs compared with a fresh fold of intake's log."""

from __future__ import annotations

import asyncio
import sys

import click

from embedded.server import database_url, server_url
from gridcall.cli.options import json_option, service_databases_option
from gridcall.cli.progress import ProgressBar
from gridcall.cli.terminal import REJECTED, emit
from gridcall.simulation.reports.files import as_json
from gridcall.verify import Verified, verify


@click.command("verify")
@click.option(
    "--database",
    metavar="NAME",
    help="Another database of the same server, such as one that simulate left.",
)
@click.option(
    "--district",
    "districts",
    multiple=True,
    metavar="CODE",
    help="Only this district. May be repeated.",
)
@service_databases_option
@json_option
def verify_command(
    database: str | None,
    districts: tuple[str, ...],
    service_databases: dict[str, str],
    json_output: bool,
) -> None:
    """Fold intake's log again, and compare `cases`, `calls` and the facts with it, byte for byte.

    \b
    Exit status: 0 equal · 1 different · 3 the database is unavailable
    Example:     gridcall verify --database simulate_exampleville-2019
    """
    url = database_url(database) if database else server_url()
    with ProgressBar() as bar:
        progress = bar.begin("Folding", None)
        results = asyncio.run(verify(url, districts, progress, service_databases))
    if json_output:
        emit(as_json([to_fields(result) for result in results]))
    else:
        emit("".join(sentence(result) for result in results).encode())
    sys.exit(REJECTED if any(result.difference for result in results) else 0)


def sentence(result: Verified) -> str:
    """Return the result of one district as text."""
    if result.difference:
        return f"{result.district}: {result.difference}\n"
    equal = f"{result.rows:,} rows are equal, and so are {result.facts:,} facts"
    return f"{result.district}: {result.inputs:,} inputs folded again, {equal}\n"


def to_fields(result: Verified) -> dict[str, object]:
    """Return the result of one district for JSON."""
    return {
        "district": result.district,
        "inputs": result.inputs,
        "rows": result.rows,
        "facts": result.facts,
        "difference": result.difference.as_json() if result.difference else None,
    }


COMMANDS = {"verify": verify_command}
