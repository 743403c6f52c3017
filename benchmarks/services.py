"""Issues through all services over Kafka: how many a second, and how soon each is routed.

python -m benchmarks.services
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import asyncpg

from benchmarks.load import ITEMS, Requests, as_fast_as_it_goes, at_a_rate
from benchmarks.report import Line, print_lines
from benchmarks.separate import ServiceHost, service_host
from benchmarks.servers import fetch_row

ROUNDS = 3
PIPELINE, FOLLOWED_SECONDS = 20_000, 10.0


def at_rest(system: ServiceHost) -> bool:
    """Return True when escalation has applied everything that was accepted."""
    accepted = asyncio.run(fetch_row(system.urls["intake"], "SELECT pos FROM intake.shard"))["pos"]
    routed = asyncio.run(
        fetch_row(
            system.urls["routing"],
            "SELECT coalesce(max(pos), 0) AS pos, coalesce(max(input), 0) AS input"
            " FROM routing.shard",
        )
    )
    called = asyncio.run(
        fetch_row(
            system.urls["escalation"],
            "SELECT coalesce(max(input), 0) AS input FROM escalation.shard",
        )
    )["input"]
    return bool(routed["input"] >= accepted and called >= routed["pos"])


def wait_for_rest(system: ServiceHost) -> None:
    """Wait until all services are at rest."""
    while not at_rest(system):
        time.sleep(0.05)


async def routed_after(system: ServiceHost, after: int) -> list[float]:
    """Return the milliseconds from the commit of each issue to that of its case, sorted."""
    commits: dict[str, dict[str, Any]] = {}
    for service, sql in (
        (
            "intake",
            "SELECT 'intake/' || shard || '/' || pos AS name, recorded"
            " FROM intake.log WHERE pos > $1",
        ),
        (
            "routing",
            "SELECT cause AS name, min(recorded) AS recorded"
            " FROM routing.log WHERE input > $1 GROUP BY cause",
        ),
    ):
        connection = await asyncpg.connect(system.urls[service])
        commits[service] = {
            row["name"]: row["recorded"] for row in await connection.fetch(sql, after)
        }
        await connection.close()
    routed = commits["routing"]
    return sorted(
        (routed[name] - at).total_seconds() * 1000 for name, at in commits["intake"].items()
    )


def measure_all_services(system: ServiceHost) -> list[Line]:
    """Measure issues per second through all services, and the delay at half of that."""
    rates, late = [], []
    for _ in range(ROUNDS):
        system.prepare()
        system.start("intake", "routing", "escalation", "assessment")
        requests = Requests(f"http://127.0.0.1:{system.ports['intake']}", system.secret)
        as_fast_as_it_goes(requests, requests.single(500))
        wait_for_rest(system)
        begun = time.perf_counter()
        as_fast_as_it_goes(requests, requests.arrays(PIPELINE // ITEMS))
        wait_for_rest(system)
        rates.append(PIPELINE / (time.perf_counter() - begun))
        time.sleep(1)
        before = asyncio.run(fetch_row(system.urls["intake"], "SELECT pos FROM intake.shard"))[
            "pos"
        ]
        load = rates[-1] / 2
        answered = sorted(at_a_rate(requests, requests.single(int(load * FOLLOWED_SECONDS)), load))
        wait_for_rest(system)
        routed = asyncio.run(routed_after(system, before))
        late.append((routed[len(routed) // 2], routed[len(routed) * 99 // 100]))
        print(
            f"{rates[-1]:,.0f} issues/s; at {load:,.0f}: "
            f"routed p50 {late[-1][0]:.0f} ms, p99 {late[-1][1]:.0f} ms after; "
            f"answered p99 {answered[len(answered) * 99 // 100]:.0f} ms",
            flush=True,
        )
        system.end()
    middle, last = (statistics.median(each) for each in zip(*late, strict=True))
    return [
        Line(
            f"through all services over Kafka, arrays of {ITEMS}, issues/s",
            statistics.median(rates),
            None,
            None,
        ),
        Line("accepted → routed at half of that, one a request, p50 in ms", middle, None, None, 1),
        Line("accepted → routed at half of that, one a request, p99 in ms", last, None, 200, 1),
    ]


def main() -> None:
    """Print all figures."""
    with service_host() as system:
        print_lines(measure_all_services(system))


if __name__ == "__main__":
    main()
