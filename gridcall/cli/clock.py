"""`gridcall clock`: the clock that gives inputs their times, and what to do after it leapt."""

from __future__ import annotations

import click

from eventlog.postgres.pool import Database
from events.instants import rfc3339
from gridcall.cli.options import district_option
from gridcall.cli.queries import change_database
from gridcall.cli.terminal import NOTHING_RAN, fail, say
from intake.acceptor import now_us
from intake.store import ConditionStore, IntakeStore


@click.group("clock")
def clock_group() -> None:
    """Decide about a clock that leapt: confirm it, or hold a district until it is there again."""


@clock_group.command("confirm")
def clock_confirm() -> None:
    """Confirm a database clock that has leapt ahead. Its time is used from now on, irrevocably.

    \b
    Example:     gridcall clock confirm
    """
    ahead_us = change_database(lambda database: IntakeStore(database).confirm_clock(now_us()))
    say(f"confirmed: {ahead_us / 1e6:+,.0f} s beside this machine's clock")


@clock_group.command("hold")
@district_option
def clock_hold(district: str) -> None:
    """Hold a district whose time is ahead, because the clock leapt and was put back.

    \b
    Inputs are accepted again, all at the time that the district has. No deadline passes until the
    clock reaches it; then time goes on by itself. gridcall doctor shows the hold meanwhile.
    A hold is for the present leap alone. It cannot be undone, and need not be.
    Exit status: 0 held · 2 the district is not ahead of the clock · 3 the database is unavailable
    Example:     gridcall clock hold --district licheng
    """

    async def hold(database: Database) -> tuple[int | None, int]:
        until = await ConditionStore(database).hold_time(district)
        return until, await IntakeStore(database).clock()

    until, now = change_database(hold)
    if until is None:
        fail(NOTHING_RAN, f"{district} is not ahead of the clock: gridcall doctor shows districts")
    say(f"{district} is held at {rfc3339(until)}: its time goes on in {(until - now) / 1e6:,.0f} s")


COMMANDS = {"clock": clock_group}
