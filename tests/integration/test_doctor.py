"""Doctor, the probes and the metrics, while each fault is really there."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.commands import invoke, read_output, run_on_database
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import execute, fetch_rows
from tests.harness.waiting import wait_until

KEY = "the-services-own-key"
WAIT = {"prefer": "wait=10"}
CLOCK = """
CREATE OR REPLACE FUNCTION intake.clock() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + {ahead} $$
"""
HOUR = 3_600_000_000
TRUTH = CLOCK.format(ahead=0)
NO_CHECKPOINT = {"GRIDCALL_CHECKPOINT_SECONDS": "3600"}  # So that all rows are after the last one.


@pytest.fixture(scope="module")
def processes() -> Iterator[list[Process]]:
    """Processes with the services' key, which are ended after all tests."""
    running: list[Process] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRIDCALL_SERVICE_KEY", KEY)
        yield running
        for process in running:
            process.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def system(postgres: str, processes: list[Process]) -> tuple[str, Process, str]:
    """All services in one process, with a case: the database, the process, a key of the lines.

    Each test removes its fault.
    """
    asyncio.run(execute(postgres, "CREATE DATABASE examined TEMPLATE empty"))
    database = postgres.replace("/postgres?", "/examined?")
    key = adopt_exampleville(database)
    process = Process(database, variables=NO_CHECKPOINT)
    processes.append(process)
    with client(process.url, key) as api:
        assert api.post("/issues/grid", json=issue("D-1"), headers=WAIT).status_code == 200
    wait_until(lambda: is_ready(process))
    return database, process, key


@contextmanager
def fault(database: str, make: str, undo: str) -> Iterator[None]:
    """Make a fault by a statement, and undo it after the block."""
    asyncio.run(execute(database, make))
    try:
        yield
    finally:
        asyncio.run(execute(database, undo))


def doctor(database: str) -> tuple[int, str]:
    """Return doctor's exit status and what it finds, an item a line."""
    done = invoke(database, "doctor", "--json")
    assert done.stderr == ""
    return done.returncode, "\n".join(
        f"{each['check']} {each['result']} {each['text']} → {each['command']}"
        for each in json.loads(done.stdout)
        if each["result"] != "ok"
    )


def readiness(process: Process, key: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.get(f"{process.url}/readyz", headers=headers, trust_env=False)


def is_ready(process: Process) -> bool:
    return readiness(process).status_code == 200


def test_doctor_says_what_is_ok_of_a_system_that_works(
    system: tuple[str, Process, str],
) -> None:
    database, process, _ = system
    lines = read_output(database, "doctor").splitlines()
    results = {line.split()[0]: line.split()[1] for line in lines}
    assert set(results.values()) == {"ok"}
    assert set(results) == {
        "folder", "database", "clock", "districts", "intake", "routing", "escalation", "assessment",
    }  # fmt: skip
    assert "fsync on, synchronous_commit on" in "".join(lines)
    assert readiness(process).json() == {"status": "ready"}


def test_a_stage_that_was_killed_is_found_without_an_owner(
    database: str, processes: list[Process]
) -> None:
    adopt_exampleville(database)
    first = Process(database, "--service", "intake", "--service", "routing")
    second = Process(database, "--service", "escalation", "--service", "assessment")
    processes += [first, second]
    for process in (first, second):
        wait_until(partial(is_ready, process))
    second.end(signal.SIGKILL)
    over = "SELECT leased_until < clock_timestamp() AS is_so FROM escalation.shard"
    wait_until(lambda: fetch_rows(database, over)[0]["is_so"])
    status, findings = doctor(database)
    assert status == 3
    assert "escalation FAIL calls/exampleville has no owner: nothing is decided in it" in findings
    assert "assessment FAIL evaluations/exampleville has no owner" in findings
    assert "start escalation: gridcall up" in findings
    assert "intake FAIL" not in findings


# ── Replays ──────────────────────────────────────────────────────────────────────────────────────

TAKEN_BY_ANOTHER = """
UPDATE routing.shard SET owner = 'pod-2', leased_until = clock_timestamp() + interval '1 hour',
  epoch = epoch + 1, pos = 200, folded = 86
"""


@contextmanager
def lock(database: str, table: str) -> Iterator[None]:
    """Lock a table for the length of the block, so that nobody reads it."""
    hold = f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(database))
        runner.run(connection.execute(hold))
        try:
            yield
        finally:
            runner.run(connection.close())


