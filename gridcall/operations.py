"""What operations teams ask of a running gridcall, or of a database that one left behind."""

from __future__ import annotations

import asyncio
import sys

import click

from events.embedded import server_url, url_of
from gridcall.tables import as_json
from gridcall.terminal import REJECTED, Bar, emit
from gridcall.verify import Verified, verify


@click.command("verify")
@click.option("--database", metavar="NAME", help="Another database of the same server, for example one that simulate left.")
@click.option("--district", "districts", multiple=True, metavar="CODE", help="Only this district; may be given again.")
@click.option("--json", "as_json_", is_flag=True, help="What was found as JSON.")
def verify_command(database: str | None, districts: tuple[str, ...], as_json_: bool) -> None:
    r"""Fold intake's log again, and compare `cases` and `calls` with it, byte for byte.

    \b
    Exit status: 0 they are equal · 1 they differ: the first difference is shown · 3 the database cannot be reached
    Example:     gridcall verify --database simulate_exampleville-2019
    """
    with Bar() as bar:
        url = url_of(database) if database else server_url()
        found = asyncio.run(verify(url, districts, bar.task("Folding", None)))
    emit(as_json([as_record(each) for each in found]) if as_json_ else "".join(map(sentence, found)).encode())
    sys.exit(REJECTED if any(each.difference for each in found) else 0)


def sentence(found: Verified) -> str:
    """What was found in one district."""
    if found.difference:
        return f"{found.district}: {found.difference}\n"
    return f"{found.district}: {found.inputs:,} inputs folded again, {found.rows:,} rows are equal\n"


def as_record(found: Verified) -> dict[str, object]:
    """The same for a program."""
    difference = found.difference.as_json() if found.difference else None
    return {"district": found.district, "inputs": found.inputs, "rows": found.rows, "difference": difference}
