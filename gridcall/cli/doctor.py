"""`gridcall doctor`: checks of everything that gridcall needs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import click

from embedded.server import data_folder
from eventlog.postgres.pool import Database
from events.errors import GridcallError, Unavailable
from gridcall.cli.queries import run_on_database
from gridcall.cli.terminal import UNREACHABLE
from gridcall.host.status import shards_of_all_logs
from intake.acceptor import AHEAD_US_MAX, now_us
from intake.store import IntakeStore

FREE_MIB_MIN = 500


class CheckFailed(GridcallError):
    """A check failed. The sentence says what is wrong and what to do."""


@click.command("doctor")
def doctor_command() -> None:
    """Check everything that gridcall needs, and say what to do about a failure.

    \b
    Exit status: 0 every check is ok · 3 a check failed
    Example:     gridcall doctor
    """
    failed = False
    for name, check in CHECKS.items():
        try:
            result, text = "ok", check()
        except (CheckFailed, Unavailable, OSError) as fault:
            result, text, failed = "FAIL", str(fault), True
        click.echo(f"{name:10} {result:5} {text}")
    sys.exit(UNREACHABLE if failed else 0)


def check_folder() -> str:
    """Return the data folder and its free space. It must be writable and have room."""
    folder = data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise CheckFailed(f"{folder} is not writable: name another folder in GRIDCALL_HOME")
    stat = os.statvfs(folder)
    free_mib = stat.f_bavail * stat.f_frsize // 2**20
    if free_mib < FREE_MIB_MIN:
        raise CheckFailed(
            f"{folder} has {free_mib} MiB left: make room, or name another folder in GRIDCALL_HOME"
        )
    return f"{folder}, {free_mib:,} MiB free"


def check_database() -> str:
    """Return the database's version, commit settings and response time."""
    started = time.monotonic()
    version, fsync, commit = run_on_database(server_settings)
    seconds = time.monotonic() - started
    where = "GRIDCALL_DATABASE_URL" if os.environ.get("GRIDCALL_DATABASE_URL") else "embedded"
    settings = f"Postgres {version}, fsync {fsync}, synchronous_commit {commit}"
    return f"{where}: {settings}; response in {seconds:.1f} s"


async def server_settings(database: Database) -> list[str]:
    """Return the server's version and its two settings of durability."""
    names = ("server_version", "fsync", "synchronous_commit")
    return [(await database.fetch(f"SHOW {name}"))[0][0] for name in names]


def check_clock() -> str:
    """Return the difference of the database's clock from this machine's."""
    ahead_us = run_on_database(lambda database: IntakeStore(database).clock_ahead_us(now_us()))
    if ahead_us > AHEAD_US_MAX:
        raise CheckFailed(
            f"the database's clock is {ahead_us / 1e6:,.0f} s ahead: set it right, "
            "or confirm it: gridcall clock confirm"
        )
    return f"{ahead_us / 1e6:+.3f} s"


def check_shards() -> str:
    """Return the number of shards. None may lag behind."""
    shards = run_on_database(shards_of_all_logs)
    lags = [
        f"{shard['log']}/{shard['district']} is {shard['lag']:,} behind"
        for shard in shards
        if shard["lag"]
    ]
    if lags:
        raise CheckFailed("; ".join(lags))
    return f"{len(shards)} shards, none behind"


CHECKS: dict[str, Callable[[], str]] = {
    "folder": check_folder,
    "database": check_database,
    "clock": check_clock,
    "shards": check_shards,
}

COMMANDS = {"doctor": doctor_command}
