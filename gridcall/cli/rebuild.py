"""`gridcall rebuild`: the screen's read model of a district is built again, beside the live one."""

from __future__ import annotations

import asyncio

import click

from embedded.server import server_url
from eventlog.postgres.pool import open_database
from gridcall.cli.options import district_option, service_databases_option
from gridcall.cli.queries import open_to_read
from gridcall.cli.terminal import NOTHING_RAN, fail, say
from screen.core.fold import VERSION
from screen.store import ModelStore


@click.command("rebuild")
@district_option
@service_databases_option
def rebuild_command(district: str, service_databases: dict[str, str]) -> None:
    """Build the screen's read model of a district again, from its logs.

    A screen that runs does the work. Pages show the live model until the new one has caught up.

    \b
    Exit status: 0 it is being built · 2 the screen has no live model of this district
    Example:     gridcall rebuild --district north
    """
    url = service_databases.get("screen") or server_url(create=False)
    if not asyncio.run(begin_to_build(url, district, has_intake="screen" not in service_databases)):
        fail(NOTHING_RAN, f"the screen has no live model of {district!r}: nothing to build beside")
    say(f"{district}: a new read model is being built beside the live one")


async def begin_to_build(url: str, district: str, *, has_intake: bool) -> bool:
    """Begin a model of the logs of the live one; return False if there is no live one."""
    opened = open_to_read(url) if has_intake else open_database(url, size=2)
    async with opened as database:
        store = ModelStore(database, "")
        live = [
            model
            for model in await store.models(district)
            if (model.version, model.state) == (VERSION, "live")
        ]
        for model in live:
            generations = {log: read.generation for log, read in model.logs.items()}
            await store.build(district, VERSION, generations)
        return bool(live)


COMMANDS = {"rebuild": rebuild_command}
