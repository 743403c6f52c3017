"""Decider versions on Postgres: adopted, lacked by an older build, taken over by a newer one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from eventlog.codec import typed_data
from eventlog.core.row import Draft
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import open_database
from events.catalogue import Event, ReferenceAdopted, VisitMade
from events.errors import Halted
from events.topology import DECIDER_VERSION
from intake.acceptor import Acceptor
from intake.adoption import ReferenceRefused
from intake.core.submission import make_item
from intake.store import IntakeStore
from tests.harness.city import CONTENTS, IN_0101, MAP_ADOPTED, ROSTER_SENT
from tests.harness.commands import database_environment, invoke, read_output
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.newer_build import NEXT
from tests.harness.paths import ROOT
from tests.harness.postgres import fetch_rows
from tests.harness.senders import SENDER
from tests.harness.versions import (
    LAMP_LIT,
    VISITED_V1,
    VISITED_V2,
    LampLit,
    VisitMadeV1,
    adoption_of,
    have_two_deciders,
    newer_build_writes,
    two_versions_of_visits,
)
from tests.harness.waiting import wait_until
from tests.mutation.inputs import CITY, S, report, visit
from tests.mutation.postgres import OnPostgres, on_postgres
from tests.mutation.world import STAGES

NEWER = ("-m", "tests.harness.newer_build")
TYPES = "SELECT type FROM routing.log WHERE type LIKE 'gridcall.case-visited%' ORDER BY pos"


def newer_build(database: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the newer build on a database."""
    return subprocess.run(
        [sys.executable, *NEWER, *words],
        env=database_environment(database),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


# ── Take-overs ───────────────────────────────────────────────────────────────────────────────────


async def append_adoptions(world: OnPostgres, *events: ReferenceAdopted) -> None:
    log = PostgresLog("intake", "intake", world.connection, Notifier())
    await IntakeStore(world.connection).add_contents(CONTENTS)
    await log.append_reference(CITY, list(events), SENDER)


async def test_an_owner_that_dies_before_or_after_the_adoption_changes_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_two_deciders(monkeypatch)
    steps: list[tuple[Event, ...]] = [
        *((report(name, 99 * S, IN_0101), visit(name)) for name in "ab"),
        (adoption_of(DECIDER_VERSION),),
        *((report(name, 99 * S, IN_0101), visit(name)) for name in "cd"),
    ]
    with two_versions_of_visits():
        async with on_postgres(monkeypatch, database) as world:
            await append_adoptions(world, MAP_ADOPTED, ROSTER_SENT)
            for number, events in enumerate(steps, 10):
                if isinstance(events[0], ReferenceAdopted):
                    await append_adoptions(world, events[0])
                else:
                    await world.come(number * S, *events)
                for log in STAGES:
                    owner = world.owner(log, f"process {number}")
                    await world.expire(log)
                    await owner.go()
                    owner.die()
            assert await world.judge() == set()
    types = [row["type"] for row in await asyncio.to_thread(fetch_rows, database, TYPES)]
    assert types == [VISITED_V1, VISITED_V1, VISITED_V2, VISITED_V2]


async def test_what_is_sent_again_after_an_upgrade_gets_the_first_answer(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = VisitMadeV1(action="1" * 32, issue="2" * 32, source="source", visitor="ann")
    again = VisitMade(action="1" * 32, issue="2" * 32, source="source", by="ann")
    other = VisitMade(action="1" * 32, issue="2" * 32, source="source", by="bob")
    with two_versions_of_visits():
        async with on_postgres(monkeypatch, database) as world:
            await world.set_clock(10 * S)
            acceptor = Acceptor(world.connection, Notifier())
            items = [
                make_item("1" * 32, *typed_data(event), SENDER)
                for event in (first, first, again, other)
            ]
            answers = [(await acceptor.accept(CITY, [item]))[0] for item in items]
    assert [(each.fresh, each.same) for each in answers] == [
        (True, True),
        (False, True),
        (False, True),
        (False, False),
    ]
    assert len({each.position for each in answers}) == 1


# ── Commands ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def city(database: str) -> str:
    adopt_exampleville(database)
    return database


def test_the_version_of_a_district_is_shown_adopted_and_remembered(city: str) -> None:
    assert "nothing new" in read_output(city, "decider", "adopt", "--district", "exampleville")
    assert newer_build(city, "decider", "adopt", "--district", "exampleville").stdout == (
        f"exampleville: decider {NEXT} adopted\n"
    )
    shown = json.loads(read_output(city, "decider", "show", "--json"))
    assert [(row["decider"], row["in_force"], row["in_this_build"]) for row in shown] == [
        (DECIDER_VERSION, "no", "yes"),
        (NEXT, "yes", "no"),
    ]
    history = json.loads(read_output(city, "decider", "history", "--json"))
    assert [row["name"] for row in history] == [DECIDER_VERSION, NEXT]


def test_a_version_that_this_build_lacks_is_not_adopted(city: str) -> None:
    with pytest.raises(ReferenceRefused, match="version: '2026-12' is no decider version of this"):
        invoke(city, "decider", "adopt", "2026-12", "--district", "exampleville")
    assert len(json.loads(read_output(city, "decider", "history", "--json"))) == 1


def test_an_operator_sees_a_row_of_an_unknown_type(city: str) -> None:
    with newer_build_writes():
        asyncio.run(append_lamp(city))
    *_, last = read_output(city, "tail", "intake", "--no-follow", "--json").splitlines()
    seen = json.loads(last)
    assert (seen["type"], seen["data"]) == (LAMP_LIT, {"lamp": "a"})
    assert seen["dataclassification"] == "personal"
    assert "lamp-lit" in read_output(city, "tail", "intake", "--no-follow")
    assert json.loads(read_output(city, "status", "--json"))["shards"]


async def append_lamp(database: str) -> None:
    async with open_database(database, size=1) as connection:
        log = PostgresLog("intake", "intake", connection, Notifier())
        await log.append("exampleville", [Draft(1, "lamp", LampLit(lamp="a"))])


# ── An older build, and a newer one ──────────────────────────────────────────────────────────────


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        process.end()


async def adopt_next(database: str) -> None:
    """Adopt the version that only the newer build has."""
    async with open_database(database, size=1) as connection:
        log = PostgresLog("intake", "intake", connection, Notifier())
        await log.append_reference("exampleville", [adoption_of(NEXT)], SENDER)


def is_ready(process: Process) -> bool:
    return httpx.get(f"{process.url}/readyz", trust_env=False).status_code == 200


def test_an_older_build_halts_before_the_adoption_and_a_newer_one_goes_on(
    database: str, processes: list[Process]
) -> None:
    key = adopt_exampleville(database)
    older = Process(database)
    processes.append(older)
    wait_until(lambda: is_ready(older))
    with client(older.url, key) as api:
        before = api.post("/issues/grid", json=issue("A-1"), headers={"prefer": "wait=10"})
        assert before.status_code == 200
        asyncio.run(adopt_next(database))
        assert api.post("/issues/grid", json=issue("A-2")).status_code == 202
        wait_until(lambda: "halted" in api.get("/readyz").text)

    cases = "SELECT count(*) AS n FROM routing.log WHERE type = 'gridcall.case-reported.v1'"
    assert fetch_rows(database, cases)[0]["n"] == 1
    doctor = invoke(database, "doctor")
    assert doctor.returncode == 3
    assert f"exampleville is decided by {NEXT}, and this build has {DECIDER_VERSION}" in (
        doctor.stdout
    )
    older.end()
    verified = invoke(database, "verify")
    assert verified.returncode == 4, "nothing was decided beyond it"
    assert "not compared: cases has applied 5 of 7 rows of intake" in verified.stdout

    newer = Process(database, program=NEWER)
    processes.append(newer)
    wait_until(lambda: fetch_rows(database, cases)[0]["n"] == 2)
    newer.end()
    verified = newer_build(database, "verify")
    assert verified.returncode in (0, 4), verified.stdout
    with pytest.raises(Halted, match=f"decider '{NEXT}' was adopted; this build has"):
        invoke(database, "verify")
