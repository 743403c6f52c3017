"""simulate on real Postgres: the same bytes as in memory, for any batch size and any kill."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from tests.harness.commands import environment, read_output
from tests.harness.paths import ROOT
from tests.harness.simulation import command, read_files, run_command, wait_for_rows


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_the_made_up_city_has_the_same_bytes_on_postgres(batch: int, tmp_path: Path) -> None:
    assert run_command(command(tmp_path / "memory", "memory")).returncode == 1
    done = run_command(command(tmp_path / "table", "table", "--batch", batch))
    assert done.returncode == 1
    assert "fsync on, synchronous_commit on" in done.stderr
    assert read_files(tmp_path / "table") == read_files(tmp_path / "memory")


def compared_after_kills(
    data: Path, postgres: str, folder: Path, months: int, kills: int, batch: int
) -> None:
    """Kill a run again and again. In the end it has the same bytes as one in memory."""
    assert (
        run_command(command(folder / "memory", "memory", data=data, months=months)).returncode == 0
    )
    rows = json.loads((folder / "memory" / "summary.json").read_bytes())["log"]["cases"][
        "positions"
    ]
    words = command(folder / "table", "table", "--batch", batch, data=data, months=months)
    url = postgres.replace("/postgres?", "/simulate_boston311-2015?")
    for kill in range(1, kills + 1):
        running = subprocess.Popen(
            words, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert asyncio.run(wait_for_rows(url, rows * kill // (kills + 1), running))
        running.kill()
        running.wait()
        assert not (folder / "table").exists()
    assert run_command(words).returncode == 0
    assert read_files(folder / "table") == read_files(folder / "memory")
    assert "rows are equal" in read_output(url, "verify"), "assessment's log, too"


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
    assert run_command(command(tmp_path / "memory", "memory", data=data)).returncode == 0
    assert (
        run_command(command(tmp_path / "table", "table", "--batch", 1, data=data)).returncode == 0
    )
    assert read_files(tmp_path / "table") == read_files(tmp_path / "memory")
