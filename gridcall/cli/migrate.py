"""`gridcall migrate`: brings the schema of one service up to date before its processes start."""

from __future__ import annotations

import asyncio

import click

from embedded.server import is_embedded, server_url
from eventlog.postgres.migrate import newest_revision
from eventlog.program import prepare_database
from events.topology import SERVICE
from gridcall.cli.terminal import say
from gridcall.host.migrations import MIGRATIONS


@click.command("migrate")
@click.argument("service", type=click.Choice(list(SERVICE)))
def migrate_command(service: str) -> None:
    """Bring the schema of a service up to date in its own database, and end.

    A service does the same when it starts. Done before, a migration that fails is seen before any
    process is replaced. The processes that run go on meanwhile. A migration adds what a newer
    build needs. Only a later one removes what no build reads any more.

    \b
    Exit status: 0 it is up to date · 3 the database is unavailable, or a newer gridcall's
    Example:     gridcall migrate routing
    """
    folder = MIGRATIONS[service]
    asyncio.run(prepare_database(server_url(), {service: folder}, create=is_embedded()))
    say(f"{service} is up to date: {newest_revision(folder)}")


COMMANDS = {"migrate": migrate_command}
