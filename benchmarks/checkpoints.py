"""Measure what state rows cost beside the decisions behind which they are written.

python -m benchmarks.checkpoints

Routing and escalation decide the same history twice in turns, with state rows and without. Reports
come one a second, and nearly all cases end after an hour. So a case is written about once.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.durable import COPY, TEMPLATE, copy_database, fill
from benchmarks.growth.history import DISTRICT, START, make_inputs
from benchmarks.report import Line, print_lines
from benchmarks.servers import cpu_seconds, own_server
from embedded.server import PostgresServer
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import open_database
from eventlog.runner import BATCH, Runner
from eventlog.stages import Stages, order_of
from events.topology import WRITER
from gridcall.pipeline import pipeline
from httpedge.memory import collect_seldom
from intake.store import IntakeStore
from routing.contents import Contents

CASES, OPEN = 40_000, 4_000
ROUNDS = 3
COST_MAX = 1.1  # Of a decision with state rows, beside one without.
LOGS = ("intake", "cases", "calls")


class Cost(NamedTuple):
    """The cost of an input in both stages: µs of Python, of Postgres, and of time."""

    python_us: float
    postgres_us: float
    passed_us: float


async def measure(server: PostgresServer, *, with_states: bool) -> Cost:
    """Decide a whole history in routing, then in escalation."""
    await copy_database(server)
    async with open_database(server.get_uri(COPY)) as database:
        logs = {log: PostgresLog(log, WRITER[log], database, Notifier(), "one") for log in LOGS}
        contents = Contents(IntakeStore(database).contents)
        begun, python, postgres = time.perf_counter(), time.process_time(), cpu_seconds(server)
        for stages in pipeline(contents, contents.fetch)[:2]:
            await decide_all(stages, logs, with_states=with_states)
        inputs = (await logs["intake"].watermark(DISTRICT)).position
        spent = (
            time.process_time() - python,
            cpu_seconds(server) - postgres,
            time.perf_counter() - begun,
        )
        return Cost(*(1e6 * seconds / inputs for seconds in spent))


async def decide_all(stages: Stages, logs: dict[str, PostgresLog], *, with_states: bool) -> None:
    """Let one stage decide all its inputs, as its owner."""
    sink = logs[stages.sink]
    assert await sink.lease(DISTRICT)
    order = order_of([logs[name] for name in stages.sources])
    stage, states = stages.make(DISTRICT), sink.states if with_states else None
    runner: Runner[Any, Any] = Runner(stage, order, sink, BATCH, stages.fetch, states)
    await runner.replay()
    await runner.catch_up()


def lines_of(costs: Sequence[tuple[Cost, Cost]]) -> list[Line]:
    """Return the figures of all rounds: with state rows, and without."""

    def line(name: str, spent: Any, goal: float | None = None) -> Line:
        ours = statistics.median(spent(with_states) for with_states, _ in costs)
        return Line(name, ours, statistics.median(spent(without) for _, without in costs), goal)

    whole = [sum(one[:2]) / sum(other[:2]) for one, other in costs]
    return [
        line("µs of Python an input, and without state rows", lambda cost: cost.python_us),
        line("µs of Postgres an input, and without state rows", lambda cost: cost.postgres_us),
        line("µs an input, and without state rows", lambda cost: cost.passed_us),
        Line("an input beside one without state rows", statistics.median(whole), None, COST_MAX, 2),
    ]


def main() -> None:
    """Measure in turns, and print the table."""
    costs = []
    with own_server() as server:
        asyncio.run(fill(server.get_uri(TEMPLATE), make_inputs(CASES, OPEN), START))
        collect_seldom()
        for _ in range(ROUNDS):
            with_states = asyncio.run(measure(server, with_states=True))
            without = asyncio.run(measure(server, with_states=False))
            costs.append((with_states, without))
            print(f"with {with_states}\nwithout {without}", flush=True)
    print_lines(lines_of(costs))


if __name__ == "__main__":
    main()
