"""The commands of operations teams, on a gridcall that has seen something."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from eventlog.core.row import Row
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import open_database
from eventlog.postgres.survey import Head, Survey
from events.catalogue import CaseWithheld
from events.texts import UNSEEN_CHARACTER
from events.topology import WRITER
from gridcall.host.status import shards_of_all_logs, status
from tests.harness.calls import reassignment
from tests.harness.city import ANN, CASE, DAY, USED, matter
from tests.harness.commands import (
    database_environment,
    invoke,
    read_output,
    run_on_database,
)
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.paths import ROOT
from tests.harness.postgres import execute
from tests.harness.waiting import wait_until

POISONED = """
from gridcall.cli.main import entry
from routing.core.decider import Routing

decide = Routing.decide

def poisoned_decide(self, input_, view):
    is_retry = type(input_.event).__name__ == "RetryAsked"
    if view.reference.admission is None and getattr(input_.event, "issue", "") and not is_retry:
        raise KeyError("no admission list")
    return decide(self, input_, view)

Routing.decide = poisoned_decide
entry()
"""
COLUMNS = "shard, ts, input, n, subject, seq, cause"
INSERTED = (
    f"INSERT INTO routing.log (pos, type, data, {COLUMNS})"
    f" SELECT {{}}, '{{}}', '{{}}', {COLUMNS} FROM routing.log "
)


@pytest.fixture(scope="module")
def seeded_database(postgres: str) -> str:
    """A database in which one issue was routed, one queued and one called for."""
    asyncio.run(execute(postgres, "CREATE DATABASE seen TEMPLATE empty"))
    url = postgres.replace("/postgres?", "/seen?")
    key = adopt_exampleville(url)
    process = Process(url)
    wait = {"prefer": "wait=10"}
    with client(process.url, key) as api:
        api.post("/issues/grid", json=issue("S-1"), headers=wait)
        api.post("/issues/hotline", json={"reference": "S-2", "category": "Noise"}, headers=wait)
        api.post("/issues/grid", json=issue("S-3", due="2020-01-01T00:00:00Z"), headers=wait)
        api.get("/escalation/log/exampleville", params={"after": 6, "wait": 10})
    wait_until(
        lambda: (
            not any(
                shard["lag"] for shard in json.loads(read_output(url, "status", "--json"))["shards"]
            )
        )
    )
    process.end()
    return url


def test_status_tells_positions_lag_owners_and_what_is_open(seeded_database: str) -> None:
    said = json.loads(read_output(seeded_database, "status", "--json"))
    shards = {shard["log"]: shard for shard in said["shards"]}
    assert {log: shard["position"] for log, shard in shards.items()} == {
        "intake": 7,
        "cases": 10,
        "calls": 7,
        "evaluations": 3,
    }
    assert {shard["lag"] for shard in shards.values()} == {0}
    assert shards["cases"]["owner"] == ""
    assert said["open"]["exampleville"] == {
        "routed at the grid": 2,
        "queued at the district": 1,
        "calls to the street": 1,
    }
    assert "1 calls to the street, 1 queued at the district, 2 routed at the grid" in read_output(
        seeded_database, "status"
    )


async def test_status_sees_all_logs_at_one_instant(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While status reads, an input is accepted and routed: routing is never ahead of intake."""
    heads = Survey.heads

    async def heads_then_progress(survey: Survey) -> list[Head]:
        result = await heads(survey)
        await execute(database, "UPDATE intake.shard SET pos = pos + 5")
        await execute(database, "UPDATE routing.shard SET input = input + 5")
        return result

    monkeypatch.setattr(Survey, "heads", heads_then_progress)
    for schema in ("intake", "routing"):
        await execute(database, f"INSERT INTO {schema}.shard (shard) VALUES ('exampleville')")
    async with open_database(database, size=2) as opened:
        shards = await shards_of_all_logs(opened)
    assert {shard["log"]: shard["lag"] for shard in shards} == {"intake": 0, "cases": 0}


