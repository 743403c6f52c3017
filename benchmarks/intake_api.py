"""The intake API over HTTP beside FastAPI with asyncpg, both durable on the same Postgres.

python -m benchmarks.intake_api

The peer (benchmarks/peers/intake.py) is as its users write and run it: uvicorn with uvloop, a pool
of connections, INSERT … ON CONFLICT. Single issues are compared with single ones, and arrays with
arrays. Each program is one process. They take turns. The load comes from this process: requests
whose bytes are made before, over connections that stay open. A rate counts issues from the first
byte sent to the last answer. It also measures how soon an accepted issue is routed.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx
import psutil

from benchmarks.load import ITEMS, Requests, as_fast_as_it_goes, at_a_rate
from benchmarks.peers.environment import FOLDER, PYTHON
from benchmarks.report import Line, print_lines
from benchmarks.servers import busy_seconds, cpu_seconds, fetch_row, own_server, server_settings
from embedded.server import PostgresServer
from eventlog.postgres.migrate import create_database
from gridcall.host.migrations import prepare
from httpedge.ports import free_ports
from tests.harness.live import Process, adopt_exampleville
from tests.harness.waiting import wait_until

ROUNDS = 3
CONNECTIONS = (64, 256)
SINGLE_GOAL, ARRAYS_GOAL = 2.5, 15
SINGLE, ARRAYS = 10_000, 400  # Requests.
WARM = 1_000
QUIET_PER_SECOND = 20.0
DELAY_SECONDS = 10.0


# ── Both ──────────────────────────────────────────────────────────────────────────────────────────


class Program(NamedTuple):
    """A program that takes issues, the requests to it, and the query that counts what it stored."""

    name: str
    process: psutil.Process
    requests: Requests
    url: str
    stored: str

    def count_stored(self) -> int:
        """Return the number of rows that it has stored."""
        return int(asyncio.run(fetch_row(self.url, self.stored))[0])


class Issues(NamedTuple):
    """Issues a second, and the µs of the program and of Postgres for each."""

    rate: float
    program_us: float
    postgres_us: float


@contextmanager
def peer(server: PostgresServer) -> Iterator[Program]:
    """Run FastAPI with asyncpg, as its users do."""
    url, (port,) = server.get_uri("fastapi"), free_ports(1)
    asyncio.run(create_database(url))
    options = ("--app-dir", str(FOLDER), "--port", str(port), "--no-access-log")
    words = [str(PYTHON), "-m", "uvicorn", *options, "--log-level", "warning", "intake:app"]
    address = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        try:
            return httpx.get(f"{address}/docs", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    with subprocess.Popen(words, env={**os.environ, "DATABASE_URL": url}) as running:
        try:
            wait_until(is_up)
            process, requests = psutil.Process(running.pid), Requests(address, batch="/batch")
            yield Program("FastAPI", process, requests, url, "SELECT count(*) FROM issues")
        finally:
            running.terminate()


@contextmanager
def running_intake(
    server: PostgresServer, name: str, *options: str
) -> Iterator[tuple[Process, Program]]:
    """`gridcall up` on a database of its own, which knows the made-up city."""
    url = server.get_uri(name)
    asyncio.run(prepare(url, forget=True))
    key = adopt_exampleville(url)
    process = Process(url, *options)
    try:
        own, requests = psutil.Process(process.running.pid), Requests(process.url, key)
        yield process, Program("gridcall", own, requests, url, "SELECT pos FROM intake.shard")
    finally:
        process.end()


def measure_issues(
    server: PostgresServer, program: Program, kind: str, connections: int, part: float
) -> Issues:
    """Send `part` of the requests as fast as it goes."""
    to, arrays = program.requests, kind != "single"
    bodies = to.arrays(int(ARRAYS * part)) if arrays else to.single(int(SINGLE * part))
    count = len(bodies) * (ITEMS if arrays else 1)
    stored = program.count_stored()
    spent, postgres = busy_seconds(program.process), cpu_seconds(server)
    rate = as_fast_as_it_goes(to, bodies, connections)
    spent, postgres = busy_seconds(program.process) - spent, cpu_seconds(server) - postgres
    assert program.count_stored() - stored == count, "not every issue is stored"
    issues = Issues(
        rate.requests * count / len(bodies), 1e6 * spent / count, 1e6 * postgres / count
    )
    print(
        f"{kind:7} {connections:4} connections {program.name:9}{issues.rate:9,.0f} issues/s;",
        f"{issues.program_us:5.0f} µs of it and {issues.postgres_us:4.0f} µs of Postgres each;",
        f"load {rate.busy:.0%} busy",
        flush=True,
    )
    return issues


def throughput(server: PostgresServer, rounds: int, part: float) -> list[Line]:
    """Measure single issues and arrays, over few connections and many, in turns with the peer."""
    kinds = (("single", SINGLE_GOAL), ("arrays", ARRAYS_GOAL))
    lines = list[Line]()
    with running_intake(server, "rates", "--service", "intake") as (_, ours), peer(server) as other:
        for each in (ours, other):
            as_fast_as_it_goes(each.requests, each.requests.single(int(WARM * part)))
        for kind, goal in kinds:
            for connections in CONNECTIONS:
                results = [
                    [
                        measure_issues(server, each, kind, connections, part)
                        for each in (ours, other)
                    ]
                    for _ in range(rounds)
                ]
                rates, peers = zip(*results, strict=True)
                lines.append(
                    Line(
                        f"issues/s beside FastAPI + INSERT, {kind}, {connections} connections",
                        statistics.median(each.rate for each in rates),
                        statistics.median(each.rate for each in peers),
                        goal,
                    )
                )
    return lines


# ── From acceptance to routing ───────────────────────────────────────────────────────────────────


ROUTED = """
SELECT percentile_cont(ARRAY[0.5, 0.99])
  WITHIN GROUP (ORDER BY extract(epoch FROM first.recorded - i.recorded) * 1000), count(*)
