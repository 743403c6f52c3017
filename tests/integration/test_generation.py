"""A database that is another one: restored from a backup, or promoted (Debian's Postgres 15)."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from eventlog.core.row import Generation, Progress
from eventlog.input_order import MergedOrder
from eventlog.notifier import Notifier
from eventlog.postgres.generation import DatabaseCheck, cut, order_generations
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import open_database
from events.errors import Halted
from events.topology import LOGS, UPSTREAM, WRITER
from gridcall.host.migrations import prepare
from tests.contract.log_contract import SHARD, row_at, visit
from tests.harness.commands import (
    database_environment,
    read_output,
    read_verification,
    run_on_database,
)
from tests.harness.debian_postgres import Server, require_debian_postgres
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.paths import ROOT
from tests.harness.postgres import fetch_rows
from tests.harness.waiting import wait_until


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder, which knows one database."""
    monkeypatch.setenv("GRIDCALL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def server(home: Path, tmp_path: Path) -> Iterator[Server]:
    require_debian_postgres()
    made = Server(tmp_path)
    made.start()
    asyncio.run(prepare(made.url))
    yield made
    for data in (made.data, made.folder / "backup", made.folder / "standby"):
        if (data / "postmaster.pid").exists():
            made.stop(data)


def refusal_of(url: str) -> str:
    """Return the message of `gridcall up` when it does not start."""
    words = [sys.executable, "-m", "gridcall", "up", "--port", "0"]
    done = subprocess.run(
        words,
        env=database_environment(url),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    return done.stderr


def wait_until_announced(home: Path, position: int) -> None:
    """Wait until the data folder knows a position, without which nobody misses what is lost."""

    def is_known() -> bool:
        (path,) = home.glob("announced-*.json")
        head = json.loads(path.read_text())["heads"].get("exampleville")
        return bool(head and head[1] >= position)

    wait_until(is_known)


def post_issues(home: Path, url: str, key: str, *references: str) -> list[int]:
    """Post issues to an intake that runs for that alone."""
    process = Process(url)
    with client(process.url, key) as api:
        wait = {"prefer": "wait=10"}
        statuses = [
            api.post("/issues/grid", json=issue(reference), headers=wait).status_code
            for reference in references
        ]
        again = [
            api.post("/issues/grid", json=issue(reference)).json()["position"]
            for reference in references
        ]
    wait_until_announced(home, max(again))
    assert process.end() == 0
    return statuses


def head_of(url: str) -> str:
    """Return the head of the only district, as it is announced."""
    shards = json.loads(read_output(url, "status", "--json"))["shards"]
    (intake,) = [shard for shard in shards if shard["log"] == "intake"]
    (generation,) = fetch_rows(url, "SELECT generation FROM intake.shard")[0]
    mark = {"generation": generation, "log": "intake", "shard": "exampleville", "w": 0}
    return json.dumps(mark | {"head": intake["head"], "pos": intake["position"]})


def test_a_database_restored_from_yesterdays_backup_is_a_new_generation(
    server: Server, home: Path, tmp_path: Path
) -> None:
    key = adopt_exampleville(server.url)
    post_issues(home, server.url, key, "G-1")
    taken_over = head_of(server.url)
    server.stop()
    backup = server.copy_data()
    server.start()
    post_issues(home, server.url, key, "G-2", "G-3")
    lost = head_of(server.url)
    server.stop()
    server.start(backup)
    said = refusal_of(server.url)
    assert "ends at 5, but 7 was announced: the database was restored" in said
    assert "gridcall restore accept" in said
    assert "which goes on after position 5" in read_output(server.url, "restore", "accept")
    assert post_issues(home, server.url, key, "G-2", "G-3", "G-4") == [200, 200, 200]
    heads = tmp_path / "heads.txt"
    heads.write_text(f"{taken_over}\n{head_of(server.url)}\n")
    assert "8 inputs folded again" in read_verification(server.url, "--head", heads)
    heads.write_text(lost)
    done = run_on_database(server.url, "verify", "--head", heads)
    assert done.returncode == 1
    assert "began after position 5 (restore accept)" in done.stdout


def test_a_promoted_standby_is_a_new_generation(server: Server, home: Path) -> None:
    key = adopt_exampleville(server.url)
    post_issues(home, server.url, key, "P-1")
    standby = server.folder / "standby"
    server.do(
        "pg_basebackup",
        *("-h", str(server.folder), "-U", "postgres", "-D", str(standby)),
        *("-R", "-X", "stream", "--checkpoint=fast"),
    )
    server.stop()
    server.start(standby)
    assert "the database is a standby; name its primary" in refusal_of(server.url)
    assert "exampleville" in read_output(server.url, "status"), "one may read there"
    server.do("pg_ctl", "-w", "-D", str(standby), "promote")
    assert "timeline 00000002; it was system" in refusal_of(server.url)
    read_output(server.url, "restore", "accept")
    assert post_issues(home, server.url, key, "P-2") == [200]
    assert "6 inputs folded again" in read_verification(server.url)


def test_a_process_lives_through_a_restore_that_is_accepted(server: Server, home: Path) -> None:
    key = adopt_exampleville(server.url)
    post_issues(home, server.url, key, "G-1")
    server.stop()
    backup = server.copy_data()
    server.start()
    process = Process(server.url)
    wait = {"prefer": "wait=10"}
    with client(process.url, key) as api:
        for reference in ("G-2", "G-3"):
            assert api.post("/issues/grid", json=issue(reference), headers=wait).status_code == 200
        wait_until_announced(home, 7)
        server.stop()
        server.start(backup)
        refused_as = api.post("/issues/grid", json=issue("G-4")).json()
        while refused_as["type"].endswith(":away"):
            refused_as = api.post("/issues/grid", json=issue("G-4")).json()
        assert "gridcall restore accept" in refused_as["detail"]
        read_output(server.url, "restore", "accept")
        answer = api.post("/issues/grid", json=issue("G-4"), headers=wait)
        while answer.status_code == 503:
            answer = api.post("/issues/grid", json=issue("G-4"), headers=wait)
        assert answer.status_code == 200
        assert api.post("/issues/grid", json=issue("G-2"), headers=wait).json()["outcome"]
    assert process.end() == 0
    assert "7 inputs folded again" in read_verification(server.url)


@pytest.mark.parametrize("applied", [1, 3])
async def test_a_separate_stage_is_cut_back_to_the_new_generation(
    database: str, tmp_path: Path, applied: int
) -> None:
    """Intake's backup ends at 1. A stage that has read further must be cut back, and says so."""

    other_url = re.sub(r"/test_\w+\?", "/empty?", database)
    async with open_database(database, size=2) as own:
        intake, cases = (
            PostgresLog("intake", "intake", own, Notifier()),
            PostgresLog("cases", "routing", own, Notifier(), "a"),
        )
        check = DatabaseCheck(tmp_path, database, "intake")
        await intake.append(SHARD, [visit(number, number) for number in range(1, 4)])
        check.announce(await own.on_connection(check.state))
        before = await intake.generation(SHARD)
        await cases.lease(SHARD)
        await cases.follow(SHARD, before)
        await cases.commit(
            SHARD,
            [
                row_at(cases, position, position, sequence=position)
                for position in range(1, applied + 1)
            ],
        )
        await own.fetch("DELETE FROM intake.log WHERE pos > 1")
        await own.fetch("UPDATE intake.shard SET pos = 1")
        async with open_database(other_url, size=1) as other:
            await other.on_connection(
                lambda stages: own.on_connection(
                    lambda connection: check.accept(
                        connection, UPSTREAM, {"routing": stages, "escalation": stages}
                    )
                )
            )
        now = await intake.generation(SHARD)
        assert now == Generation(now.number, before.number, 1)
        assert now.number > before.number
        if applied == 3:
            with pytest.raises(
                Halted, match=r"follows from 3 inputs .* the one in its place has 1"
            ):
                await cases.follow(SHARD, now)
            await own.on_connection(partial(check.accept, upstream=UPSTREAM))
            assert await intake.generation(SHARD) == now, "it is the database that was accepted"
            cases.forget(SHARD)
            assert await cases.lease(SHARD)
        await cases.follow(SHARD, now)
        assert [row.position for row in await cases.read(SHARD, 0, 9)] == [1]
        assert await cases.generation(SHARD) == now


@pytest.mark.parametrize(("fork", "common"), [(0, 0), (1, 1), (2, 3), (3, 4), (4, 7)])
async def test_a_stage_of_two_logs_is_cut_back_to_the_last_common_row_of_the_first(
    database: str, fork: int, common: int
) -> None:
    """Cases are at 10, 20, 20, 30 and calls at 10, 20, 20: their rows come after those of cases."""
    async with open_database(database, size=2) as own:
        logs = {log: PostgresLog(log, WRITER[log], own, Notifier(), "a") for log in LOGS}
        for log, times in (("cases", (10, 20, 20, 30)), ("calls", (10, 20, 20))):
            await logs[log].lease(SHARD)
            rows = [
                row_at(logs[log], position, time, sequence=position)
                for position, time in enumerate(times, 1)
            ]
            await logs[log].commit(SHARD, rows)
        await logs["evaluations"].lease(SHARD)
        rows = [row_at(logs["evaluations"], n, n, sequence=n)._replace(input=n) for n in (1, 2, 3)]
        await logs["evaluations"].commit(SHARD, rows, Progress(7, 30))
        for schema, start in (("routing", fork), ("escalation", 3)):
            sql = f"UPDATE {schema}.shard SET generation = 2, before = 1, start = $1"
            await own.fetch(sql, start)
        await own.fetch("UPDATE assessment.shard SET generation = 1")
        read = await MergedOrder(logs["cases"], logs["calls"]).generation(SHARD)
        assert read == Generation(2, 1, common)

        async def cut_back(connection: asyncpg.Connection[Any]) -> None:
            services = ("routing", "escalation", "assessment")
            connections = dict.fromkeys(services, connection)
            result = await order_generations(UPSTREAM["assessment"], connections)
            assert result[SHARD] == read, "both read the same"
            await cut("assessment", connection, result)

        await own.on_connection(cut_back)
        logs["evaluations"].forget(SHARD)
        assert [row.input for row in await logs["evaluations"].read(SHARD, 0, 9)] == [
            n for n in (1, 2, 3) if n <= common
        ]
        assert (await logs["evaluations"].progress(SHARD)).input == common
