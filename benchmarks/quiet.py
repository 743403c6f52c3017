"""Measure a quiet system: from an issue to its route, and from a deadline to its call.

python -m benchmarks.quiet [COUNT]
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import httpx

from benchmarks.report import Line, print_lines
from embedded.server import start_server
from gridcall.host.migrations import prepare
from tests.harness.live import Process, adopt_exampleville, client

ROUTED, CALLED = "accepted → routed on a quiet system", "deadline → call on a quiet system"
GOAL_MS = {ROUTED: 10.0, CALLED: 500.0}  # p99.
PAUSE_SECONDS = 0.1  # Between two issues, at most.
ROUTES = """
SELECT extract(epoch FROM min(r.recorded) - i.recorded) FROM intake.log i JOIN routing.log r
  ON r.shard = i.shard AND r.cause = 'intake/' || i.shard || '/' || i.pos
WHERE i.type = 'gridcall.issue-reported.v1' GROUP BY i.pos, i.recorded
"""
CALLS = """
SELECT extract(epoch FROM c.recorded)
  - (convert_from(m.data, 'UTF8')::json ->> 'due')::numeric / 1000000
FROM escalation.log m JOIN escalation.log c ON c.shard = m.shard AND c.pos = m.pos + 1
WHERE m.type = 'gridcall.deadline-missed.v1' AND c.type = 'gridcall.call-raised.v1'
"""


async def delays(url: str, sql: str) -> list[float]:
    """Return the ms that a statement finds in seconds, sorted."""
    connection = await asyncpg.connect(url)
    try:
        return sorted(1e3 * float(row[0]) for row in await connection.fetch(sql))
    finally:
        await connection.close()


def due_at(seconds: float) -> str:
    """Return an instant in RFC 3339."""
    return (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06}Z"
    )


def post_one_by_one(intake: httpx.Client, url: str, count: int, chance: random.Random) -> None:
    """Post issues with pauses, until all are routed."""
    for number in range(count):
        time.sleep(chance.uniform(0, PAUSE_SECONDS))
        item = {"reference": f"R-{number}", "category": "Noise", "due": due_at(time.time() + 9e6)}
        intake.post("/issues/grid", json=item).raise_for_status()
    while len(asyncio.run(delays(url, ROUTES))) < count:
        time.sleep(PAUSE_SECONDS)


def await_deadlines(intake: httpx.Client, url: str, count: int, chance: random.Random) -> None:
    """Post issues that are due one after another, until each has its call."""
    begun = time.time() + 3
    dues = [begun + chance.uniform(0, count / 8) for _ in range(count)]
    items = [
        {"reference": f"Q-{number}", "category": "Noise", "due": due_at(due)}
        for number, due in enumerate(dues)
    ]
    intake.post("/issues/grid", json=items).raise_for_status()
    while len(asyncio.run(delays(url, CALLS))) < count:
        intake.get("/escalation/log/exampleville", params={"after": 2**40, "wait": 1})


def lines_of(name: str, waits: Sequence[float]) -> list[Line]:
    """Return the figures of sorted waits."""
    p99 = waits[int(len(waits) * 0.99) - 1]
    return [
        Line(f"{name}, p50 in ms", statistics.median(waits), None, None, 1),
        Line(f"{name}, p99 in ms", p99, None, GOAL_MS[name], 1),
    ]


def main() -> None:
    """Measure both, and print the figures."""
    count, chance = int(sys.argv[1]) if len(sys.argv) > 1 else 200, random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        url = start_server(Path(folder)).get_uri("quiet")
        asyncio.run(prepare(url))
        key = adopt_exampleville(url)
        process = Process(url)
        with client(process.url, key) as intake:
            post_one_by_one(intake, url, count, chance)
            routed = asyncio.run(delays(url, ROUTES))
            await_deadlines(intake, url, count, chance)
        process.end()
        called = asyncio.run(delays(url, CALLS))
    print_lines([*lines_of(ROUTED, routed), *lines_of(CALLED, called)])


if __name__ == "__main__":
    main()
