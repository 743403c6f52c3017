"""Simulated traffic against a running gridcall, over a restart: nothing is lost."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gridcall.demo.keys import PEOPLE, load_keys
from gridcall.demo.live import prepare_demo
from gridcall.demo.traffic.world import run_world
from tests.harness.chaos.one_database import BEHIND
from tests.harness.commands import database_environment
from tests.harness.live import Process
from tests.harness.paths import ROOT
from tests.harness.waiting import PATIENCE_SECONDS, wait_for_condition
from tools.checker.examination import check
from tools.checker.receipts import read_receipts

SPEED, PER_HOUR = 3600.0, 25.0
RECEIPTS_MAX = 4_000


@pytest.fixture
def intake(database: str, tmp_path: Path) -> Iterator[Process]:
    """Start a gridcall with the demo district, whose time runs 3,600 times as fast."""
    asyncio.run(prepare_demo(database, tmp_path, SPEED, history_us=0))
    process = Process(database)
    yield process
    process.end(signal.SIGKILL)


def receipts_in(folder: Path) -> list[dict[str, Any]]:
    path = folder / "receipts.ndjson"
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [json.loads(line) for line in whole.splitlines()]


def enough(receipts: list[dict[str, Any]]) -> bool:
    """Return True for 100 issues, 20 actions, an answer to a call, a repeat and a refusal."""
    accepted = [receipt for receipt in receipts if receipt["status"] in (200, 202)]
    issues = sum(receipt["kind"] == "issue" for receipt in accepted)
    acted = Counter(
        (receipt["reference"] or "").partition("-")[0]
        for receipt in accepted
        if receipt["source"] == PEOPLE
    )
    statuses = {receipt["status"] for receipt in receipts}
    return (
        issues >= 100
        and acted.total() >= 20
        and acted["answer_given"] > 0
        and {200, 202, 422} <= statuses
    )


async def wait_for(folder: Path, condition: Callable[[], bool]) -> None:
    """Wait until the receipts fit, however long each takes.

    Fail when RECEIPTS_MAX do not fit, or when none comes any more.
    """
    while not condition():
        count = len(receipts_in(folder))
        assert count < RECEIPTS_MAX, "so many posts, and not the ones that were waited for"

        async def has_more(count: int = count) -> bool:
            return len(receipts_in(folder)) > count or condition()

        await wait_for_condition(has_more)


async def play(url: str, folder: Path, condition: Callable[[], bool]) -> None:
    keys = load_keys(folder)
    playing = asyncio.create_task(run_world(url, keys, folder, SPEED, 1, PER_HOUR))
    await wait_for(folder, lambda: condition() or playing.done())
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing


def play_in_process(intake: Process, folder: Path, condition: Callable[[], bool]) -> int:
    """Play in a process of its own, end it by SIGTERM, and return its exit status."""
    words = [
        "-m",
        "gridcall.demo.traffic",
        "--url",
        intake.url,
        "--folder",
        str(folder),
        "--speed",
        str(SPEED),
    ]
    program = subprocess.Popen(
        [sys.executable, *words, "--per-hour", str(PER_HOUR)],
        cwd=ROOT,
        env=database_environment(intake.database),
    )
    try:
        asyncio.run(wait_for(folder, lambda: condition() or program.poll() is not None))
        program.terminate()
        return program.wait(PATIENCE_SECONDS)
    finally:
        program.kill()


async def violations(database: str, folder: Path) -> list[Any]:
    """Return the checker's findings after all stages have caught up."""
    connection = await asyncpg.connect(database)
    while await connection.fetchval(BEHIND):
        await asyncio.sleep(0.1)
    await connection.close()
    return list(await check(database, read_receipts(folder / "receipts.ndjson")))


def test_no_post_is_lost_over_a_restart(intake: Process, tmp_path: Path) -> None:
    asyncio.run(play(intake.url, tmp_path, lambda: enough(receipts_in(tmp_path))))
    before = receipts_in(tmp_path)
    sent = {receipt["post"] for receipt in before if not receipt["status"]}
    unanswered = sent - {receipt["post"] for receipt in before if receipt["status"]}

    def has_continued() -> bool:
        answered = {receipt["post"] for receipt in receipts_in(tmp_path) if receipt["status"]}
        return unanswered <= answered and len(answered - sent) >= 20

    assert play_in_process(intake, tmp_path, has_continued) == 0
    fresh = {receipt["post"] for receipt in receipts_in(tmp_path)[len(before) :]} - sent
    assert min(fresh) > max(sent)
    assert asyncio.run(violations(intake.database, tmp_path)) == []
