"""`gridcall clock`: the database's clock, which gives inputs their times."""

from __future__ import annotations

import click

from gridcall.cli.queries import run_on_database
from intake.acceptor import now_us
from intake.store import IntakeStore


@click.group("clock")
def clock_group() -> None:
    """Confirm the clock that gives inputs their times."""


@clock_group.command("confirm")
def clock_confirm() -> None:
    """Confirm a database clock that has leapt ahead. Its time is used from now on, irrevocably.

    \b
    Example:     gridcall clock confirm
    """
    ahead_us = run_on_database(lambda database: IntakeStore(database).confirm_clock(now_us()))
    click.echo(f"confirmed: {ahead_us / 1e6:+,.0f} s beside this machine's clock")


COMMANDS = {"clock": clock_group}
