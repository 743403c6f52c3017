"""`gridcall sheet` on a database: a worker's figures with their events, or a sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from time import monotonic

from tests.harness.commands import database_environment, read_output
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.paths import ROOT


def test_a_sheet_names_the_events_that_it_counts(database: str) -> None:
    key = adopt_exampleville(database)
    process = Process(database)
    try:
        with client(process.url, key) as http:
            issue = {"reference": "1", "category": "Noise", "place": {"grid": "0102"}}
            assert http.post("/issues/hotline", json=issue, headers={"Prefer": "wait=10"}).json()[
                "outcome"
            ]
            sheets: list[dict[str, object]] = []
            until = monotonic() + 30
            while (
                not sheets and monotonic() < until
            ):  # Time has to pass the last event before it counts.
                done = sheet(database, "w:0102", "--json")
                sheets = json.loads(done.stdout) if done.returncode == 0 else []
    finally:
        process.end()
    (figures,) = sheets
    routed = read_output(
        database, "tail", "cases", "--no-follow", "--after", 0, "--type", "case-routed"
    ).split()[0]
    assert figures["reported"] == 1
    assert figures["receipts"]["reported"] == [f"cases/{routed}"]  # type: ignore[index]


def test_a_worker_without_a_case_has_no_sheet(database: str) -> None:
    adopt_exampleville(database)
    done = sheet(database, "w:nobody")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing is counted for 'w:nobody'" in done.stderr


def sheet(database: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gridcall", "sheet", *words]
    return subprocess.run(
        command,
        env=database_environment(database),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
