"""`gridcall restore`: a database that was restored, promoted or replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

import click

from embedded.server import data_folder, server_url
from eventlog.core.row import Generation
from eventlog.postgres.generation import DatabaseCheck, generations
from eventlog.postgres.migrate import open_connection
from events.topology import UPSTREAM
from gridcall.cli.options import service_databases_option
from gridcall.cli.terminal import say
from gridcall.host.migrations import bring_up_to_date


@click.group("restore")
def restore_group() -> None:
    """Go on with a database that was restored, promoted or replaced."""


@restore_group.command("accept")
@service_databases_option
def restore_accept(service_databases: dict[str, str]) -> None:
    """Accept intake's database as a new generation. Stages are cut back to what it still has.

    \b
    Inputs accepted after the backup are lost. Upstream systems post them again, with the same
    references.
    A second run cuts stages that the first could not reach. It begins no further generation.
    Example:     gridcall restore accept
    """
    generations_by_district = asyncio.run(
        accept_database(server_url(create=False), service_databases)
    )
    for district, generation in generations_by_district.items():
        number, position = generation.number, generation.forked_at
        say(f"{district}: generation {number}, which goes on after position {position}")


async def accept_database(
    url: str, service_databases: Mapping[str, str]
) -> Mapping[str, Generation]:
    """Begin a generation of intake's database, and return the generation of each district."""
    await bring_up_to_date(url, create=False)
    async with AsyncExitStack() as stack:
        connections = {}
        for service, service_url in {"intake": url, **service_databases}.items():
            connection = await stack.enter_async_context(open_connection(service_url))
            connections[service] = connection
        intake = connections.pop("intake")
        await DatabaseCheck(data_folder(), url, "intake").accept(intake, UPSTREAM, connections)
        return await generations("intake", intake)


COMMANDS = {"restore": restore_group}
