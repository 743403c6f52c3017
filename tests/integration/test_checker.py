"""The checker finds nothing in a correct history, and finds each planted violation."""

from __future__ import annotations

import ast
import asyncio
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from embedded.server import start_server
from tests.harness.histories_by_hand.faults_of_calls import CALLS
from tests.harness.histories_by_hand.faults_of_clocks import CLOCKS
from tests.harness.histories_by_hand.faults_of_holders import HOLDERS
from tests.harness.histories_by_hand.faults_of_inputs import INPUTS
from tests.harness.histories_by_hand.faults_of_months import MONTHS
from tests.harness.histories_by_hand.faults_of_order import ORDER
from tests.harness.histories_by_hand.faults_of_retries import RETRIES
from tests.harness.histories_by_hand.faults_of_waiting import WAITING
from tests.harness.histories_by_hand.history import LOG, SCHEMAS, SHARD, History
from tests.harness.histories_by_hand.lives import history
from tests.harness.histories_by_hand.planting import answer_more, change
from tests.harness.paths import ROOT
from tools.checker.__main__ import main
from tools.checker.examination import check
from tools.checker.report import KINDS, Violation

Event = tuple[str, dict[str, Any]]

SCHEMA = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.log (
  shard text, pos bigint, ts bigint, input bigint, n int,
  subject text, seq int, cause text, type text, data bytea,
  recorded timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (shard, pos));
CREATE TABLE {schema}.shard (
  shard text PRIMARY KEY, pos bigint, ts bigint, input bigint,
  epoch bigint, owner text, leased_until timestamptz, adopted int);
"""
PLANTS = {**INPUTS, **HOLDERS, **WAITING, **ORDER, **CLOCKS, **CALLS, **MONTHS, **RETRIES}


@pytest.fixture(scope="session")
def raw_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterable[str]:
    """A database with the tables of the services, made by plain SQL."""
    server = start_server(tmp_path_factory.mktemp("raw"))
    asyncio.run(make_tables(server.get_uri()))
    yield server.get_uri("raw")
    server.cleanup()


async def make_tables(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE DATABASE raw")
    await connection.close()
    connection = await asyncpg.connect(url, database="raw")
    for schema in SCHEMAS.values():
        await connection.execute(SCHEMA.format(schema=schema))
    await connection.close()


async def fill(url: str, made: History) -> None:
    connection = await asyncpg.connect(url, server_settings={"synchronous_commit": "off"})
    tables = [f"{schema}.{table}" for schema in SCHEMAS.values() for table in ("log", "shard")]
    await connection.execute(f"TRUNCATE {', '.join(tables)}")
    for log, schema in SCHEMAS.items():
        for table, columns, rows in (
            ("log", LOG, made.logs[log]),
            ("shard", SHARD, made.shards[log]),
        ):
            records = [tuple(row[column] for column in columns) for row in rows]
            await connection.copy_records_to_table(
                table, schema_name=schema, columns=columns, records=records
            )
    await connection.close()


def check_history(url: str, made: History) -> list[Violation]:
    async def filled_and_checked() -> list[Violation]:
        await fill(url, made)
        return await check(url, made.receipts)

    return asyncio.run(filled_and_checked())


def test_a_correct_history_shows_nothing(raw_postgres: str) -> None:
    assert check_history(raw_postgres, history()) == []


@pytest.mark.parametrize("name", PLANTS)
def test_what_was_planted_is_found(raw_postgres: str, name: str) -> None:
    plant, kind, part = PLANTS[name]
    made = history()
    plant(made)
    violations = check_history(raw_postgres, made)
    assert any(violation.kind == kind and part in violation.sentence for violation in violations), (
        violations
    )


def test_something_is_planted_for_each_kind() -> None:
    assert {kind for _, kind, _ in PLANTS.values()} == set(KINDS)


# ── The command ──────────────────────────────────────────────────────────────────────────────────


ReceiptsFile = Callable[[History], list[str]]


@pytest.fixture
def receipts_file(raw_postgres: str, tmp_path: Path) -> ReceiptsFile:
    """The arguments of a check of a history."""

    def arguments(made: History) -> list[str]:
        asyncio.run(fill(raw_postgres, made))
        file = tmp_path / "receipts.jsonl"
        file.write_text(
            "".join(json.dumps(receipt, ensure_ascii=False) + "\n" for receipt in made.receipts)
        )
        return ["--database", raw_postgres, "--receipts", str(file)]

    return arguments


def test_the_command_says_what_it_looked_at(
    receipts_file: ReceiptsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    made = history()
    assert main(receipts_file(made)) == 0
    rows = sum(map(len, made.logs.values()))
    said = (
        f"{len(made.receipts)} receipts, {rows} rows: nothing lost, nothing twice, nothing wrong\n"
    )
    assert capsys.readouterr().out == said


def test_of_each_kind_the_command_says_twenty_and_counts_the_rest(
    receipts_file: ReceiptsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    made = history()
    for number in range(25):
        answer_more(202, f"B{number}", 99)(made)
    change("calls", "call-acknowledged", cause="")(made)
    assert main(receipts_file(made)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("lost (guarantee 1): north: ") for line in lines) == 20
    assert "lost (guarantee 1): and 5 more" in lines
    assert sum(line.startswith("cause (guarantee 3): calls/north/") for line in lines) == 1


def test_the_command_says_the_same_in_json(
    receipts_file: ReceiptsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    made = history()
    answer_more(202, "B1", 99)(made)
    assert main([*receipts_file(made), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["counts"] == {"lost": 1}
    assert [violation["kind"] for violation in said["violations"]] == ["lost"]
    assert said["receipts"] == len(made.receipts)


@pytest.mark.parametrize("line", ["{", "7", '{"district": "north"}'])
def test_what_is_no_receipt_is_no_violation_and_cannot_be_checked(
    receipts_file: ReceiptsFile, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    arguments = receipts_file(history())
    (tmp_path / "receipts.jsonl").write_text(line)
    assert main(arguments) == 2
    assert "line 1 is no receipt" in capsys.readouterr().err


def test_a_database_that_is_not_there_cannot_be_checked(
    receipts_file: ReceiptsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [part.replace("/raw?", "/nothing?") for part in receipts_file(history())]
    assert main(arguments) == 2
    assert 'database "nothing" does not exist' in capsys.readouterr().err


def test_the_checker_imports_nothing_of_gridcalls() -> None:
    for path in sorted((ROOT / "tools" / "checker").glob("*.py")):
        names = set[str]()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        foreign = {name for name in names if not name.startswith("tools.checker.")}
        assert {name.partition(".")[0] for name in foreign} <= {*sys.stdlib_module_names, "asyncpg"}
