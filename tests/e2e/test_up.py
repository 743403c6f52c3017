"""`gridcall up` under signals, a lost database and a dropped schema."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from embedded.server import start_server
from eventlog.postgres.pool import PINNED
from events.topology import SERVICES
from gridcall.host.migrations import prepare
from tests.harness.commands import invoke, read_output, read_verification
from tests.harness.exampleville import CITY, changed_profile, issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import crash_database, execute, fetch_rows
from tests.harness.waiting import wait_until

OUTCOME = {"prefer": "wait=10"}


def dump(url: str, schema: str) -> list[Any]:
    columns = "pos, ts, input, n, subject, seq, cause, type, data"
    return [
        tuple(row)
        for row in fetch_rows(url, f"SELECT {columns} FROM {schema}.log ORDER BY shard, pos")
    ]


# ── Owners ───────────────────────────────────────────────────────────────────────────────────────


def test_another_process_takes_over_when_an_owner_is_killed(
    city: tuple[str, str], processes: list[Process]
) -> None:
    database, key = city
    intake = Process(database, "--service", "intake")
    one = Process(database, "--service", "routing")
    processes += [intake, one]
    with client(intake.url, key) as posting:
        assert posting.post("/issues/grid", json=issue("O-1"), headers=OUTCOME).status_code == 200
        processes.append(Process(database, "--service", "routing"))
        one.end(signal.SIGKILL)
        assert posting.post("/issues/grid", json=issue("O-2"), headers=OUTCOME).status_code == 200
    assert "rows are equal" in read_verification(database)


def test_an_owner_that_gets_sigterm_releases_its_shards_at_once(
    city: tuple[str, str], processes: list[Process]
) -> None:
    database, key = city
    intake = Process(database, "--service", "intake")
    one = Process(database, "--service", "routing")
    processes += [intake, one]
    with client(intake.url, key) as posting:
        assert posting.post("/issues/grid", json=issue("O-1"), headers=OUTCOME).status_code == 200
        assert one.end() == 0
        assert fetch_rows(
            database, "SELECT leased_until = '-infinity' AS let_go FROM routing.shard"
        )[0]["let_go"]


def test_a_zombie_that_wakes_writes_nothing(
    city: tuple[str, str], processes: list[Process]
) -> None:
    database, key = city
    intake, one = (
        Process(database, "--service", "intake"),
        Process(database, "--service", "routing"),
    )
    processes += [intake, one]
    with client(intake.url, key) as posting:
        posting.post("/issues/grid", json=issue("Z-1"), headers=OUTCOME)
        one.running.send_signal(signal.SIGSTOP)
        processes.append(Process(database, "--service", "routing"))
        assert posting.post("/issues/grid", json=issue("Z-2"), headers=OUTCOME).status_code == 200
        one.running.send_signal(signal.SIGCONT)
        assert posting.post("/issues/grid", json=issue("Z-3"), headers=OUTCOME).status_code == 200
    assert fetch_rows(database, "SELECT epoch FROM routing.shard")[0]["epoch"] >= 2
    assert "rows are equal" in read_verification(database)


def test_what_was_taken_is_answered_before_a_process_ends(
    city: tuple[str, str], processes: list[Process]
) -> None:
    database, key = city
    process = Process(database)
    processes.append(process)
    answers: list[int] = []

    def post(number: int) -> None:
        with client(process.url, key) as posting:
            for count in range(1000):
                try:
                    answers.append(
                        posting.post("/issues/grid", json=issue(f"S-{number}-{count}")).status_code
                    )
                except httpx.HTTPError:
                    return

    threads = [threading.Thread(target=post, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    with client(process.url, key) as posting:
        assert (
            posting.post("/issues/grid", json=issue("S-last"), headers=OUTCOME).status_code == 200
        )
    assert process.end() == 0
    for thread in threads:
        thread.join()
    assert set(answers) == {202}
    assert fetch_rows(database, "SELECT count(*) FROM intake.log")[0]["count"] >= len(answers) + 5


def test_several_districts_are_kept_side_by_side(
    city: tuple[str, str], processes: list[Process], tmp_path: Path
) -> None:
    database, key = city
    process = Process(database)
    processes.append(process)
    other = changed_profile(
        tmp_path, "{code: exampleville, name: Exampleville}", "{code: elsewhere, name: Elsewhere}"
    )
    read_output(database, "district", "add", "elsewhere", "--map", CITY, "--profile", other)
    options = ("--district", "elsewhere", "--source", "test", "--line", "grid", "--line", "log")
    other_key = read_output(database, "key", "add", *options).strip()
    for each, district in ((key, "exampleville"), (other_key, "elsewhere")):
        with client(process.url, each) as posting:
            answer = posting.post("/issues/grid", json=issue("B-1"), headers=OUTCOME)
            assert answer.status_code == 200
            assert answer.json()["outcome"]["events"][0]["id"] == f"cases/{district}/5"
    wait_until(lambda: invoke(database, "verify").returncode == 0)
    assert read_output(database, "verify").count("rows are equal") == 2


# ── Deadlines ────────────────────────────────────────────────────────────────────────────────────


def test_a_deadline_on_a_quiet_system_raises_its_call(
    city: tuple[str, str], processes: list[Process]
) -> None:
    database, key = city
    process = Process(database)
    processes.append(process)
    with client(process.url, key) as posting:
        posting.post("/issues/grid", json=issue("Q-1", due="2020-01-01T00:00:00Z"))
        answer = posting.get("/escalation/log/exampleville", params={"after": 4, "wait": 10})
        assert '"type":"gridcall.deadline-missed.v1"' in answer.text
        assert '"type":"gridcall.call-raised.v1"' in answer.text


ALL = {service.name for service in SERVICES}

# ── Databases ────────────────────────────────────────────────────────────────────────────────────


class LogLines:
    """The log lines of a process, read while it runs."""

    def __init__(self, process: Process) -> None:
        self._lines: list[dict[str, Any]] = []
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: Process) -> None:
        assert process.running.stderr is not None
        for line in process.running.stderr:
            self._lines.append(json.loads(line))

    def lines_of(self, service: str) -> list[dict[str, Any]]:
        return [line for line in self._lines if line["service"] == service]

    def services_that_say(self, words: str) -> set[str]:
        return {line["service"] for line in self._lines if words in line["message"]}


def test_while_the_database_is_away_intake_says_when_to_come_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = start_server(tmp_path_factory.mktemp("away"))
    database = server.get_uri("away")
    asyncio.run(prepare(database))
    key = adopt_exampleville(database)
    process = Process(database)
    lines = LogLines(process)
    try:
        with client(process.url, key) as posting:
            assert (
                posting.post("/issues/grid", json=issue("A-1"), headers=OUTCOME).status_code == 200
            )
            with crash_database(server):
                answer = posting.post("/issues/grid", json=issue("A-2"))
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
                assert "same references" in answer.json()["detail"]
                assert posting.get("/readyz").status_code == 503
                assert posting.get("/livez").status_code == 200
                wait_until(lambda: lines.services_that_say("the database is unavailable") == ALL)
            while posting.post("/issues/grid", json=issue("A-2")).status_code == 503:
                pass
            assert (
                posting.post("/issues/grid", json=issue("A-3"), headers=OUTCOME).status_code == 200
            )
        wait_until(lambda: lines.services_that_say("the database is available again") == ALL)
        for service in ALL:
            assert len(lines.lines_of(service)) == 2, "an outage is two lines per service"
        assert "rows are equal" in read_output(database, "verify")
    finally:
        process.end()
        server.cleanup()


def test_a_service_whose_schema_was_dropped_folds_its_log_again(city: tuple[str, str]) -> None:
    database, key = city
    process = Process(database)
    with client(process.url, key) as posting:
        for number in range(20):
            posting.post("/issues/grid", json=issue(f"D-{number}", due="2020-01-01T00:00:00Z"))
        posting.post("/issues/grid", json=issue("D-last"), headers=OUTCOME)
        posting.get("/escalation/log/exampleville", params={"after": 60, "wait": 5})
    process.end()
    before = {schema: dump(database, schema) for schema in ("routing", "escalation")}
    asyncio.run(execute(database, "DROP SCHEMA routing CASCADE"))
    process = Process(database)
    with client(process.url, key) as posting:
        assert (
            posting.post("/issues/grid", json=issue("D-more"), headers=OUTCOME).status_code == 200
        )
        posting.get(
            "/escalation/log/exampleville", params={"after": len(before["escalation"]), "wait": 10}
        )
    process.end()
    for schema, was in before.items():
        assert dump(database, schema)[: len(was)] == was
    assert "rows are equal" in read_verification(database)


def test_a_stage_that_is_further_than_its_input_says_so_and_stops(
    city: tuple[str, str],
) -> None:
    database, key = city
    process = Process(database)
    with client(process.url, key) as posting:
        posting.post("/issues/grid", json=issue("L-1"), headers=OUTCOME)
    process.end()
    asyncio.run(
        execute(database, "DELETE FROM intake.log WHERE pos > 4; UPDATE intake.shard SET pos = 4")
    )
    process = Process(database, "--service", "routing")
    assert process.running.stderr is not None
    said = next(line for line in process.running.stderr if " halted: " in line)
    assert "intake/exampleville ends at 4, but 5 was read before" in said
    process.end()


def test_who_hangs_inside_a_transaction_does_not_hold_the_district(
    city: tuple[str, str], processes: list[Process]
) -> None:
    database, key = city
    process = Process(database)
    processes.append(process)

    async def hang(locked: threading.Event, over: threading.Event) -> None:
        connection = await asyncpg.connect(database, server_settings=PINNED)
        await connection.execute("BEGIN")
        await connection.execute("SELECT intake.locked('exampleville')")
        locked.set()
        await asyncio.to_thread(over.wait)

    locked, over = threading.Event(), threading.Event()
    hanging = threading.Thread(target=lambda: asyncio.run(hang(locked, over)))
    hanging.start()
    locked.wait()
    with client(process.url, key) as posting:
        wait_until(lambda: posting.post("/issues/grid", json=issue("H-1")).status_code != 503)
    over.set()
    hanging.join()
