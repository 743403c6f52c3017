"""Runs of simulate, in this process and as a command."""

from __future__ import annotations

import asyncio
import csv
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import asyncpg

from gridcall.simulation.city.local_time import LocalClock
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile_loader import load_profile
from gridcall.simulation.driver import simulate
from gridcall.simulation.feed import read_feed
from gridcall.simulation.pipelines.memory import MemoryPipeline
from gridcall.simulation.reports.reader import ReportReader
from gridcall.simulation.results import results_folder
from tests.harness.commands import environment
from tests.harness.exampleville import CITY, INPUTS, PROFILE, UNTIL
from tests.harness.paths import ROOT
from tests.harness.postgres import CONNECTION_ERRORS

Mark = Callable[[int, int], int | None]


def run(
    out: Path,
    profile_path: Path = PROFILE,
    city: Path = CITY,
    inputs: Sequence[Path] = INPUTS,
    until: str = UNTIL,
    batch: int = 1000,
    mark: Mark = lambda last, following: None,
) -> dict[str, bytes]:
    """Simulate in this process, in memory, and return the bytes of the files."""
    profile, lines = load_profile(profile_path)
    at = LocalClock(profile.zone).instant(datetime.fromisoformat(until))[0]
    grids = check_map(city, profile.map).grids
    assert grids is not None
    feed = read_feed(profile, lines, inputs, at)
    tables = ReportReader()
    pipeline = MemoryPipeline(profile.map.district.code, tables, batch)
    with results_folder(out) as folder:
        assert (
            asyncio.run(
                simulate(profile, grids, feed, at, folder, tables, pipeline, batch, mark)
            ).failed
            == ()
        )
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(content.decode().splitlines()))


def watermarks(seed: int) -> Mark:
    """Announce time at random places.

    It is not announced, or is the last input's time, the next one's, or a time between them.
    """
    chance = random.Random(seed)
    return lambda last, following: chance.choice([None, last, following, (last + following) // 2])


BOSTON = ROOT / "profiles" / "boston311_2015.yaml"


def command(
    out: Path, reader: str, *options: object, data: Path | None = None, months: int = 1
) -> list[str]:
    inputs: Sequence[Path] = INPUTS
    profile, city, until = PROFILE, CITY, UNTIL
    if data:
        inputs = sorted((data / "boston311_2015").glob("*.csv.gz"))[:months]
        profile, city, until = (
            BOSTON,
            data / "boston_geo" / "wgs84",
            "2015-02-10T00:00:00" if months == 1 else "2016-01-13T00:00:00",
        )
    words = [
        sys.executable,
        "-m",
        "gridcall",
        "simulate",
        "--profile",
        profile,
        "--map",
        city,
        "--until",
        until,
        "--out",
        out,
    ]
    return [
        str(word) for word in (*words, "--reader", reader, "--json", *options, "--input", *inputs)
    ]


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def run_command(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )


async def wait_for_rows(url: str, rows: int, running: subprocess.Popen[bytes]) -> bool:
    """Wait until routing has written `rows` rows, and return False if the run ends before."""
    while running.poll() is None:
        with suppress(*CONNECTION_ERRORS):  # The database is not there yet, or is made again.
            if await wait_on_connection(url, rows, running):
                return True
        await asyncio.sleep(0.1)
    return False


async def wait_on_connection(url: str, rows: int, running: subprocess.Popen[bytes]) -> bool:
    connection, written = await asyncpg.connect(url), asyncio.Event()
    await connection.add_listener("gridcall", lambda *_: written.set())
    while running.poll() is None:
        if (await connection.fetchval("SELECT max(pos) FROM routing.shard") or 0) >= rows:
            return True
        written.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(written.wait(), 1)
    return False
