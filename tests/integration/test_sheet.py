"""`gridcall sheet` on a database: a worker's figures with their events, or a sentence."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.harness.commands import database_environment, read_output
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.paths import ROOT
from tests.harness.waiting import wait_until


def test_a_sheet_names_the_events_that_it_counts(database: str) -> None:
    key = adopt_exampleville(database)
    process = Process(database)
    try:
        with client(process.url, key) as http:
            issue = {"reference": "1", "category": "Noise", "place": {"grid": "0102"}}
            assert http.post("/issues/hotline", json=issue, headers={"Prefer": "wait=10"}).json()[
                "outcome"
            ]
            # Time has to pass the last event before it counts.
            wait_until(lambda: sheet(database, "w:0102", "--json").returncode == 0)
    finally:
        process.end()
    (figures,) = json.loads(sheet(database, "w:0102", "--json").stdout)
    routed = read_output(
        database, "tail", "cases", "--no-follow", "--after", 0, "--type", "case-routed"
    ).split()[0]
    assert figures["reported"] == 1
    assert figures["receipts"]["reported"] == [f"cases/{routed}"]


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
