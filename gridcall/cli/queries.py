"""How commands ask the database, and show rows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import click

from embedded.server import server_url
from eventlog.postgres.pool import Database, connected
from gridcall.cli.terminal import NOTHING_RAN, emit, fail
from gridcall.host.migrations import prepare
from gridcall.simulation.reports.files import as_json

T = TypeVar("T")


def asked(work: Callable[[Database], Awaitable[T]]) -> T:
    """Ask something of the database, whose schemas are made if they are not there."""

    async def on_database() -> T:
        url = server_url()
        await prepare(url)
        async with connected(url, size=2) as database:
            return await work(database)

    return asyncio.run(on_database())


def listed(rows: Sequence[dict[str, Any]], as_json_: bool, empty: str) -> None:
    """Rows as JSON, or as a table of plain text; what to say where there are none."""
    if as_json_:
        emit(as_json(list(rows)))
    elif not rows:
        click.echo(empty, err=True)
    else:
        names = list(rows[0])
        cells = [names, *([str(row[name]) for name in names] for row in rows)]
        widths = [max(len(line[at]) for line in cells) for at in range(len(names))]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in cells
        )
        emit("".join(f"{line}\n" for line in lines).encode())


def named(apart: Sequence[str]) -> dict[str, str]:
    """The URLs of services with databases of their own, each as SERVICE=URL."""
    if wrong := [each for each in apart if "=" not in each]:
        fail(
            NOTHING_RAN,
            f"--apart {wrong[0]}: write SERVICE=URL, for example routing=postgresql://HOST/routing",
        )
    return dict(each.split("=", 1) for each in apart)
