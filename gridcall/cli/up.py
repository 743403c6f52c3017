"""`gridcall up`: all services in one process."""

from __future__ import annotations

import asyncio
import os
from typing import NoReturn

import click

from embedded.server import data_folder, is_embedded, server_url
from eventlog.logs import configure_logging
from eventlog.postgres.generation import DatabaseCheck
from eventlog.postgres.pool import Database
from eventlog.program import prepare_database
from eventlog.settings import load_settings
from events.catalogue import LINES
from gridcall.cli.queries import change_database
from gridcall.cli.replay_line import draw_replays
from gridcall.cli.terminal import NOTHING_RAN, fail, say
from gridcall.demo.live import run_demo
from gridcall.host.app import ALL, HostSettings, make_host_app
from gridcall.host.migrations import MIGRATIONS
from httpedge.ports import check_port
from httpedge.server import serve
from intake.api_keys import READER, ApiKeys
from intake.store import IntakeStore


@click.command("up")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8311, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--service",
    "services",
    multiple=True,
    type=click.Choice(ALL),
    help="Only this service; may be given again.",
)
@click.option(
    "--development-key",
    is_flag=True,
    help="Make a key for all lines of the only district, and print it.",
)
@click.option(
    "--demo",
    is_flag=True,
    help="A district that lives: it is loaded, and four simulated lines post to it.",
)
@click.option(
    "--speed",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0.1, 3600),
    help="Of the demo's time.",
)
def up_command(
    host: str,
    port: int,
    services: tuple[str, ...],
    development_key: bool,
    demo: bool,
    speed: float,
) -> None:
    """Run all services in one process, on GRIDCALL_DATABASE_URL or on an embedded Postgres.

    \b
    Ctrl-C or SIGTERM answers what was accepted, releases the shards, and ends.
    Example:     gridcall up --development-key
    """
    configure_logging("gridcall")
    url = server_url()
    check = DatabaseCheck(data_folder(), url, "intake")
    asyncio.run(prepare_database(url, MIGRATIONS, check, create=is_embedded()))
    check_port(host, port)
    settings = load_settings(HostSettings)
    show = draw_replays()
    if demo:
        app = make_host_app(url, settings, ALL, speed, open_screen=True, show_replays=show)
        run_demo(
            url, data_folder(), speed, lambda on_up: serve(app, host, port, settings.limits, on_up)
        )
        return
    if development_key:
        district, secret = change_database(add_development_key)
        say(f"a key for all lines of {district}, and for reading logs: {secret}")
    service_key = os.environ.get("GRIDCALL_SERVICE_KEY", "")
    app = make_host_app(url, settings, services or ALL, service_key=service_key, show_replays=show)
    serve(app, host, port, settings.limits)


async def add_development_key(database: Database) -> tuple[str, str]:
    """Return the only district, and a new key for all its lines."""
    districts = await IntakeStore(database).district_codes()
    if len(districts) != 1:
        refuse_development_key(len(districts))
    lines = [*LINES, READER]
    return districts[0], await ApiKeys(database).add(districts[0], "development", lines)


def refuse_development_key(count: int) -> NoReturn:
    """Exit because a development key needs exactly one district."""
    problem = (
        "no district yet: gridcall district add CODE"
        if count == 0
        else "several districts: gridcall key add"
    )
    fail(NOTHING_RAN, f"--development-key: there is {problem}")


COMMANDS = {"up": up_command}
