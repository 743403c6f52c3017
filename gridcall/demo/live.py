"""`gridcall up --demo`: a district that lives, in a database where time runs faster."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from shutil import rmtree
from zoneinfo import ZoneInfo

import click

from eventlog.postgres.pool import Database, connected, remark, remark_on
from events.catalogue import LINES
from events.instants import Instant, instant
from gridcall.cli.terminal import NOTHING_RAN, fail
from gridcall.demo.licheng.district import CODE, PLATFORMS, ZONE, contents
from intake.adoption import adopt_reference_data
from intake.api_keys import READER, Keys

MARK = "gridcall's demo: its clock is no clock"
PEOPLE = "people"
CLOCK = """
CREATE OR REPLACE FUNCTION intake.clock() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT {start} + (((extract(epoch FROM clock_timestamp()) * 1000000)::bigint - {wall}) * {speed})::bigint $$
"""
UNCHECKED = """
CREATE OR REPLACE FUNCTION intake.check_clock(now_us bigint, ahead_us_max bigint) RETURNS void LANGUAGE sql AS $$ SELECT $$
"""
WALL = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


async def made_ready(url: str, folder: Path, speed: float) -> bool:
    """The demo's district, keys and clock, in a database that has nothing else; whether it was there already."""
    async with connected(url, size=2) as database:
        found = {
            record["shard"]: record["ts"]
            for record in await database.fetch("SELECT shard, ts FROM intake.shard")
        }
        if found and (await remark_on(url) != MARK or set(found) != {CODE}):
            fail(
                NOTHING_RAN,
                "this database has districts of its own, and a demo changes the clock: name another GRIDCALL_HOME",
            )
        await remark(url, MARK)
        await set_clock(
            database, found.get(CODE) or monday_morning(datetime.now(ZoneInfo(ZONE))), speed
        )
        await load(database)
        if not found:
            rmtree(
                folder, ignore_errors=True
            )  # Keys and receipts of another district, which is gone.
        await make_keys(database, folder / "keys.json")
        return bool(found)


async def set_clock(database: Database, start: Instant, speed: float) -> None:
    """From now on the district's time goes on from `start`, `speed` times as fast as the wall's."""
    wall = (await database.fetch(WALL))[0][0]
    await database.fetch(CLOCK.format(start=int(start), wall=int(wall), speed=float(speed)))
    await database.fetch(UNCHECKED)


def monday_morning(now: datetime) -> Instant:
    """Eight o'clock on the Monday of this week: a demo begins when people begin to work."""
    monday = now.date() - timedelta(days=now.weekday())
    return instant(datetime.combine(monday, time(8), now.tzinfo))


async def load(database: Database) -> None:
    """Adopt the demo's reference data, as far as they do not hold already."""
    events = [event for event, _ in contents()]
    bodies = {event.digest: body for event, body in contents() if event.digest}
    await adopt_reference_data(database, CODE, events, bodies)


async def make_keys(database: Database, path: Path) -> None:
    """A key for each platform, one for people and one that reads; kept in a file that only its owner reads."""
    if path.exists():
        return
    keys = Keys(database)
    platforms = {
        platform.source: await keys.add(CODE, platform.source, [platform.line])
        for platform in PLATFORMS
    }
    people, reader = await keys.add(CODE, PEOPLE, LINES), await keys.add(CODE, "screen", [READER])
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"platforms": platforms, "people": people, "reader": reader}, file, indent=1)


class World:
    """The four lines and the people, as a process of its own that ends with this one, however it ends."""

    def __init__(self, folder: Path, speed: float) -> None:
        self._folder = folder
        self._speed = speed
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, url: str) -> None:
        """Let it post to this address. It ends when its standard input does."""
        options = [
            "--url",
            url,
            "--folder",
            str(self._folder),
            "--speed",
            str(self._speed),
            "--until-input-ends",
        ]
        words = [sys.executable, "-m", "gridcall.demo.traffic.world", *options]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603

    def end(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(timeout=30)


def run_demo(
    url: str, home: Path, speed: float, serve: Callable[[Callable[[str], None]], None]
) -> None:
    """Make it ready, say what is to be seen, and run until it is ended. `serve` calls back with the address."""
    folder = home / "demo"
    click.echo(
        "The demo district: Licheng, Jinan; 17 streets, 632 communities, 2,707 grids on a schematic map ...",
        err=True,
    )
    again = asyncio.run(made_ready(url, folder, speed))
    world = World(folder, speed)

    def begin(address: str) -> None:
        world.begin(address)
        for line in seen(address, speed, again):
            click.echo(line, err=True)

    try:
        serve(begin)
    finally:
        world.end()


def seen(address: str, speed: float, again: bool) -> Sequence[str]:
    """What a newcomer reads in the terminal."""
    return (
        "",
        f"  Open   {address}/          四线并举 · the district, live ({'it goes on where it was' if again else 'a new one'})",
        f"  Time   runs {speed:g} times as fast: an hour passes in {3600 / speed:,.0f} s; it stands still while nothing runs",
        "  Stop   with Ctrl-C; the same command goes on where it was",
        "  Post   an issue of your own: the README has the curl line",
        "",
    )
