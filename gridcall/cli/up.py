"""`gridcall up`: all services in one process."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Literal, NoReturn

import click

from embedded.server import data_folder, server_url
from eventlog.postgres.generation import DatabaseCheck
from eventlog.postgres.pool import Database, connected
from events.catalogue import LINES
from events.errors import Unavailable
from gridcall.cli.queries import run_on_database
from gridcall.cli.terminal import NOTHING_RAN, UNREACHABLE, fail
from gridcall.demo.live import run_demo
from gridcall.host.asgi import app_of
from gridcall.host.host import SERVICES
from gridcall.host.migrations import SERVICES as SCHEMAS
from gridcall.host.migrations import prepare
from httpedge.server import serve
from intake.api_keys import READER, Keys
from intake.store import IntakeStore

AWAY_SECONDS = 60  # How long `up` waits for a database before it gives up.


@click.command("up")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8311, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--service",
    "services",
    multiple=True,
    type=click.Choice(SERVICES),
    help="Only this service; may be given again.",
)
@click.option("--http", type=click.Choice(["h11", "httptools"]), default="httptools", hidden=True)
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
    http: Literal["h11", "httptools"],
    development_key: bool,
    demo: bool,
    speed: float,
) -> None:
    """Run all services in one process, on GRIDCALL_DATABASE_URL or on a Postgres that is started for it.

    \b
    Ctrl-C or SIGTERM answers what was taken, lets the shards go, and ends.
    Example:     gridcall up --development-key
    """
    url = server_url()
    asyncio.run(prepared(url))
    check_port(host, port)
    if demo:
        app = app_of(url, SERVICES, speed, open_screen=True)
        run_demo(url, data_folder(), speed, lambda on_up: serve(app, host, port, http, on_up))
        return
    if development_key:
        district, secret = run_on_database(development)
        click.echo(f"a key for all lines of {district}, and for reading logs: {secret}")
    serve(app_of(url, services or SERVICES), host, port, http)


async def prepared(url: str, *services: str) -> None:
    """Bring the schemas of services, or of all, up to date, as soon as the database answers: it may be starting too."""
    first = services[0] if services else "intake"
    deadline = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            await prepare(url, services=services or tuple(SCHEMAS))
            async with connected(url, size=1, check=DatabaseCheck(data_folder(), url, first).check):
                return
        except Unavailable as fault:
            if time.monotonic() > deadline:
                raise
            click.echo(f"waiting for the database: {fault}", err=True)
            await asyncio.sleep(0.5)  # Nothing announces that a database is back.


def check_port(host: str, port: int) -> None:
    """Say it where a port is taken, before anything starts."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            fail(
                UNREACHABLE,
                f"port {port} of {host} cannot be used: {error.strerror}; name another one: "
                f"gridcall up --port {port + 1}",
            )


async def development(database: Database) -> tuple[str, str]:
    """A key for the only district."""
    districts = await IntakeStore(database).district_codes()
    if len(districts) != 1:
        return no_district(len(districts))
    district = districts[0]
    return district, await Keys(database).add(district, "development", [*LINES, READER])


def no_district(count: int) -> NoReturn:
    """A development key stands for one district."""
    what = (
        "no district yet: gridcall map load DIR --profile FILE"
        if count == 0
        else "several districts: gridcall key add"
    )
    fail(NOTHING_RAN, f"--development-key: there is {what}")


COMMANDS = {"up": up_command}
