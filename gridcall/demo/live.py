"""`gridcall up --demo`: a living district, in a database whose time runs faster."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from shutil import rmtree
from time import monotonic
from zoneinfo import ZoneInfo

import click

from eventlog.postgres.migrate import database_comment, set_database_comment
from eventlog.postgres.pool import Database, open_database
from events.catalogue import LINES
from events.instants import HOUR_US, Instant, instant
from gridcall.cli.terminal import NOTHING_RAN, fail
from gridcall.demo.keys import FILE, PEOPLE, DemoKeys, load_keys, store_keys
from gridcall.demo.licheng.contents import contents
from gridcall.demo.licheng.platforms import PLATFORMS
from gridcall.demo.licheng.units import CODE, ZONE
from gridcall.demo.traffic.history import write_history
from gridcall.operator import operator_sender
from intake.adoption import adopt_reference_data
from intake.api_keys import READER, ApiKeys
from intake.store import IntakeStore

REMARK = "gridcall's demo: its clock is no clock"  # On the database.
END_SECONDS = 30
HISTORY_US = 26 * HOUR_US  # Of the district, before a visitor comes.


async def prepare_demo(url: str, folder: Path, speed: float, history_us: int = HISTORY_US) -> bool:
    """Prepare the demo's district, keys and clock in a database without other districts.

    A new district has lived for `history_us`. Return True if the demo was there already.
    """
    async with open_database(url, size=2) as database:
        store = IntakeStore(database)
        times = await store.district_times()
        if times and (await database_comment(url) != REMARK or set(times) != {CODE}):
            fail(
                NOTHING_RAN,
                "this database has districts of its own, and a demo changes the clock: "
                "name another GRIDCALL_HOME",
            )
        await set_database_comment(url, REMARK)
        if times:
            await store.scale_clock(times[CODE], speed)
            await adopt_district(database)
            await make_keys(database, folder)
            return True
        rmtree(folder, ignore_errors=True)  # Keys and receipts of a district that is gone.
        await begin_demo(database, folder, speed, history_us)
        return False


async def begin_demo(database: Database, folder: Path, speed: float, history_us: int) -> None:
    """Make the district, and let it live, so that a visitor comes into the middle of its work."""
    morning = monday_morning(datetime.now(ZoneInfo(ZONE)))
    await IntakeStore(database).scale_clock(morning - history_us, 0)
    await adopt_district(database)
    await make_keys(database, folder)
    if history_us:
        await live_until(database, folder, morning - history_us, morning)
    await IntakeStore(database).scale_clock(morning, speed)


async def live_until(database: Database, folder: Path, start: Instant, until: Instant) -> None:
    """Let the district live for a while, and say so."""
    started = monotonic()
    posts = await write_history(database, folder, load_keys(folder), start, until)
    click.echo(f"The day before: {posts:,} posts ({monotonic() - started:.1f} s)", err=True)


def monday_morning(now: datetime) -> Instant:
    """Return the middle of Monday's morning in this week, when a visitor first sees the demo."""
    monday = now.date() - timedelta(days=now.weekday())
    return instant(datetime.combine(monday, time(10, 40), now.tzinfo))


async def adopt_district(database: Database) -> None:
    """Add the demo's district, and adopt its reference data that are not in force yet."""
    events = [event for event, _ in contents()]
    bodies = {event.digest: body for event, body in contents() if event.digest}
    await IntakeStore(database).add_district(CODE)
    await adopt_reference_data(database, CODE, events, bodies, operator_sender())


async def make_keys(database: Database, folder: Path) -> None:
    """Make a key for each platform, one for people and one for reading logs, unless they exist."""
    if (folder / FILE).exists():
        return
    keys = ApiKeys(database)
    platforms = {
        platform.source: await keys.add(CODE, platform.source, [platform.line])
        for platform in PLATFORMS
    }
    people, reader = await keys.add(CODE, PEOPLE, LINES), await keys.add(CODE, "screen", [READER])
    store_keys(folder, DemoKeys(platforms, people, reader))


class TrafficProcess:
    """The process of platforms and people. It ends with this process, even if that is killed."""

    def __init__(self, folder: Path, speed: float) -> None:
        self._folder = folder
        self._speed = speed
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, url: str) -> None:
        """Start it with the address of the intake API. It ends when its standard input does."""
        options = ["--url", url, "--folder", str(self._folder), "--speed", str(self._speed)]
        command = [sys.executable, "-m", "gridcall.demo.traffic", *options, "--until-input-ends"]
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, start_new_session=True
        )

    def stop(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(timeout=END_SECONDS)


def run_demo(
    url: str, home: Path, speed: float, serve: Callable[[Callable[[str], None]], None]
) -> None:
    """Prepare the demo, print what a visitor can see, and run until the end of `serve`.

    `serve` calls back with the address.
    """
    folder = home / "demo"
    click.echo(
        "The demo district: Licheng, Jinan; 17 streets, 632 communities, 2,707 grids "
        "on a schematic map ...",
        err=True,
    )
    continued = asyncio.run(prepare_demo(url, folder, speed))
    traffic = TrafficProcess(folder, speed)

    def start(address: str) -> None:
        traffic.start(address)
        for line in introduction(address, speed, continued):
            click.echo(line, err=True)

    try:
        serve(start)
    finally:
        traffic.stop()


def introduction(address: str, speed: float, continued: bool) -> Sequence[str]:
    """Return the lines for a newcomer."""
    state = "continued from the last run" if continued else "a new one"
    hour = f"an hour passes in {3600 / speed:,.0f} s"
    return (
        "",
        f"  Open   {address}/          四线并举 · the district, live ({state})",
        f"  Time   runs {speed:g} times as fast: {hour}; it stops while nothing runs",
        "  Stop   with Ctrl-C; the same command continues",
        "  Post   an issue of your own: the README has the curl line",
        "",
    )
