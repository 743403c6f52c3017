"""`gridcall intake` and its kin: one service in a process of its own."""

from __future__ import annotations

import asyncio
import os
from inspect import cleandoc

import click

from embedded.server import server_url, url_of
from gridcall.cli.up import check_port, prepared
from gridcall.host.asgi import app_apart
from gridcall.host.peers import PORTS, Peers
from httpedge.server import serve


def database_of(service: str) -> str:
    """The database of a service that is alone: on the embedded Postgres, intake has the one that commands ask."""
    if service == "intake" or "GRIDCALL_DATABASE_URL" in os.environ:
        return server_url()
    return url_of(f"gridcall_{service}")


def service_command(service: str) -> click.Command:
    """The command that runs one service, in a process and on a database of its own."""

    @click.command(service, short_help=f"Run {service} alone; the others are reached over Kafka.")
    @click.option("--host", default="127.0.0.1", show_default=True)
    @click.option(
        "--port", default=PORTS[service], show_default=True, type=click.IntRange(0, 65535)
    )
    @click.option(
        "--fed",
        is_flag=True,
        hidden=True,
        help="For simulate: time passes with what is fed, alone.",
    )
    def command(host: str, port: int, fed: bool) -> None:
        elsewhere = Peers.from_environment()
        url = "" if service == "screen" else database_of(service)
        if url:
            asyncio.run(prepared(url, service))
        check_port(host, port)
        serve(app_apart(url, service, elsewhere, fed), host, port)

    about = f"""Run {service} in a process of its own. Any number of them may stand beside each other.

    \b
    GRIDCALL_DATABASE_URL   its database, and no other service's  [default: one of the embedded Postgres]
    GRIDCALL_KAFKA          the broker, as 127.0.0.1:19092
    GRIDCALL_SERVICE_KEY    a secret that all services share
    GRIDCALL_INTAKE_URL     where intake is; in the same way the other services  [default: this machine, see --port]

    \b
    Ctrl-C or SIGTERM answers what was taken, lets the shards go, and ends.
    Example:     gridcall {service} --port {PORTS[service]}
    """
    command.help = cleandoc(about)
    return command


COMMANDS = {service: service_command(service) for service in PORTS}
