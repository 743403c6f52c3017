"""Databases that refuse: a start ends with a sentence, and a running intake answers 503."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from embedded.server import start_server
from eventlog.kafka.published import published_heads
from eventlog.postgres.generation import DatabaseCheck, NewGeneration
from eventlog.postgres.pool import open_database
from gridcall.host.migrations import prepare
from tests.contract.log_contract import SHARD, visit
from tests.harness.commands import (
    database_environment,
    read_output,
    read_refusal,
    read_verification,
)
from tests.harness.exampleville import issue
from tests.harness.kafka import Topics, over_kafka
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.paths import ROOT
from tests.harness.postgres import CONNECTION_ERRORS, execute, fetch_rows
from tests.harness.requirements import require
from tests.harness.waiting import wait_for_condition, wait_until

UP = ("up", "--port", "0")
READING = (
    ("status",),
    ("doctor",),
    ("tail", "cases", "--no-follow", "--district", "city"),
    ("parked",),
    ("key", "list"),
    ("quarantine", "list"),
    ("sheet", "w-1", "--district", "city"),
    ("verify",),
)
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information|public)'"
GRANTS = "".join(
    f"""
    GRANT USAGE ON SCHEMA {schema} TO {{role}};
    GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {{role}};
    """
    for schema in ("intake", "routing", "escalation", "assessment", "screen")
)
END_SESSIONS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
TMPFS_MIB, POSTS_MAX = 160, 2_000


@pytest.fixture
def role(database: str) -> Iterator[str]:
    """A role that owns nothing in the database, and has no right there."""
    name = f"role_{secrets.token_hex(4)}"
    asyncio.run(execute(database, f"CREATE ROLE {name} LOGIN"))
    yield name
    asyncio.run(execute(database, f"DROP OWNED BY {name}; DROP ROLE {name}"))


def url_of(database: str, role: str) -> str:
    return database.replace("//postgres:@", f"//{role}:@")


def name_of(database: str) -> str:
    return str(fetch_rows(database, "SELECT current_database()")[0][0])


def run_at_once(
    database: str, commands: tuple[tuple[str, ...], ...]
) -> list[subprocess.CompletedProcess[str]]:
    """Run commands beside each other, because each needs a second to start."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "gridcall", *words],
            env=database_environment(database),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in commands
    ]
    return [
        subprocess.CompletedProcess(each.args, each.wait(), output, errors)
        for each in running
        for output, errors in [each.communicate(timeout=120)]
    ]


# ── At the start ─────────────────────────────────────────────────────────────────────────────────


def test_a_name_that_is_wrong_makes_no_database(database: str) -> None:
    before = fetch_rows(database, "SELECT datname FROM pg_database ORDER BY datname")
    wrong = database.replace(name_of(database), "gridcal")
    for words in (UP, ("clock", "confirm"), ("status",)):
        assert 'database "gridcal" does not exist; check GRIDCALL_DATABASE_URL' in read_refusal(
            wrong, *words
        )
    assert fetch_rows(database, "SELECT datname FROM pg_database ORDER BY datname") == before


def test_a_role_without_rights_is_refused(database: str, role: str) -> None:
    assert "lacks a right: permission denied" in read_refusal(url_of(database, role), *UP)


def test_a_database_that_is_read_only_is_refused(database: str) -> None:
    read_only = f"ALTER DATABASE {name_of(database)} SET default_transaction_read_only = on"
    asyncio.run(execute(database, read_only))
    assert "read-only (default_transaction_read_only); end that" in read_refusal(database, *UP)


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(database: str) -> None:
    newer = "UPDATE routing.alembic_version SET version_num = 'routing_9999'"
    asyncio.run(execute(database, newer))
    for words in (UP, ("status",)):
        refusal = read_refusal(database, *words)
        assert "routing_9999 was made by a newer gridcall than this one" in refusal
        assert "run the newer one, or restore a backup" in refusal
    stored = fetch_rows(database, "SELECT version_num FROM routing.alembic_version")
    assert stored[0][0] == "routing_9999"


