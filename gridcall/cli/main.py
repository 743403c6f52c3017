"""The command line: data on stdout, messages on stderr, an exit status for each outcome."""

from __future__ import annotations

import signal
import sys
from importlib import import_module

import click

from eventlog.secret_files import load_secret_files
from events.topology import SERVICE
from gridcall.cli.terminal import TERMINATED, UNREACHABLE, fail, say

# A command is in the module of its name, except where one module declares several commands.
MODULE = {
    name: name
    for name in (
        "access", "clock", "decider", "demo", "district", "doctor", "key", "map", "migrate",
        "parked", "quarantine", "rebuild", "restore", "retry", "sheet", "simulate", "status",
        "tail", "topics", "up", "verify",
    )
}  # fmt: skip
MODULE |= dict.fromkeys(("admission", "names", "policies", "roster"), "reference_data")
MODULE |= dict.fromkeys(SERVICE, "services")
MODULE["sign-head"] = "sign_head"


class Commands(click.Group):
    """A group that imports a command when it is used: `simulate` loads no web framework.

    Whatever all commands need is imported by each of them, and should be little.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(MODULE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in MODULE:
            return None
        commands: dict[str, click.Command] = import_module(
            f"gridcall.cli.{MODULE[cmd_name]}"
        ).COMMANDS
        return commands[cmd_name]


def show_version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    """Print the version and the commit, and exit."""
    if wanted and not ctx.resilient_parsing:
        say(import_module("gridcall.release").describe_release())
        ctx.exit()


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_version,
    help="Show the version and the commit, and exit.",
)
def main() -> None:
    """Take citizens' problems from four lines, and follow each matter until it is closed."""


def entry() -> None:
    """Run the program, and end it with the status and the sentence of its fault, if it has one."""
    # SIGTERM raises SystemExit, so that the embedded Postgres and other resources are released.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        load_secret_files()
        main()
    except Exception as fault:
        try:
            faults = import_module("gridcall.cli.faults")
        except OSError:  # There are no free files, for example.
            fail(UNREACHABLE, f"{type(fault).__name__}: {fault}")
        faults.end(fault)
