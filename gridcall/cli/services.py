"""`gridcall intake` and the other services: each the program `python -m NAME`, with options."""

from __future__ import annotations

from importlib import import_module

import click

from eventlog.program import Program, run
from eventlog.settings import load_settings, variables
from events.topology import SERVICE

ABOUT = """Run {name} in a process of its own. Any number of them may run at the same time.

\b
{variables}

\b
Ctrl-C or SIGTERM answers what was accepted, releases the shards, and ends.
Example:     gridcall {name} --port {port}
"""


def service_command(name: str) -> click.Command:
    """Return the command that runs one service, in a process and on a database of its own."""
    program: Program = import_module(f"{name}.app").PROGRAM
    default = SERVICE[name].port

    @click.command(name, short_help=f"Run {name} alone; the others are reached over Kafka.")
    @click.option("--host", default="127.0.0.1", envvar="GRIDCALL_HOST", show_default=True)
    @click.option(
        "--port",
        default=default,
        envvar="GRIDCALL_PORT",
        show_default=True,
        type=click.IntRange(0, 65535),
    )
    def command(host: str, port: int) -> None:
        run(program, load_settings(program.settings, host=host, port=port))

    rows = variables(program.settings)
    width = max(len(variable) for variable, _ in rows)
    lines = "\n".join(f"{variable:{width}}  {meaning}" for variable, meaning in rows)
    command.help = ABOUT.format(name=name, variables=lines, port=default)
    return command


COMMANDS = {name: service_command(name) for name in SERVICE}
