"""`gridcall up` under a clock that leaps, and steps back."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from events.instants import rfc3339
from tests.harness.commands import (
    invoke,
    read_output,
    read_refusal,
    read_verification,
    run_on_database,
)
from tests.harness.exampleville import issue
from tests.harness.live import Process, client
from tests.harness.postgres import execute, fetch_rows
from tests.harness.waiting import wait_until

OUTCOME = {"prefer": "wait=10"}
CLOCK = """
CREATE OR REPLACE FUNCTION intake.clock() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + {ahead} $$
"""
HOUR = 3_600_000_000
MISSED = (
    "SELECT count(*) FROM escalation.log"
    " WHERE type = 'gridcall.deadline-missed.v1' GROUP BY subject"
)


def roster(folder: Path) -> Path:
    path = folder / "roster.json"
    path.write_text('{"workers": {}, "receivers": []}')
    return path


def test_a_clock_that_steps_back_moves_no_time_back_and_fires_nothing_twice(
    city: tuple[str, str], processes: list[Process]
) -> None:
    """By less than a minute: nobody need decide."""
    database, key = city
    process = Process(database)
    processes.append(process)
    with client(process.url, key) as posting:
        posting.post("/issues/grid", json=issue("C-1", due="2020-01-01T00:00:00Z"))
        posting.get("/escalation/log/exampleville", params={"after": 4, "wait": 10})
        asyncio.run(execute(database, CLOCK.format(ahead=-HOUR // 90)))
        post_overdue(posting)
    process.end()
    assert_that_time_went_on(database)


def test_a_deadline_does_not_wait_for_the_next_tick(
    city: tuple[str, str], processes: list[Process]
) -> None:
    database, key = city
    without_ticks = "import intake.app; intake.app.TICK_SECONDS = 3600"
    start = "from gridcall.cli.main import entry; entry()"
    process = Process(database, program=("-c", f"{without_ticks}; {start}"))
    processes.append(process)
    due = rfc3339(fetch_rows(database, "SELECT intake.clock() AS now")[0]["now"] + 2_000_000)
    with client(process.url, key) as posting:
        posting.post("/issues/grid", json=issue("D-1", due=due), headers=OUTCOME)
    wait_until(lambda: bool(fetch_rows(database, MISSED)))


def test_stages_of_a_quiet_district_learn_of_time_after_a_row_and_for_an_open_page(
    city: tuple[str, str], processes: list[Process]
) -> None:
    """Neither the five seconds nor a look of their own comes in this test."""
    database, key = city
    never = (
        "import intake.core.quiet_time as quiet; quiet.QUIET_US = 10**18;"
        "import eventlog.supervisor as supervisor; supervisor.SOURCE_POLL_SECONDS = 3600"
    )
    start = "from gridcall.cli.main import entry; entry()"
    process = Process(database, program=("-c", f"{never}; {start}"))
    processes.append(process)
    with client(process.url, key) as posting:
        posting.post("/issues/grid", json=issue("Q-1"), headers=OUTCOME)
        (accepted,) = fetch_rows(database, "SELECT max(ts) AS ts FROM intake.log")
        wait_until(lambda: time_of_figures(database) > accepted["ts"])
        with posting.stream("GET", "/screen/exampleville/live", auth=("page", key)) as page:
            assert page.status_code == 200
            (opened,) = fetch_rows(database, "SELECT intake.clock() AS now")
            wait_until(lambda: time_of_figures(database) > opened["now"])


def time_of_figures(database: str) -> int:
    """Return the instant up to which figures can be computed. All stages have passed it on."""
    return int(fetch_rows(database, "SELECT ts FROM assessment.shard")[0]["ts"])


def test_an_action_expires_when_its_report_does_not_come_in_time_also_after_a_restart(
    city: tuple[str, str], processes: list[Process]
) -> None:
    database, key = city
    named = {"line": "grid", "reference": "E-1"}
    visit = {"reference": "v-1", "type": "visit_made", "by": "w:1", "issue": named}
    processes.append(Process(database))
    with client(processes[-1].url, key) as posting:
        waits = posting.post("/actions", json=visit, headers=OUTCOME).json()
        assert types_of(waits["outcome"]) == ["gridcall.action-waits.v1"]
    processes[-1].end()
    processes.append(Process(database))
    asyncio.run(execute(database, CLOCK.format(ahead=31 * 24 * HOUR)))
    read_output(database, "clock", "confirm")
    with client(processes[-1].url, key) as posting:
        report = posting.post("/issues/grid", json=issue("E-1"), headers=OUTCOME).json()
        tracked = posting.get(f"/track/{waits['tracking']}", headers=OUTCOME).json()
    assert not report["outcome"]["declined"]
    assert tracked["outcome"]["declined"]
    assert "within 30 days" in tracked["outcome"]["because"]
    assert types_of(tracked["outcome"]) == ["gridcall.action-expired.v1"]
    assert tracked["case"]["stage"] == "assigned", "nobody was there"
    processes[-1].end()
    assert "rows are equal" in read_verification(database)


def types_of(outcome: dict[str, Any]) -> list[str]:
    return [event["type"] for event in outcome["events"]]


def test_a_district_that_is_ahead_of_the_clock_waits_for_a_hold(
    city: tuple[str, str], processes: list[Process], tmp_path: Path
) -> None:
    """The clock leapt by an hour, was confirmed by mistake, and is put back."""
    database, key = city
    process = Process(database)
    processes.append(process)
    hold = ("clock", "hold", "--district", "exampleville")
    with client(process.url, key) as posting:
        assert run_on_database(database, *hold).returncode == 2
        asyncio.run(execute(database, CLOCK.format(ahead=HOUR)))
        read_output(database, "clock", "confirm")
        posting.post("/issues/grid", json=issue("C-1", due="2020-01-01T00:00:00Z"))
        posting.get("/escalation/log/exampleville", params={"after": 4, "wait": 10})
        asyncio.run(execute(database, CLOCK.format(ahead=0)))
        refused = posting.post("/issues/grid", json=issue("C-b0", due="2020-01-01T00:00:00Z"))
        assert refused.status_code == 503
        assert "gridcall clock hold" in refused.json()["detail"]
        words = ("roster", "load", roster(tmp_path), "--district", "exampleville")
        assert "gridcall clock hold" in read_refusal(database, *words)
        assert "gridcall clock hold --district exampleville" in doctor(database, 3)
        assert "is held at" in read_output(database, *hold)
        post_overdue(posting)
        shown = doctor(database, 0)
        assert "clock      note  the time of exampleville is held at" in shown
        assert "until then no deadline passes" in shown
        (before,) = fetch_rows(database, "SELECT ts FROM intake.shard")
        asyncio.run(execute(database, CLOCK.format(ahead=HOUR)))  # The clock reaches it.
        wait_until(lambda: fetch_rows(database, "SELECT ts FROM intake.shard") > [before])
    process.end()
    held_times = fetch_rows(database, "SELECT DISTINCT ts FROM intake.log WHERE pos > 5")
    assert held_times == [before], "all inputs of the hold have one time"
    assert_that_time_went_on(database)


def test_a_hold_is_for_one_leap(city: tuple[str, str], processes: list[Process]) -> None:
    database, key = city
    process = Process(database)
    processes.append(process)
    with client(process.url, key) as posting:
        for leap in (HOUR, 2 * HOUR):
            asyncio.run(execute(database, CLOCK.format(ahead=leap)))
            read_output(database, "clock", "confirm")
            assert posting.post("/issues/grid", json=issue(f"H-{leap}")).status_code == 202
            asyncio.run(execute(database, CLOCK.format(ahead=0)))
            again = issue(f"H-again-{leap}")
            assert posting.post("/issues/grid", json=again).status_code == 503
            read_output(database, "clock", "hold", "--district", "exampleville")
            assert posting.post("/issues/grid", json=again).status_code == 202


def test_a_leap_that_was_followed_is_taken_back(
    city: tuple[str, str], processes: list[Process], tmp_path: Path
) -> None:
    """The deadlines that passed in the leap did not; what came in the leap is posted again."""
    database, key = city
    process = Process(database)
    processes.append(process)
    posted = [issue(f"B-{number}", due=in_half_an_hour()) for number in range(3)]
    lost, tried = tmp_path / "lost.ndjson", tmp_path / "tried.ndjson"
    with client(process.url, key) as posting:
        before = posting.post("/issues/grid", json=posted[0], headers=OUTCOME).json()
        leapt_at = rfc3339(fetch_rows(database, "SELECT intake.clock() AS now")[0]["now"])
        asyncio.run(execute(database, CLOCK.format(ahead=HOUR)))
        read_output(database, "clock", "confirm")
        taken_out = [
            posting.post("/issues/grid", json=posted[number], headers=OUTCOME).json()
            for number in (1, 2)
        ]
        wait_until(lambda: len(fetch_rows(database, MISSED)) == 3)
        asyncio.run(execute(database, CLOCK.format(ahead=0)))
        back = ("restore", "before", leapt_at, "--district", "exampleville", "--out")
        assert "would be as before" in read_output(database, *back, tried, "--dry-run")
        assert posting.post("/issues/grid", json=posted[1]).status_code == 503
        said = read_output(database, *back, lost)
        assert f"it goes on after position {before['position']}" in said
        assert "test posts 2 of gridcall.issue-reported.v1 again" in said
        assert fetch_rows(database, MISSED) == [], "the deadlines did not pass"
        events = [json.loads(line) for line in lost.read_text().splitlines()]
        assert [each["event"]["data"]["reference"] for each in events] == ["B-1", "B-2"]
        assert {each["source"] for each in events} == {"test"}
        assert lost.read_text() == tried.read_text()
        again = [posting.post("/issues/grid", json=each, headers=OUTCOME) for each in posted]
        assert [each.status_code for each in again] == [200, 200, 200]
        assert again[0].json()["tracking"] == before["tracking"]
        assert again[1].json()["position"] == before["position"] + 1
        codes = [each["tracking"] for each in taken_out]
        assert [each.json()["tracking"] for each in again[1:]] == codes, "they remain"
        # Each stage looks at its district every few seconds while it is halted.
        wait_until(lambda: invoke(database, "doctor").returncode == 0)
        wait_until(lambda: invoke(database, "verify").returncode in (0, 4))
    process.end()
    (now,) = fetch_rows(database, "SELECT intake.clock() AS now, max(ts) AS ts FROM intake.log")
    assert now["ts"] <= now["now"]
    assert "rows are equal" in read_verification(database)


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("2020-01-01T00:00:00Z", "restore a backup instead"),
        ("2999-01-01T00:00:00Z", "is still to come"),
    ],
)
def test_a_district_is_cut_only_where_it_can_be(
    city: tuple[str, str], tmp_path: Path, time: str, reason: str
) -> None:
    database, _ = city
    path = tmp_path / "lost.ndjson"
    done = run_on_database(
        database, "restore", "before", time, "--district", "exampleville", "--out", path
    )
    assert done.returncode == 2
    assert reason in done.stderr
    assert not path.exists()


def in_half_an_hour() -> str:
    """Return the time in half an hour, as a line promises it."""
    return (datetime.now(UTC) + timedelta(minutes=30)).isoformat(timespec="seconds")


def post_overdue(posting: httpx.Client) -> None:
    """Post issues whose deadlines have passed long ago."""
    for number in range(5):
        late = issue(f"C-b{number}", due="2020-01-01T00:00:00Z")
        assert posting.post("/issues/grid", json=late).status_code == 202


def assert_that_time_went_on(database: str) -> None:
    """Assert that no time went back, that no deadline passed twice, and that a fold is the same."""
    times = [row["ts"] for row in fetch_rows(database, "SELECT ts FROM intake.log ORDER BY pos")]
    assert times == sorted(times)
    missed = fetch_rows(database, MISSED)
    assert {row["count"] for row in missed} == {1}
    assert "rows are equal" in read_verification(database)


def doctor(database: str, status: int) -> str:
    """Return what doctor says. It ends with this status."""
    done = invoke(database, "doctor")
    assert done.returncode == status, done.stdout
    return done.stdout


def test_a_clock_that_leaps_ahead_shuts_intake_until_it_is_confirmed(
    city: tuple[str, str], processes: list[Process], tmp_path: Path
) -> None:
    database, key = city
    process = Process(database)
    processes.append(process)
    with client(process.url, key) as posting:
        assert posting.post("/issues/grid", json=issue("C-1"), headers=OUTCOME).status_code == 200
        before = fetch_rows(database, "SELECT ts FROM intake.shard")[0]["ts"]
        asyncio.run(execute(database, CLOCK.format(ahead=HOUR)))
        answer = posting.post("/issues/grid", json=issue("C-2"))
        assert (answer.status_code, answer.headers["content-type"]) == (
            503,
            "application/problem+json",
        )
        assert "gridcall clock confirm" in answer.json()["detail"]
        words = ("roster", "load", roster(tmp_path), "--district", "exampleville")
        assert "gridcall clock confirm" in read_refusal(database, *words)
        assert fetch_rows(database, "SELECT ts FROM intake.shard")[0]["ts"] < before + HOUR
        read_output(database, "clock", "confirm")
        assert posting.post("/issues/grid", json=issue("C-2"), headers=OUTCOME).status_code == 200
    assert fetch_rows(database, "SELECT ts FROM intake.shard")[0]["ts"] >= before + HOUR