def test_a_service_is_not_ready_until_its_shards_are_replayed(
    database: str, processes: list[Process]
) -> None:
    key = adopt_exampleville(database)
    services = ("--service", "intake", "--service", "routing")
    first = Process(database, *services)
    processes.append(first)
    with client(first.url, key) as api:
        assert api.post("/issues/grid", json=issue("R-1"), headers=WAIT).status_code == 200
    first.end()
    with lock(database, "routing.log"):
        second = Process(database, *services)
        processes.append(second)
        wait_until(lambda: "replaying" in readiness(second).text)
        for_strangers = readiness(second)
        assert for_strangers.status_code == 503
        assert for_strangers.headers["content-type"] == "application/problem+json"
        assert "exampleville" not in for_strangers.text
        wait_until(
            lambda: "cases/exampleville: replaying, 0 %." in readiness(second, KEY).json()["detail"]
        )
        with client(second.url, key) as api:
            assert api.post("/issues/grid", json=issue("R-2")).status_code == 202
    wait_until(partial(is_ready, second))
    taken = "SELECT folded = pos AND pos > 0 AS is_so FROM routing.shard"
    assert fetch_rows(database, taken)[0]["is_so"]


def test_a_replay_is_shown_and_a_standby_is_ready(database: str, processes: list[Process]) -> None:
    adopt_exampleville(database)
    asyncio.run(execute(database, "INSERT INTO routing.shard (shard) VALUES ('exampleville')"))
    asyncio.run(execute(database, TAKEN_BY_ANOTHER))
    standby = Process(database, "--service", "intake", "--service", "routing")
    processes.append(standby)
    wait_until(partial(is_ready, standby))
    shown = json.loads(read_output(database, "status", "--json"))
    assert shown["replays"] == [
        {"name": "cases/exampleville", "folded": 86, "rows": 200, "percent": 43}
    ]
    said = "note routing: cases/exampleville: replaying, 43 %"
    assert said in read_output(database, "status").splitlines()
    status, findings = doctor(database)
    assert status == 3
    assert "routing FAIL cases/exampleville: replaying, 43 %, and it does not advance" in findings
    asyncio.run(execute(database, "UPDATE routing.shard SET folded = pos"))
    assert json.loads(read_output(database, "status", "--json"))["replays"] == []
    assert is_ready(standby)


def test_a_system_without_any_district_is_ready(database: str, processes: list[Process]) -> None:
    process = Process(database)
    processes.append(process)
    wait_until(partial(is_ready, process))


def test_time_that_does_not_advance_is_found(database: str) -> None:
    asyncio.run(execute(database, CLOCK.format(ahead=-HOUR)))
    adopt_exampleville(database)
    asyncio.run(execute(database, TRUTH))
    status, findings = doctor(database)
    assert status == 3
    assert "intake FAIL the time of intake/exampleville does not advance" in findings
    assert "60 min behind the clock; no deadline passes" in findings


def test_a_setting_that_can_lose_inputs_is_found(system: tuple[str, Process, str]) -> None:
    database, _, _ = system
    name = database.partition("?")[0].rpartition("/")[2]
    setting = f"ALTER DATABASE {name} {{}} synchronous_commit"
    with fault(database, f"{setting.format('SET')} = off", setting.format("RESET")):
        status, findings = doctor(database)
    assert status == 3
    assert "database FAIL synchronous_commit is off in the database of intake" in findings


def test_a_missing_table_and_a_missing_column_are_found(
    system: tuple[str, Process, str],
) -> None:
    database, _, _ = system
    hide = "ALTER TABLE escalation.sent RENAME TO {}; ALTER TABLE intake.key RENAME lines TO {}"
    back = "ALTER TABLE escalation.{} RENAME TO sent; ALTER TABLE intake.key RENAME {} TO lines"
    with fault(database, hide.format("gone", "gone"), back.format("gone", "gone")):
        status, findings = doctor(database)
    assert status == 3
    assert "escalation FAIL the database lacks escalation.sent" in findings
    assert "intake FAIL the database lacks intake.key.lines" in findings


