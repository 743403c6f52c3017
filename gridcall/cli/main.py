"""The command line: data on stdout, messages on stderr, an exit status for each outcome."""

from __future__ import annotations

import signal
import sys
import traceback
from importlib import import_module

import click

from eventlog.exits import exit_of
from events.errors import GridcallError
from events.topology import SERVICE
from gridcall.cli.terminal import NOTHING_RAN, OWN_FAULT, TERMINATED, UNREACHABLE, fail, say
from intake.acceptor import ClockLeapt
from intake.adoption import ReferenceRefused
from intake.districts import UnknownDistrict

# A command is in the module of its name, except where one module declares several commands.
MODULE = {
    name: name
    for name in (
        "access", "clock", "decider", "demo", "district", "doctor", "key", "map", "parked",
        "quarantine", "rebuild", "restore", "retry", "sheet", "simulate", "status", "tail",
        "topics", "up", "verify",
    )
}  # fmt: skip
MODULE |= dict.fromkeys(("admission", "names", "policies", "roster"), "reference_data")
MODULE |= dict.fromkeys(SERVICE, "services")
MODULE["sign-head"] = "sign_head"


class Commands(click.Group):
    """A group that imports a command when it is used: `simulate` loads no web framework."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(MODULE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in MODULE:
            return None
        commands: dict[str, click.Command] = import_module(
            f"gridcall.cli.{MODULE[cmd_name]}"
        ).COMMANDS
        return commands[cmd_name]


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(package_name="gridcall")
def main() -> None:
    """Take citizens' problems from four lines, and follow each matter until it is closed."""


def entry() -> None:
    """Run the program. A fault of gridcall has an exit status of its own, unlike rejected rows."""
    # SIGTERM raises SystemExit, so that the embedded Postgres and other resources are released.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        main()
    except ClockLeapt as error:
        fail(
            UNREACHABLE,
            f"{error}. Check which clock is right, and decide: {error.command}",
        )
    except (UnknownDistrict, ReferenceRefused) as error:
        fail(NOTHING_RAN, str(error))
    except (GridcallError, OSError) as error:
        fail(*exit_of(error))
    except Exception:
        say(traceback.format_exc(), err=True)
        fail(OWN_FAULT, "this is a fault of gridcall; please report it with the lines above")