FROM intake.log i JOIN (
  SELECT DISTINCT ON (cause) cause, recorded FROM routing.log ORDER BY cause, pos
) first ON first.cause = 'intake/' || i.shard || '/' || i.pos
WHERE i.pos > $1
"""


def wait_until_routed(process: Process) -> float:
    """Wait until routing has applied all that was accepted."""
    left = "SELECT i.pos - r.input AS left FROM intake.shard i JOIN routing.shard r USING (shard)"
    while asyncio.run(fetch_row(process.database, left))[0]:
        time.sleep(0.01)
    return time.perf_counter()


def capacity(process: Process, ours: Requests) -> float:
    """Issues a second, one a request, that a process with all services accepts and routes."""
    begun = time.perf_counter()
    as_fast_as_it_goes(ours, ours.single(SINGLE))
    return SINGLE / (wait_until_routed(process) - begun)


def routing_delay_at(
    load: float, process: Process, program: Program, seconds: float
) -> tuple[float, float]:
    """Return how soon routing has what was accepted at a load: p50 and p99 in ms."""
    before = asyncio.run(fetch_row(process.database, "SELECT max(pos) FROM intake.log"))[0]
    bodies = program.requests.single(int(load * seconds))
    spent, begun = busy_seconds(program.process), time.perf_counter()
    answered = sorted(at_a_rate(program.requests, bodies, load))
    busy = (busy_seconds(program.process) - spent) / (time.perf_counter() - begun)
    wait_until_routed(process)
    routed, count = asyncio.run(fetch_row(process.database, ROUTED, before))
    assert count == len(bodies), f"{count:,} of {len(bodies):,} are routed"
    middle, late = (answered[len(answered) * percent // 100] for percent in (50, 99))
    print(
        f"at {load:,.0f} issues/s: routed p50 {routed[0]:.1f} ms, p99 {routed[1]:.1f} ms after; ",
        end="",
    )
    print(f"answered p50 {middle:.1f} ms, p99 {late:.1f} ms; busy {busy:.0%}", flush=True)
    return float(routed[0]), float(routed[1])


def routing_delays(server: PostgresServer, rounds: int, seconds: float) -> list[Line]:
    """Measure how soon accepted issues are routed, with all services in one process.

    One load is a few issues a second. The other is half of what that process can do.
    """
    loads = list[float]()
    quiet, halves = list[tuple[float, float]](), list[tuple[float, float]]()
    for number in range(rounds):
        with running_intake(server, f"delays_{number}") as (process, program):
            ours = program.requests
            as_fast_as_it_goes(ours, ours.single(WARM))
            wait_until_routed(process)
            quiet.append(routing_delay_at(QUIET_PER_SECOND, process, program, seconds))
            loads.append(capacity(process, ours) / 2)
            halves.append(routing_delay_at(loads[-1], process, program, seconds))
    lines = []
    for name, load, delays, goals in (
        ("on a quiet system", QUIET_PER_SECOND, quiet, (None, 10)),
        ("at half load", statistics.median(loads), halves, (5, 20)),
    ):
        for part, each, goal in zip(("p50", "p99"), zip(*delays, strict=True), goals, strict=True):
            title = f"accepted → routed {name}, {load:,.0f} issues/s, {part} in ms"
            lines.append(Line(title, statistics.median(each), None, goal, 1))
    return lines


def main() -> None:
    """Measure and print."""
    with own_server() as server:
        print(asyncio.run(server_settings(server)), flush=True)
        lines = throughput(server, ROUNDS, 1.0)
        print_lines([*lines, *routing_delays(server, ROUNDS, DELAY_SECONDS)])


if __name__ == "__main__":
    main()
