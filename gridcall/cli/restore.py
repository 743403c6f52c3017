"""`gridcall restore`: a database that was restored, promoted or replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import click

from embedded.server import data_folder, server_url
from eventlog.core.row import Generation
from eventlog.postgres.generation import DatabaseCheck, generations
from eventlog.postgres.migrate import open_connection
from events.instants import Instant, rfc3339
from events.topology import UPSTREAM
from gridcall.cli.options import InstantOf, district_option, service_databases_option
from gridcall.cli.terminal import say
from gridcall.cut_back import cut_back
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


@restore_group.command("before")
@click.argument("time", metavar="TIME", type=InstantOf())
@district_option
@click.option(
    "--out",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file for the inputs that are taken out. It must not exist.",
)
@click.option("--dry-run", is_flag=True, help="Write the file, and change nothing.")
@service_databases_option
def restore_before(
    time: Instant, district: str, path: Path, dry_run: bool, service_databases: dict[str, str]
) -> None:
    """Take back a district to an instant before its clock leapt. No backup is needed.

    \b
    The inputs accepted from TIME on are written to a file, with their senders, and taken out.
    So are the deadlines that passed in the leap, and the calls that they made.
    Senders post the inputs again, with the same references. Services may run meanwhile.
    Exit status: 0 done · 2 it cannot be cut there · 3 database or file unavailable.
    Example:     gridcall restore before 2026-11-26T14:00:00Z --district licheng --out lost.ndjson
    """
    result = asyncio.run(
        cut_back(server_url(create=False), service_databases, district, time, path, dry_run=dry_run)
    )
    done = "would be" if dry_run else "is"
    say(f"{district} {done} as before {rfc3339(time)}: it goes on after position {result.position}")
    for (source, kind), number in sorted(result.inputs.items()):
        say(f"{source or 'an unknown sender'} posts {number:,} of {kind} again")
    say(f"all of them, with their senders: {path}")


COMMANDS = {"restore": restore_group}