async def test_status_counts_a_case_as_routed_where_it_is_withheld_and_where_it_moves(
    database: str,
) -> None:
    """The level above the grids has the case, and has not been there yet."""
    street = replace(ANN, level="street", worker=None, episode=0)
    withheld = CaseWithheld(
        case=CASE, matter=matter(), holder=street, located_by="point", rules=(), used=USED, row="5"
    )
    async with open_database(database, size=2) as opened:
        log = PostgresLog("cases", WRITER["cases"], opened, Notifier(), "stage")
        assert await log.lease("city")
        await log.commit("city", [Row("cases", "city", 1, DAY, 1, 1, CASE, 1, "", withheld)])
        assert (await status(opened))["open"] == {"city": {"routed at the street": 1}}
        moved = reassignment(ANN, street)
        await log.commit("city", [Row("cases", "city", 2, DAY, 2, 1, CASE, 2, "", moved)])
        assert (await status(opened))["open"] == {"city": {"routed at the grid": 1}}


def test_tail_shows_a_log_filtered_and_as_cloudevents(seeded_database: str) -> None:
    lines = read_output(
        seeded_database, "tail", "cases", "--after", 0, "--no-follow", "--type", "case-", "--json"
    ).splitlines()
    types = [json.loads(line)["type"] for line in lines]
    words = ("reported", "routed", "reported", "queued", "reported", "routed")
    assert types == [f"gridcall.case-{word}.v1" for word in words]
    subject = json.loads(lines[0])["subject"]
    assert (
        len(
            read_output(
                seeded_database, "tail", "cases", "--after", 0, "--no-follow", "--subject", subject
            ).splitlines()
        )
        == 2
    )


