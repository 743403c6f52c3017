"""The demo as a whole: killed in the middle, it goes on; clients' receipts and the log agree."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gridcall.demo.licheng.units import CODE
from gridcall.demo.live import prepare_demo
from tests.harness.commands import (
    database_environment,
    read_output,
    read_verification,
    run_gridcall,
)
from tests.harness.live import Process, adopt_exampleville
from tests.harness.paths import ROOT
from tests.harness.postgres import fetch_rows
from tests.harness.waiting import wait_until
from tools.checker.examination import check
from tools.checker.receipts import read_receipts

RUNNING = ["pgrep", "-f", "gridcall.demo.traffic"]

APPLIED = """
SELECT 1 FROM intake.shard i JOIN routing.shard r USING (shard)
JOIN escalation.shard e USING (shard)
WHERE r.input = i.pos AND e.input = r.pos
"""


def position(url: str) -> int:
    return int(fetch_rows(url, "SELECT pos FROM intake.shard")[0]["pos"])


def grown_by(url: str, count: int) -> None:
    """Wait until so many more inputs are in intake's log."""
    words = [
        sys.executable,
        "-m",
        "gridcall",
        "tail",
        "intake",
        "--after",
        str(fetch_rows(url, "SELECT pos FROM intake.shard")[0][0]),
    ]
    with subprocess.Popen(
        words, env=database_environment(url), cwd=ROOT, stdout=subprocess.PIPE
    ) as following:
        assert following.stdout is not None
        for _ in range(count):
            assert following.stdout.readline()
        following.kill()


def test_a_demo_that_was_killed_goes_on_where_it_was(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDCALL_HOME", str(tmp_path))
    process = Process(database, "--demo", "--speed", 600)
    grown_by(database, 60)
    process.end(signal.SIGKILL)
    before = fetch_rows(database, "SELECT pos, ts FROM intake.shard")[0]
    started = time.monotonic()
    process = Process(database, "--demo", "--speed", 600)
    now = fetch_rows(database, "SELECT intake.clock() AS now")[0]["now"]
    assert before["ts"] <= now <= before["ts"] + 600_000_000 * (time.monotonic() - started), (
        "meanwhile time stood still"
    )
    grown_by(database, 60)
    wait_until(lambda: fetch_rows(database, APPLIED) != [])  # The stages have replayed.
    assert process.end() == 0
    violations = asyncio.run(check(database, read_receipts(tmp_path / "demo" / "receipts.ndjson")))
    lag = [each for each in violations if each.kind == "lag"]
    assert all(each.sentence.startswith("evaluations/") for each in lag), "it rests between merges"
    assert violations == lag
    (verified,) = json.loads(read_verification(database, "--json"))
    assert (verified["district"], verified["difference"]) == (CODE, None)
    assert (
        str(tmp_path)
        not in subprocess.run([*RUNNING, "-a"], capture_output=True, text=True, check=False).stdout
    )


def test_a_demo_leaves_a_database_with_districts_of_its_own_alone(database: str) -> None:
    adopt_exampleville(database)
    done = subprocess.run(
        [sys.executable, "-m", "gridcall", "up", "--demo", "--port", "0"],
        env=database_environment(database), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "districts of its own" in done.stderr
    assert "exampleville" in read_output(database, "status")


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run_gridcall("up", "--demo", "--port", taken.getsockname()[1])
    assert done.returncode == 3
    assert "name another one" in done.stderr


def test_the_keys_and_receipts_of_a_district_that_is_gone_go_with_it(
    database: str, tmp_path: Path
) -> None:
    for name in ("keys.json", "receipts.ndjson"):
        (tmp_path / name).write_text("{}")
    assert not asyncio.run(prepare_demo(database, tmp_path, 60))
    keys = (tmp_path / "keys.json").read_text()
    assert "people" in keys
    assert read_receipts(tmp_path / "receipts.ndjson"), "those of the day before it began"
    assert asyncio.run(prepare_demo(database, tmp_path, 60))
    assert (tmp_path / "keys.json").read_text() == keys, "the second time it goes on with them"
