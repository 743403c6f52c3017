"""verify passes on gridcall's own rows, and finds any row that was changed in any way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from escalation.stage import escalation_stages
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import open_database
from events.errors import Halted
from events.topology import WRITER
from gridcall.verify import Difference, Verified, verify
from tests.harness.commands import run_gridcall
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import execute
from tests.harness.simulation import command, run_command
from tests.harness.waiting import wait_until

LEFT = "simulate_exampleville-2019"
COLUMNS = "shard, ts, input, n, subject, seq, cause, type, data"
TAMPERED = {
    "changed": "UPDATE {log} SET data = "
    "convert_to(replace(convert_from(data, 'UTF8'), '01', '02'), 'UTF8') WHERE pos = {pos}",
    "moved in time": "UPDATE {log} SET ts = ts + 1 WHERE pos = {pos}",
    "given another cause": "UPDATE {log} SET cause = 'intake/exampleville/1' WHERE pos = {pos}",
    "removed": "DELETE FROM {log} WHERE pos = {pos}",
    "added at the end": "INSERT INTO {log} (pos, "
    + COLUMNS
    + ") SELECT (SELECT max(pos) + 1 FROM {log}), "
    + COLUMNS
    + " FROM {log} WHERE pos = {pos}",
    "swapped": "UPDATE {log} SET pos = CASE pos WHEN {pos} THEN -1 ELSE -2 END"
    " WHERE pos IN ({pos}, {pos} + 1);"
    "UPDATE {log} SET pos = CASE pos WHEN -1 THEN {pos} + 1 ELSE {pos} END WHERE pos < 0",
}  # fmt: skip


@pytest.fixture(scope="module")
def simulated_database(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The database that simulate leaves behind."""
    assert run_command(command(tmp_path_factory.mktemp("left") / "out", "table")).returncode == 1
    return postgres.replace("/postgres?", f"/{LEFT}?")


@pytest.fixture
def tampered_copy(simulated_database: str, postgres: str) -> Iterator[str]:
    asyncio.run(execute(postgres, f'CREATE DATABASE tampered TEMPLATE "{LEFT}"'))
    yield postgres.replace("/postgres?", "/tampered?")
    asyncio.run(execute(postgres, "DROP DATABASE tampered WITH (FORCE)"))


def verify_only_district(url: str) -> Verified:
    (result,) = asyncio.run(verify(url))
    return result


def test_what_simulate_leaves_behind_is_what_the_fold_says(simulated_database: str) -> None:
    result = verify_only_district(simulated_database)
    assert (result.difference, result.behind) == (None, ())
    assert (result.inputs, result.rows) == (83, 295)


@pytest.mark.parametrize("log", ["routing.log", "escalation.log"])
@pytest.mark.parametrize("how", TAMPERED)
@pytest.mark.parametrize("position", [5, 40])
def test_one_row_that_was_tampered_with_is_found(
    log: str, how: str, position: int, tampered_copy: str
) -> None:
    asyncio.run(execute(tampered_copy, TAMPERED[how].format(log=log, pos=position)))
    difference = verify_only_district(tampered_copy).difference
    assert difference is not None
    assert difference.log == ("cases" if log == "routing.log" else "calls")
    if how != "added at the end":
        assert difference.position == position
    assert isinstance(difference, Difference)
    assert difference.folded != difference.stored


def test_the_first_difference_is_shown_with_both_sides_and_its_cause(
    tampered_copy: str, tmp_path: Path
) -> None:
    asyncio.run(execute(tampered_copy, "DELETE FROM routing.log WHERE pos = 40"))
    done = run_gridcall("verify", "--database", "tampered")
    assert done.returncode == 1
    assert "exampleville: cases differs at position 40" in done.stdout
    assert '"id":"cases/exampleville/40"' in done.stdout
    assert '"id":"cases/exampleville/41"' in done.stdout
    assert '"id":"intake/exampleville/' in done.stdout
    (result,) = json.loads(run_gridcall("verify", "--database", "tampered", "--json").stdout)
    assert result["difference"]["position"] == 40


def test_a_database_that_is_not_there_is_said_to_be_away(simulated_database: str) -> None:
    done = run_gridcall("verify", "--database", "nowhere")
    assert done.returncode == 3
    assert "nowhere" in done.stderr
    assert "GRIDCALL_DATABASE_URL" in done.stderr


async def test_what_was_overdue_when_its_clock_started_may_still_wait_for_a_watermark(
    database: str,
) -> None:
    key = await asyncio.to_thread(adopt_exampleville, database)
    process = Process(database, "--service", "intake", "--service", "routing")
    with client(process.url, key) as api:
        overdue = issue("O-1", due="2020-01-01T00:00:00Z")
        assert (
            api.post("/issues/grid", json=overdue, headers={"prefer": "wait=10"}).status_code == 200
        )
    process.end()

    async with open_database(database, size=2) as db:
        logs = {
            log: PostgresLog(log, WRITER[log], db, Notifier(), "test") for log in ("cases", "calls")
        }
        await logs["calls"].lease("exampleville")
        runner = escalation_stages().processor("exampleville", logs, 100)
        await runner.step()
        before = count_differences(await verify(database))
        await runner.advance_time()
        assert before == count_differences(await verify(database)) == 0


def count_differences(results: list[Verified]) -> int:
    return sum(1 for each in results if each.difference)


def test_it_does_not_say_that_nothing_is_equal_to_nothing(database: str) -> None:
    """The stages have databases of their own, or have not begun."""
    adopt_exampleville(database)
    with pytest.raises(Halted, match="routing has nothing of exampleville here"):
        asyncio.run(verify(database))
    with pytest.raises(Halted, match="given for all of these or none"):
        asyncio.run(verify(database, service_databases={"routng": database}))


def test_one_fact_that_was_tampered_with_is_found(database: str) -> None:
    key = adopt_exampleville(database)
    process = Process(database)
    with client(process.url, key) as api:
        for number in range(3):
            assert (
                api.post(
                    "/issues/grid", json=issue(f"F-{number}"), headers={"prefer": "wait=10"}
                ).status_code
                == 200
            )
    wait_until(lambda: verify_only_district(database).facts == 3)
    process.end()
    assert verify_only_district(database).difference is None
    one = """("case") = (SELECT min("case") FROM assessment.fact)"""
    for harm in (
        f"UPDATE assessment.fact SET episode = 9 WHERE {one}",
        "UPDATE assessment.fact SET fact ="
        f' (SELECT fact FROM assessment.fact ORDER BY "case" DESC LIMIT 1) WHERE {one}',
        f"DELETE FROM assessment.fact WHERE {one}",
    ):
        asyncio.run(execute(database, harm))
        difference = verify_only_district(database).difference
        assert difference is not None
        assert difference.log == "facts"
        assert "worker" in str(difference)


def test_a_database_of_an_older_version_is_distinguished_from_one_that_differs(
    tampered_copy: str,
) -> None:
    asyncio.run(execute(tampered_copy, "DROP SCHEMA assessment CASCADE"))
    with pytest.raises(Halted, match="of an older gridcall"):
        verify_only_district(tampered_copy)