def test_tail_follows_until_it_is_interrupted(seeded_database: str) -> None:
    words = [sys.executable, "-m", "gridcall", "tail", "intake", "--after", "6"]
    following = subprocess.Popen(
        words,
        env=database_environment(seeded_database),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert following.stdout is not None
    assert "issue-reported" in following.stdout.readline()
    following.send_signal(signal.SIGINT)
    assert following.wait(timeout=30) == 130


def test_parked_cases_are_listed_with_their_fault_and_what_waits(seeded_database: str) -> None:
    assert json.loads(read_output(seeded_database, "parked", "--json")) == []
    fault = '{"case":"c","fault":"ZeroDivisionError: poison"}'
    parked = INSERTED.format(11, "gridcall.case-parked.v1", fault) + "WHERE pos = 10;"
    deferred = INSERTED.format(12, "gridcall.input-held.v1", '{"case":"c"}') + "WHERE pos = 10;"
    asyncio.run(execute(seeded_database, parked + deferred))
    (parked_case,) = json.loads(read_output(seeded_database, "parked", "--json"))
    assert (parked_case["position"], parked_case["fault"], parked_case["held"]) == (
        11,
        "ZeroDivisionError: poison",
        1,
    )
    asyncio.run(execute(seeded_database, "DELETE FROM routing.log WHERE pos > 10"))


def test_doctor_says_how_many_inputs_wait(seeded_database: str) -> None:
    asyncio.run(execute(seeded_database, "UPDATE routing.shard SET input = 3"))
    done = invoke(seeded_database, "doctor")
    assert done.returncode == 3
    assert "cases/exampleville is 4 behind" in done.stdout
    asyncio.run(execute(seeded_database, "UPDATE routing.shard SET input = 7"))


def test_reference_data_are_adopted_once_and_named_by_their_file(
    seeded_database: str, tmp_path: Path
) -> None:
    path = tmp_path / "list-2026.json"
    path.write_text(
        '{"rows": [{"category": "Noise", "level": "street", "rule": "list 2026, row 1"}]}'
    )
    load = ("admission", "load", path, "--district", "exampleville")
    assert read_output(seeded_database, *load) == "exampleville: admission list-2026 adopted\n"
    assert "nothing new" in read_output(seeded_database, *load)
    path.write_text('{"rows": [{"category": "Noise", "level": "moon", "rule": ""}]}')
    done = run_on_database(seeded_database, *load)
    assert done.returncode == 2
    assert "docs/reference-data.md" in done.stderr


def test_a_port_that_is_taken_is_said_before_anything_starts(seeded_database: str) -> None:
    process = Process(seeded_database)
    port = process.url.rpartition(":")[2]
    done = run_on_database(seeded_database, "up", "--port", port)
    process.end()
    assert done.returncode == 3
    assert f"port {port} of 127.0.0.1 cannot be used" in done.stderr


def test_a_database_that_is_away_is_said_with_what_to_look_at() -> None:
    done = run_on_database("postgresql://nobody@127.0.0.1:9/nothing", "status")
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr
    assert "gridcall doctor" in done.stderr


def test_a_parked_case_is_retried_once_the_fault_is_gone(database: str, tmp_path: Path) -> None:
    """A fault that goes away with an admission list, in a process of its own."""
    key = adopt_exampleville(database)
    assert "is not parked; gridcall parked lists" in run_on_database(database, "retry", "x").stderr
    process = Process(database, program=("-c", POISONED))
    with client(process.url, key) as api:
        api.post("/issues/grid", json=issue("S-1"), headers={"prefer": "wait=10"})
        visit = {
            "reference": "V-1",
            "type": "visit_made",
            "by": "w7",
            "issue": {"line": "grid", "reference": "S-1"},
        }
        outcome = api.post("/actions", json=visit, headers={"prefer": "wait=10"}).json()["outcome"]
        assert "waits behind it" in outcome["because"]
        (parked,) = json.loads(read_output(database, "parked", "--json"))
        assert (parked["fault"], parked["held"]) == ("KeyError: 'no admission list'", 1)
        examined = invoke(database, "doctor")
        assert examined.returncode == 3
        assert "1 parked case, with 1 waiting input" in examined.stdout
        assert "gridcall retry CASE" in examined.stdout
        again = run_on_database(database, "retry", parked["case"])
        assert again.returncode == 1
        assert "parked again in cases: KeyError" in again.stderr
        rows = [{"category": issue("S-1")["category"], "level": "grid", "rule": "row 1"}]
        (tmp_path / "list.json").write_text(json.dumps({"rows": rows}))
        read_output(
            database, "admission", "load", tmp_path / "list.json", "--district", "exampleville"
        )
        assert "goes on in cases" in read_output(database, "retry", parked["case"])
        assert json.loads(read_output(database, "parked", "--json")) == []
        kinds = read_output(
            database, "tail", "cases", "--no-follow", "--after", 0, "--subject", parked["case"]
        )
        words = ("case-retried", "case-reported", "case-routed", "case-visited")
        assert [line.split()[2] for line in kinds.splitlines()][-4:] == list(words)
        assert api.get("/issues/grid/S-1").status_code == 200
    process.end()


FOREIGN = "x\x1b]0;owned\x07\u202e\u2028\u200b\x9b2J"
WRITTEN = """
UPDATE intake.key SET source = '{text}';
UPDATE routing.shard SET owner = '{text}', leased_until = 'infinity';
UPDATE intake.log SET subject = '{text}', data = convert_to('{{"by":"{text}"}}', 'UTF8')
"""


@pytest.fixture(scope="module")
def foreign_database(postgres: str) -> str:
    """A database with texts of others that command a terminal."""
    asyncio.run(execute(postgres, "CREATE DATABASE foreign_text TEMPLATE empty"))
    url = postgres.replace("/postgres?", "/foreign_text?")
    key = adopt_exampleville(url)
    process = Process(url)
    with client(process.url, key) as api:
        api.post("/issues/grid", json=issue("F-1"), headers={"prefer": "wait=10"})
    process.end()
    asyncio.run(execute(url, WRITTEN.format(text=FOREIGN)))
    return url


@pytest.mark.parametrize(
    "command",
    [
        "key list",
        "key list --json",
        "status",
        "status --json",
        "tail intake --no-follow",
        "tail intake --no-follow --json",
        "doctor",
        f"retry {FOREIGN}",
        f"sheet {FOREIGN}",
        f"key revoke {FOREIGN}",
    ],
)
def test_texts_of_others_do_not_command_the_terminal(command: str, foreign_database: str) -> None:
    done = run_on_database(foreign_database, *command.split(" "))
    shown = done.stdout + done.stderr
    unseen = UNSEEN_CHARACTER.findall(shown.replace("\n", "").replace("\t", ""))
    assert (unseen, "Traceback" in shown) == ([], False)
    if command.startswith(("key list", "status", "tail")):
        assert "\\u202e" in shown
