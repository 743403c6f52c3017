"""The command line of gridcall. Data on stdout, progress on stderr; an error says what, why and the next command."""

from __future__ import annotations

import signal
import sys
import traceback
from importlib import import_module

import click

from eventlog.postgres.generation import NewGeneration
from events.errors import Halted, Unavailable
from gridcall.cli.terminal import NOTHING_RAN, OWN_FAULT, TERMINATED, UNREACHABLE, fail
from intake.acceptor import ClockLeapt

MODULES = {
    "gridcall.cli.administration": ("key", "clock", "restore", "topics"),
    "gridcall.demo.walkthrough": ("demo",),
    "gridcall.cli.map": ("map",),
    "gridcall.cli.operations": (
        "status", "tail", "parked", "retry", "doctor", "verify",
    ),
    "gridcall.cli.services": ("intake", "routing", "escalation", "assessment", "screen"),
    "gridcall.cli.up": ("up",),
    "gridcall.cli.dead_letters": ("quarantine",),
    "gridcall.cli.reference_data": ("names", "roster", "admission", "policies"),
    "gridcall.cli.sheet": ("sheet",),
    "gridcall.cli.simulate": ("simulate",),
}  # fmt: skip
MODULE_OF = {name: module for module, names in MODULES.items() for name in names}


class Commands(click.Group):
    """Imports a command when it is asked for: who simulates a year needs no web framework in memory, nor waits for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(MODULE_OF)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in MODULE_OF:
            return None
        commands: dict[str, click.Command] = import_module(MODULE_OF[cmd_name]).COMMANDS
        return commands[cmd_name]


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(package_name="gridcall")
def main() -> None:
    """Takes citizens' problems from four lines, makes one case of each matter, and calls for help level by level."""


def entry() -> None:
    """The program. A fault of its own has a status of its own, so that nobody takes it for rejected rows."""
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(TERMINATED)
    )  # What it uses is let go, as the embedded Postgres.
    try:
        main()
    except NewGeneration as error:
        fail(
            UNREACHABLE,
            f"{error}. Look which database this is; to go on with it: gridcall restore accept",
        )
    except ClockLeapt as error:
        fail(
            UNREACHABLE,
            f"{error}. Look which of the two is right, and confirm: gridcall clock confirm",
        )
    except Unavailable as error:
        fail(UNREACHABLE, f"{error}; see GRIDCALL_DATABASE_URL, or ask `gridcall doctor`")
    except Halted as error:
        fail(NOTHING_RAN, str(error))
    except OSError as error:
        fail(
            UNREACHABLE,
            f"{error.filename or 'stdout'}: {error.strerror}; make room, then run again",
        )
    except Exception:
        traceback.print_exc()
        fail(OWN_FAULT, "this is a fault of gridcall; please report it, with what stands above")