def test_a_home_that_cannot_have_the_announced_position_is_refused(database: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gridcall", *UP],
        env={**database_environment(database), "GRIDCALL_HOME": "/proc/gridcall"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 3
    assert "/proc/gridcall" in done.stderr
    assert "name a folder that lasts in GRIDCALL_HOME" in done.stderr
    assert "Traceback" not in done.stderr


# ── Commands that read ───────────────────────────────────────────────────────────────────────────


def test_commands_that_read_make_nothing_in_an_bare_database(bare_database: str) -> None:
    for done in run_at_once(bare_database, READING):
        assert done.returncode in (2, 3), done
        assert re.search("gridcall up|when it starts", done.stdout + done.stderr), done
        assert "Traceback" not in done.stderr
    assert fetch_rows(bare_database, SCHEMAS) == []


def test_commands_that_read_bring_nothing_up_to_date(database: str) -> None:
    older = "UPDATE intake.alembic_version SET version_num = 'intake_0001'"
    asyncio.run(execute(database, older))
    for done in run_at_once(database, (("status",), ("key", "list"), ("parked",))):
        assert done.returncode == 3
        assert "intake_0001 is older than intake_" in done.stderr
        assert "gridcall up brings it up to date" in done.stderr
    stored = fetch_rows(database, "SELECT version_num FROM intake.alembic_version")
    assert stored[0][0] == "intake_0001"


def test_commands_that_read_make_no_embedded_server(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**database_environment(""), "GRIDCALL_HOME": str(home)}
    for words in (("status",), ("doctor",)):
        done = subprocess.run(
            [sys.executable, "-m", "gridcall", *words],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "Traceback" not in done.stderr
    assert not home.exists()


# ── While it runs ────────────────────────────────────────────────────────────────────────────────


def test_a_right_that_is_taken_and_a_database_that_becomes_read_only_are_a_503(
    database: str, role: str
) -> None:
    key = adopt_exampleville(database)
    asyncio.run(execute(database, GRANTS.format(role=role)))
    process = Process(url_of(database, role))
    try:
        with client(process.url, key) as api:

            def status(reference: str) -> int:
                return api.post("/issues/grid", json=issue(reference)).status_code

            assert status("R-1") == 202, "the role needs no right to change a schema"
            asyncio.run(execute(database, f"REVOKE UPDATE ON intake.shard FROM {role}"))
            assert status("R-2") == 503
            asyncio.run(execute(database, f"GRANT UPDATE ON intake.shard TO {role}"))
            wait_until(lambda: status("R-2") != 503)
            asyncio.run(execute(database, f"REVOKE SELECT ON intake.key FROM {role}"))
            wait_until(lambda: status("R-3") == 503)
            asyncio.run(execute(database, f"GRANT SELECT ON intake.key TO {role}"))
            wait_until(lambda: status("R-3") != 503)
            setting = f"ALTER ROLE {role} SET default_transaction_read_only"
            asyncio.run(execute(database, f"{setting} = on; {END_SESSIONS}"))
            wait_until(lambda: status("R-4") == 503)
            asyncio.run(execute(database, f"{setting} = off; {END_SESSIONS}"))
            wait_until(lambda: status("R-4") != 503)
            assert api.post(
                "/issues/grid", json=issue("R-5"), headers={"prefer": "wait=10"}
            ).json()["outcome"]
    finally:
        assert process.end() == 0
    assert process.running.stderr is not None
    errors = process.running.stderr.read()
    assert "Traceback" not in errors, errors
    assert "rows are equal" in read_verification(database)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of TMPFS_MIB at a folder."""
    options = ("-t", "tmpfs", "-o", f"size={TMPFS_MIB}m", "tmpfs")
    folder.mkdir()
    can_mount = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", *options, str(folder)], check=False, capture_output=True
        ).returncode
    )
    require(can_mount, "only root, outside a closed container, can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write a file until its disk has no room."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            return


def fill_write_ahead_log(database: str) -> None:
    """Write to the log of a server whose disk is full, until the server ends."""
    noise = "SELECT pg_logical_emit_message(false, 'noise', repeat('x', 1000000))"
    with suppress(*CONNECTION_ERRORS):
        while True:
            asyncio.run(execute(database, noise))


def test_a_full_disk_is_a_503_and_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        start_server(tmp_path / "home").cleanup()
        shutil.copytree(tmp_path / "home", disk / "home", ignore=shutil.ignore_patterns("*.sock"))
        server = start_server(disk / "home")
        database = server.get_uri("gridcall")
        asyncio.run(prepare(database))
        key = adopt_exampleville(database)
        process = Process(database)
        accepted: list[str] = []

        def post(api: httpx.Client) -> int:
            """Post 100 issues, and return the status of the answer."""
            references = [f"{secrets.token_hex(8)}" for _ in range(100)]
            answer = api.post("/issues/grid", json=[issue(each) for each in references])
            assert answer.status_code in (202, 429, 503), answer.text
            if answer.status_code == 202:
                accepted.extend(references)
            return answer.status_code

        try:
            with client(process.url, key) as api:
                post(api)
                fill(disk / "filler")
                assert any(post(api) == 503 for _ in range(POSTS_MAX)), "the disk is full"
                assert api.get("/livez").status_code == 200
                fill_write_ahead_log(database)
                assert post(api) == 503, "the server itself ended"
                (disk / "filler").unlink()
                wait_until(lambda: post(api) == 202)
                stored = fetch_rows(database, "SELECT count(*) FROM intake.identity")[0][0]
                assert stored >= len(accepted), "nothing that was accepted is lost"
                last = issue("the-last")
                outcome = api.post("/issues/grid", json=last, headers={"prefer": "wait=10"})
                assert outcome.json()["outcome"]
        finally:
            ended = process.end()
        assert ended == 0
        assert process.running.stderr is not None
        errors = process.running.stderr.read()
        assert "Traceback" not in errors, errors
        assert "rows are equal" in read_verification(database)
        server.cleanup()


# ── The announced position ───────────────────────────────────────────────────────────────────────


async def test_a_new_pod_learns_from_kafka_how_far_the_log_was(
    database: str, topics: Topics, tmp_path: Path
) -> None:
    cluster = topics.broker.cluster
    async with over_kafka(database, topics) as kafka, open_database(database) as own:
        await kafka.writer.append(SHARD, [visit(number, number) for number in range(1, 4)])
        generation = (await kafka.writer.generation(SHARD)).number

        async def is_published() -> bool:
            head = (await published_heads(cluster, "intake")).get(SHARD)
            return head is not None and head[:2] == (generation, 3)

        await wait_for_condition(is_published)
        heads = {SHARD: (await published_heads(cluster, "intake"))[SHARD]}
        check = DatabaseCheck(tmp_path / "empty", database, "intake", heads)
        await own.on_connection(check.check)
        await own.fetch("DELETE FROM intake.log WHERE pos > 1")
        await own.fetch("UPDATE intake.shard SET pos = 1")
        with pytest.raises(NewGeneration, match="ends at 1, but 3 was announced"):
            await own.on_connection(check.check)


def test_one_accept_is_enough_for_all_replicas(database: str, tmp_path: Path) -> None:
    """Each has a data folder of its own, in which the lost inputs are still announced."""
    adopt_exampleville(database)
    homes = [tmp_path / "one", tmp_path / "other"]

    async def announce_and_lose() -> None:
        async with open_database(database, size=1) as own:
            for home in homes:
                check = DatabaseCheck(home, database, "intake")
                check.announce(await own.on_connection(check.state))
            await own.fetch("DELETE FROM intake.log WHERE pos > 2")
            await own.fetch("UPDATE intake.shard SET pos = 2")

    async def differences() -> list[str]:
        differing = []
        async with open_database(database, size=1) as own:
            for home in homes:
                try:
                    await own.on_connection(DatabaseCheck(home, database, "intake").check)
                except NewGeneration as fault:
                    differing.append(str(fault))
        return differing

    asyncio.run(announce_and_lose())
    assert len(asyncio.run(differences())) == 2
    read_output(database, "restore", "accept")
    assert asyncio.run(differences()) == []


def test_an_announced_position_that_cannot_be_read_is_said(database: str, tmp_path: Path) -> None:
    check = DatabaseCheck(tmp_path, database, "intake")

    async def use() -> None:
        async with open_database(database, size=1) as own:
            check.announce(await own.on_connection(check.state))
            (path,) = tmp_path.glob("announced-*.json")
            path.write_text('{"system": ')
            await own.on_connection(DatabaseCheck(tmp_path, database, "intake").check)

    with pytest.raises(NewGeneration, match=r"announced-\w+\.json cannot be read"):
        asyncio.run(use())
