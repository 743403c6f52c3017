"""simulate on real Postgres: the same bytes as in memory, in batches of any size, and however often it is killed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import HURT, ROOT
from tests.integration.test_cli import environment
from tests.integration.test_simulate import CITY, INPUTS, PROFILE, UNTIL

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


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def ran(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_the_made_up_city_has_the_same_bytes_on_postgres(batch: int, tmp_path: Path) -> None:
    assert ran(command(tmp_path / "memory", "memory")).returncode == 1
    done = ran(command(tmp_path / "table", "table", "--batch", batch))
    assert done.returncode == 1
    assert "fsync on, synchronous_commit on" in done.stderr
    assert files(tmp_path / "table") == files(tmp_path / "memory")


async def reached(url: str, rows: int, running: subprocess.Popen[bytes]) -> bool:
    """Wait until routing has written so many rows; False if the run is over before."""
    while running.poll() is None:
        with suppress(*HURT):  # It is not made yet, or made anew.
            if await heard_of(url, rows, running):
                return True
        await asyncio.sleep(0.1)
    return False


async def heard_of(url: str, rows: int, running: subprocess.Popen[bytes]) -> bool:
    connection, heard = await asyncpg.connect(url), asyncio.Event()
    await connection.add_listener("gridcall", lambda *_: heard.set())
    while running.poll() is None:
        if (await connection.fetchval("SELECT max(pos) FROM routing.shard") or 0) >= rows:
            return True
        heard.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(heard.wait(), 1)
    return False


def compared_after_kills(
    data: Path, postgres: str, folder: Path, months: int, kills: int, batch: int
) -> None:
    """Kill a run whenever it has got a part further; in the end it has the same bytes as one in memory."""
    assert ran(command(folder / "memory", "memory", data=data, months=months)).returncode == 0
    rows = json.loads((folder / "memory" / "summary.json").read_bytes())["log"]["cases"][
        "positions"
    ]
    words = command(folder / "table", "table", "--batch", batch, data=data, months=months)
    url = postgres.replace("/postgres?", "/simulate_boston311-2015?")
    for kill in range(1, kills + 1):
        running = subprocess.Popen(
            words, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert asyncio.run(reached(url, rows * kill // (kills + 1), running))
        running.kill()
        running.wait()
        assert not (folder / "table").exists()
    assert ran(words).returncode == 0
    assert files(folder / "table") == files(folder / "memory")


def test_january_has_the_same_bytes_when_it_is_killed_ten_times(
    data: Path, postgres: str, tmp_path: Path
) -> None:
    compared_after_kills(data, postgres, tmp_path, months=1, kills=10, batch=100)


@pytest.mark.long
def test_the_year_has_the_same_bytes_when_it_is_killed_ten_times(
    data: Path, postgres: str, tmp_path: Path
) -> None:
    compared_after_kills(data, postgres, tmp_path, months=12, kills=10, batch=1000)


@pytest.mark.long
def test_january_has_the_same_bytes_in_batches_of_one(data: Path, tmp_path: Path) -> None:
    assert ran(command(tmp_path / "memory", "memory", data=data)).returncode == 0
    assert ran(command(tmp_path / "table", "table", "--batch", 1, data=data)).returncode == 0
    assert files(tmp_path / "table") == files(tmp_path / "memory")