def test_a_database_without_any_schema_is_reported_and_left_as_it_is(bare_database: str) -> None:
    status, findings = doctor(bare_database)
    assert status == 3
    assert "routing FAIL the database lacks routing.log" in findings
    assert "gridcall doctor --services" in findings
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname IN ('intake', 'routing')"
    assert fetch_rows(bare_database, schemas) == [], "doctor migrates nothing"


def test_inputs_that_were_lost_halt_a_stage_and_are_found(
    system: tuple[str, Process, str],
) -> None:
    database, process, _ = system
    lose = (
        "CREATE TABLE saved AS SELECT * FROM intake.log WHERE pos = (SELECT pos FROM intake.shard);"
        "DELETE FROM intake.log l USING saved WHERE l.pos = saved.pos;"
        "UPDATE intake.shard SET pos = pos - 1"
    )
    back = "INSERT INTO intake.log SELECT * FROM saved; UPDATE intake.shard SET pos = pos + 1"
    with fault(database, lose, f"{back}; DROP TABLE saved"):
        wait_until(lambda: readiness(process).status_code == 503)
        answer = readiness(process)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "routing: 1 of 1 halted" in answer.json()["detail"]
        assert "exampleville" not in answer.text
        status, findings = doctor(database)
        assert status == 3
        assert (
            "routing FAIL cases/exampleville has applied 5 rows of intake, which now has 4"
            in findings
        )
    wait_until(lambda: is_ready(process))


def test_metrics_are_for_those_who_have_the_services_key(
    system: tuple[str, Process, str],
) -> None:
    _, process, line_key = system
    for path in ("/metrics", "/condition", "/lag"):
        for headers in ({}, {"Authorization": f"Bearer {line_key}"}, {"Authorization": "Bearer"}):
            answer = httpx.get(f"{process.url}{path}", headers=headers, trust_env=False)
            assert answer.status_code == 401
            assert "exampleville" not in answer.text

    def value(name: str, **labels: str) -> float:
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = httpx.get(f"{process.url}/metrics", headers=headers, trust_env=False)
        labels |= {"district": "exampleville"}
        (sample,) = [
            each
            for family in text_string_to_metric_families(answer.text)
            for each in family.samples
            if (each.name, each.labels) == (name, labels)
        ]
        return float(sample.value)

    def is_owned(log: str) -> bool:
        return value("gridcall_shard_owned", log=log) == 1

    for log in ("cases", "calls", "evaluations"):
        wait_until(partial(is_owned, log))
        assert value("gridcall_shard_halted", log=log) == 0
        assert value("gridcall_replayed_ratio", log=log) == 1
    assert value("gridcall_parked_cases", log="cases") == 0
    assert value("gridcall_rows_after_checkpoint", log="cases") > 0
    assert -1 < value("gridcall_time_behind_seconds", log="intake") < 60
    assert value("gridcall_lag_rows", kind="unread", log="intake") == 0


def test_a_system_that_was_never_started_is_a_note(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("never")
    monkeypatch.setenv("GRIDCALL_HOME", str(home))
    done = run_on_database("", "doctor")
    assert done.returncode == 0
    assert "database   note  none yet" in done.stdout
    assert list(home.iterdir()) == [], "doctor makes nothing"


def test_a_database_that_is_away_is_a_failure_with_the_next_step() -> None:
    done = run_on_database("postgresql://nobody@127.0.0.1:9/nothing", "doctor")
    assert done.returncode == 3
    assert "database   FAIL  the database cannot be reached" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_district_made_by_a_typing_error_is_found(system: tuple[str, Process, str]) -> None:
    """The last test of the system, because nothing removes a district."""
    database, process, _ = system
    read_output(database, "district", "add", "exampelville")
    wrong = read_output(
        database, "key", "add", "--district", "exampelville", "--source", "12345", "--line", "grid"
    ).strip()
    with client(process.url, wrong) as api:
        assert api.post("/issues/grid", json=issue("W-1")).status_code == 202
    status, findings = doctor(database)
    assert status == 3
    assert "districts FAIL exampelville has no map, and " in findings
    assert ": its issues are located nowhere; was exampleville meant?" in findings
    assert "if it is a mistake: gridcall key revoke" in findings
