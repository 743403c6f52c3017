"""An examination of receipts and tables, district by district."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager

import asyncpg

from tools.checker.call_inputs import (
    CallInput,
)
from tools.checker.calls import Calls
from tools.checker.cases import Cases
from tools.checker.evaluations import ADOPTIONS, MergedTimeline, Months, compare_months
from tools.checker.inputs import Inputs
from tools.checker.order import Order, Timeline
from tools.checker.receipts import Answers, Receipt, answers_by_shard
from tools.checker.report import Report, Violation
from tools.checker.rows import SCHEMAS, SOURCE, Head, Row, Tables, Unreadable

SETTINGS = {
    # The transaction is idle while rows are checked, and a database may bound that time.
    "idle_in_transaction_session_timeout": "0",
    # Without statistics Postgres scans a new table for each district instead of using its index.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}
ServiceDatabases = Mapping[str, str]  # The URLs of services with databases of their own.
ONE_DATABASE: ServiceDatabases = {}


async def check(
    url: str, receipts: Iterable[Receipt], service_databases: ServiceDatabases = ONE_DATABASE
) -> list[Violation]:
    """Return all violations of guarantees 1, 2, 3, 5 and 8 that receipts and tables show."""
    return (await examine(url, receipts, service_databases)).violations


async def examine(
    url: str, receipts: Iterable[Receipt], service_databases: ServiceDatabases = ONE_DATABASE
) -> Report:
    """Read the receipts, then the tables, each database in one state.

    The state of an effect is taken before the state of its cause.
    """
    report = Report()
    answers = answers_by_shard(receipts, report)
    async with AsyncExitStack() as stack:
        opened: dict[str, asyncpg.Connection[asyncpg.Record]] = {}
        connections = {}
        for schema in reversed(SCHEMAS.values()):
            database = service_databases.get(schema, url)
            if database not in opened:
                opened[database] = await asyncpg.connect(database, server_settings=SETTINGS)
                stack.push_async_callback(opened[database].close)
                await stack.enter_async_context(
                    opened[database].transaction(isolation="repeatable_read", readonly=True)
                )
                await opened[database].fetchval("SELECT 1")  # Now its state is taken.
            connections[schema] = opened[database]
        tables = Tables(connections)
        for shard in sorted(await tables.shards() | answers.keys()):
            await examine_shard(shard, tables, answers.get(shard, {}), report)
    return report


async def examine_shard(
    shard: str, tables: Tables, answers: dict[str, Answers], report: Report
) -> None:
    """Examine the logs of a district."""
    heads = {log: await tables.head(log, shard) for log in SCHEMAS}
    inputs, accepted = await examine_intake(shard, tables, answers, heads["intake"], report)
    adoptions: list[Row] = []
    outcomes, cases = await examine_cases(
        shard, tables, inputs, accepted, heads["cases"], report, adoptions
    )
    calls = await examine_calls(shard, tables, outcomes, cases.call_inputs, heads["calls"], report)
    merged = MergedTimeline({"cases": outcomes, "calls": calls})
    await examine_evaluations(shard, tables, merged, adoptions, heads["evaluations"], report)
    known = {log: head or Head() for log, head in heads.items()}
    compare_heads(shard, known, report)
    compare_merged(shard, known, merged, report)


async def examine_intake(
    shard: str, tables: Tables, answers: dict[str, Answers], head: Head | None, report: Report
) -> tuple[Timeline, Inputs]:
    """Examine intake's log. Return its timeline and its accepted inputs."""
    order, accepted = Order("intake", shard, None, report), Inputs(shard, answers, report)
    async for row in ordered_rows(tables.rows("intake", shard), order, report):
        with report_unreadable(report):
            accepted.take(row)
    order.close(head)
    accepted.close()
    return order.timeline, accepted


async def examine_cases(
    shard: str,
    tables: Tables,
    inputs: Timeline,
    accepted: Inputs,
    head: Head | None,
    report: Report,
    adoptions: list[Row],
) -> tuple[Timeline, Cases]:
    """Examine routing's log. Return its timeline and its cases, and add its adoptions."""
    order = Order("cases", shard, inputs, report)
    cases = Cases(shard, accepted, inputs, report)
    async for row in ordered_rows(tables.rows("cases", shard), order, report):
        with report_unreadable(report):
            cases.take(row)
        if row.kind in ADOPTIONS:
            adoptions.append(row)
    order.close(head)
    cases.close(head or Head())
    return order.timeline, cases


async def examine_calls(
    shard: str,
    tables: Tables,
    outcomes: Timeline,
    call_inputs: list[CallInput],
    head: Head | None,
    report: Report,
) -> Timeline:
    """Examine escalation's log. Return its timeline."""
    order = Order("calls", shard, outcomes, report)
    calls = Calls(shard, call_inputs, outcomes, report)
    async for rows in decisions(ordered_rows(tables.rows("calls", shard), order, report)):
        with report_unreadable(report):
            calls.take(rows)
    order.close(head)
    calls.close(head or Head())
    return order.timeline


async def examine_evaluations(
    shard: str,
    tables: Tables,
    merged: MergedTimeline,
    adoptions: list[Row],
    head: Head | None,
    report: Report,
) -> None:
    """Examine assessment's log."""
    order = Order("evaluations", shard, merged, report)
    rows = [row async for row in ordered_rows(tables.rows("evaluations", shard), order, report)]
    order.close(head)
    with report_unreadable(report):
        expected = Months(adoptions, merged).recompute(head or Head())
        compare_months(shard, rows, expected, report)


async def ordered_rows(
    rows: AsyncIterator[Row], order: Order, report: Report
) -> AsyncIterator[Row]:
    """Count the rows of a log, and check their order."""
    async for row in rows:
        report.rows += 1
        order.take(row)
        yield row


async def decisions(rows: AsyncIterator[Row]) -> AsyncIterator[list[Row]]:
    """Return the rows of a log, decision by decision."""
    rows_of_one: list[Row] = []
    async for row in rows:
        if row.step == 1 and rows_of_one:
            yield rows_of_one
            rows_of_one = []
        rows_of_one.append(row)
    if rows_of_one:
        yield rows_of_one


@contextmanager
def report_unreadable(report: Report) -> Iterator[None]:
    """Report what a row lacks, so that the next row is read."""
    try:
        yield
    except Unreadable as fault:
        report.say("unreadable", str(fault))


def compare_heads(shard: str, heads: dict[str, Head], report: Report) -> None:
    """Check guarantee 8: each stage has applied its whole source, and is not ahead of it."""
    for log, source in SOURCE.items():
        stage, read = heads[log], heads[source]
        if stage.input != read.position:
            report.say(
                "lag",
                f"{log}/{shard} has applied {source} up to {stage.input}, which ends at "
                f"position {read.position}",
            )
        if stage.time > read.time:
            report.say(
                "ahead",
                f"{log}/{shard} is at time {stage.time}, further than {source}, which is at "
                f"{read.time}",
            )


def compare_merged(
    shard: str, heads: dict[str, Head], merged: MergedTimeline, report: Report
) -> None:
    """Check the same of assessment: what time has passed in both of its logs is applied."""
    stage, time = heads["evaluations"], min(heads["cases"].time, heads["calls"].time)
    due = merged.count_before(time)
    if stage.input < due:
        said = f"evaluations/{shard} has applied {stage.input} of {due} rows of cases and calls"
        report.say("lag", said)
    if stage.input > due or stage.time > time:
        report.say(
            "ahead",
            f"evaluations/{shard} is at time {stage.time} and has applied {stage.input} rows; "
            f"cases and calls are at {time}, and {due} rows are before that",
        )
