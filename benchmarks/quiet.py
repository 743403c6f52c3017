"""Measure the time from a deadline on a quiet system to its call. `make bench`.

python -m benchmarks.quiet [COUNT]
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

from embedded.server import start_server
from gridcall.host.migrations import prepare
from tests.harness.live import Process, adopt_exampleville, client

GOAL_SECONDS = 0.5
DELAYS = """
SELECT extract(epoch FROM c.recorded)
  - (convert_from(m.data, 'UTF8')::json ->> 'due')::numeric / 1000000
FROM escalation.log m JOIN escalation.log c ON c.shard = m.shard AND c.pos = m.pos + 1
WHERE m.type = 'gridcall.deadline-missed.v1' AND c.type = 'gridcall.call-raised.v1'
"""


async def delays(url: str) -> list[float]:
    """Return the seconds from each due time to the commit of its call, sorted."""
    connection = await asyncpg.connect(url)
    return sorted(float(row[0]) for row in await connection.fetch(DELAYS))


def due_at(seconds: float) -> str:
    """Return an instant in RFC 3339."""
    return (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06}Z"
    )


def main() -> None:
    """Post issues that are due one after another, and print the delays of their calls."""
    count, chance = int(sys.argv[1]) if len(sys.argv) > 1 else 200, random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        url = start_server(Path(folder)).get_uri("quiet")
        asyncio.run(prepare(url))
        key = adopt_exampleville(url)
        process = Process(url)
        begun = time.time() + 3
        dues = [begun + chance.uniform(0, count / 8) for _ in range(count)]
        items = [
            {"reference": f"Q-{number}", "category": "Noise", "due": due_at(due)}
            for number, due in enumerate(dues)
        ]
        with client(process.url, key) as intake:
            intake.post("/issues/grid", json=items).raise_for_status()
            while len(waits := asyncio.run(delays(url))) < count:
                intake.get("/escalation/log/exampleville", params={"after": 2**40, "wait": 1})
        process.end()
    p50, p99 = statistics.median(waits), waits[int(len(waits) * 0.99) - 1]
    verdict = "reached" if p99 <= GOAL_SECONDS else "missed"
    print(
        f"{count} deadlines on a quiet system: call raised",
        f"{p50:.2f} s (p50), {p99:.2f} s (p99), {waits[-1]:.2f} s (most) after",
    )
    print(f"goal: p99 <= {GOAL_SECONDS:g} s: {verdict}")


if __name__ == "__main__":
    main()
