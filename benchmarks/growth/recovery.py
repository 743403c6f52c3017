"""The time from the take-over of a district to the first decision, as its history grows.

An owner was killed, and its lease is over. The next one begins, and decides an issue that waits: in
routing, then in escalation. Some thousand cases are open, however long the history is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from benchmarks.growth.curve import Curve, Goal, Measure, Size, Values, growth_ratio, last_value
from benchmarks.growth.history import DISTRICT, DUE, make_report, write_history
from benchmarks.servers import own_server
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, open_database
from eventlog.stages import Stages
from events.topology import WRITER
from gridcall.pipeline import pipeline
from intake.store import IntakeStore
from routing.contents import Contents

OPEN_MAX = 20_000
ROWS_OF_SETTLED, ROWS_OF_OPEN = 7, 4  # Of all logs.
LOGS = ("intake", "cases", "calls")
END_LEASE = "UPDATE {schema}.shard SET leased_until = '-infinity'"
FORGET = "TRUNCATE routing.state, routing.checkpoint, escalation.state, escalation.checkpoint"


async def take_over(database: Database, stages: Stages) -> float:
    """Return the seconds that a new owner needs up to its first decision."""
    await database.fetch(END_LEASE.format(schema=WRITER[stages.sink]))
    logs = {log: PostgresLog(log, WRITER[log], database, Notifier(), "next") for log in LOGS}
    begun = time.perf_counter()
    assert await logs[stages.sink].lease(DISTRICT)
    runner = stages.processor(DISTRICT, logs)
    await runner.replay()
    replayed = runner.position
    while runner.position == replayed:
        assert await runner.step(), "there is nothing to decide"
    return time.perf_counter() - begun


async def take_over_all(url: str, number: int) -> float:
    """Return the seconds until routing and escalation have decided a new issue."""
    async with open_database(url) as database:
        report = make_report(10**7 + number, DUE, Random(number))
        await PostgresLog("intake", "intake", database, Notifier()).append(DISTRICT, [report])
        contents = Contents(IntakeStore(database).contents)
        routing, escalation, _ = pipeline(contents, contents.fetch)
        return await take_over(database, routing) + await take_over(database, escalation)


async def drop_states(url: str) -> None:
    """Drop all state rows, so that a new owner folds its whole log."""
    async with open_database(url, size=1) as database:
        await database.fetch(FORGET)


def measure_district(url: str, rows: int) -> Values:
    """Return the seconds with the states that a killed owner leaves, and without any."""
    open_ = min(OPEN_MAX, rows // 5)
    asyncio.run(write_history(url, (rows - ROWS_OF_OPEN * open_) // ROWS_OF_SETTLED, open_))
    with_states = asyncio.run(take_over_all(url, 1))
    asyncio.run(drop_states(url))
    return {"with states": with_states, "without": asyncio.run(take_over_all(url, 2))}


@contextmanager
def open_server() -> Iterator[Measure]:
    """Run a Postgres with a database for each point."""
    with own_server() as server:
        yield lambda rows: measure_district(server.get_uri(f"rows_{rows}"), rows)


CURVE = Curve(
    name="recovery",
    title="From a take-over to the first decisions of routing and escalation",
    x="rows of history",
    y="seconds",
    amounts={
        Size.QUICK: (1_000, 5_000),
        Size.FULL: (100_000, 1_000_000),
        Size.LONG: (100_000, 1_000_000, 10_000_000),
    },
    open=open_server,
    goals=(
        Goal("first decisions after a take-over, seconds", last_value("with states"), 2),
        Goal("the same beside the shortest history", growth_ratio("with states"), 1.5),
    ),
)
