"""The intake API over HTTP, durable, beside a FastAPI route that stores nothing.

python -m benchmarks.intake_api

It also measures how soon an accepted issue is routed. `gridcall up` runs as its users start it. The
peer runs under the same server with the same settings, each in its own process. The load comes from
this process: requests whose bytes are made before, over 64 connections that stay open. Ours and the
peer take turns. A rate counts issues from the first byte sent to the last answer.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil

from benchmarks.load import ITEMS, Rate, Requests, as_fast_as_it_goes, at_a_rate
from benchmarks.report import Line, print_lines
from benchmarks.servers import cpu_seconds, fetch_row, own_server, server_settings
from embedded.server import PostgresServer
from gridcall.host.migrations import prepare
from tests.harness.live import Process, adopt_exampleville

ROUNDS = 3
SINGLE_GOAL, ARRAYS_GOAL = 1.2, 6
WARM, SINGLE, ARRAYS = 1_000, 25_000, 1_000  # Requests.
DELAY_SECONDS = 10.0


# ── The peer ──────────────────────────────────────────────────────────────────────────────────────


def serve_peer() -> None:
    """Serve a route as FastAPI's users write it.

    A model of the same shape comes in, another one goes out, and nothing is stored.
    """
    from datetime import datetime
    from typing import Annotated, Literal

    from fastapi import FastAPI
    from pydantic import BaseModel, Field

    from httpedge.server import serve

    class Point(BaseModel):
        lat: Annotated[float, Field(ge=-90, le=90)]
        lon: Annotated[float, Field(ge=-180, le=180)]
        crs: Literal["WGS84"] = "WGS84"

    class Place(BaseModel):
        point: Point | None = None
        grid: Annotated[str, Field(max_length=64)] | None = None
        street: Annotated[str, Field(max_length=64)] | None = None

    class Issue(BaseModel):
        reference: Annotated[str, Field(min_length=1, max_length=200)]
        category: Annotated[str, Field(min_length=1, max_length=200)]
        urgency: Literal["normal", "urgent", "life"] = "normal"
        due: datetime | None = None
        place: Place | None = None
        district: Annotated[str, Field(max_length=64)] | None = None

    class Receipt(BaseModel):
        status: int
        reference: str
        id: str
        tracking: str
        position: int
        time: datetime

    app = FastAPI()

    async def post_issue(line: str, issue: Issue) -> Receipt:
        now = datetime.now().astimezone()
        return Receipt(
            status=202,
            reference=issue.reference,
            id="0" * 32,
            tracking="1" * 32,
            position=1,
            time=now,
        )

    post_issue.__annotations__.update(issue=Issue, **{"return": Receipt})
    app.post("/issues/{line}", status_code=202, response_model=Receipt)(post_issue)
    app.state.close = lambda: None
    serve(app, "127.0.0.1", 0, on_up=lambda address: print(address, file=sys.stderr, flush=True))


@contextmanager
def peer() -> Iterator[Requests]:
    """Run the peer in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.intake_api", "peer"], stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        said = next(line for line in running.stderr if "http://" in line)
        try:
            yield Requests(next(word for word in said.split() if word.startswith("http://")))
        finally:
            running.terminate()


# ── Ours ──────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def running_intake(
    server: PostgresServer, name: str, *options: str
) -> Iterator[tuple[Process, Requests]]:
    """`gridcall up` on a database of its own, which knows the made-up city."""
    url = server.get_uri(name)
    asyncio.run(prepare(url, forget=True))
    key = adopt_exampleville(url)
    process = Process(url, *options)
    try:
        yield process, Requests(process.url, key)
    finally:
        process.end()


def busy_seconds(process: Process) -> float:
    """Return the CPU time that a process has used."""
    times = psutil.Process(process.running.pid).cpu_times()
    return float(times.user + times.system)


def measured_rate(
    name: str, process: Process, server: PostgresServer, to: Requests, bodies: Sequence[bytes]
) -> Rate:
    """Send requests as fast as it goes, and print how busy each process was."""
    python, postgres, begun = busy_seconds(process), cpu_seconds(server), time.perf_counter()
    rate = as_fast_as_it_goes(to, bodies)
    seconds = time.perf_counter() - begun
    python, postgres = busy_seconds(process) - python, cpu_seconds(server) - postgres
    print(
        f"{name:7}{rate.requests:8,.0f} requests/s; busy: load {rate.busy:.0%},",
        f"intake {python / seconds:.0%}, Postgres {postgres / seconds:.0%}",
        flush=True,
    )
    return rate


def throughput(server: PostgresServer) -> tuple[list[Line], float]:
    """Measure intake, with single issues and with arrays, and the peer, in turns.

    Return the lines of the report, and the rate of single issues.
    """
    rates: dict[str, list[Rate]] = {"single": [], "arrays": [], "peer": []}
    with running_intake(server, "rates", "--service", "intake") as (process, ours), peer() as other:
        for each in (ours, other):
            as_fast_as_it_goes(each, each.single(WARM))
        for _ in range(ROUNDS):
            for name, to, bodies in (
                ("single", ours, ours.single(SINGLE)),
                ("arrays", ours, ours.arrays(ARRAYS)),
                ("peer", other, other.single(SINGLE)),
            ):
                rates[name].append(measured_rate(name, process, server, to, bodies))
    single, arrays, peer_rate = (
        statistics.median(rate.requests for rate in group) for group in rates.values()
    )
    return [
        Line("issues/s, one a request, durable", single, peer_rate, SINGLE_GOAL),
        Line(f"issues/s, arrays of {ITEMS}, durable", arrays * ITEMS, peer_rate, ARRAYS_GOAL),
    ], single


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


def routing_delay_at(load: float, process: Process, ours: Requests) -> tuple[float, float]:
    """Return how soon routing has what was accepted at a load: p50 and p99 in ms."""
    before = asyncio.run(fetch_row(process.database, "SELECT max(pos) FROM intake.log"))[0]
    bodies = ours.single(int(load * DELAY_SECONDS))
    spent, begun = busy_seconds(process), time.perf_counter()
    answered = sorted(at_a_rate(ours, bodies, load))
    busy = (busy_seconds(process) - spent) / (time.perf_counter() - begun)
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


def routing_delays(server: PostgresServer, single: float) -> list[Line]:
    """Measure how soon accepted issues are routed, with all services in one process.

    One load is half of what that process can do. The other is half of what intake alone can do.
    """
    loads = list[float]()
    halves, intake_halves = list[tuple[float, float]](), list[tuple[float, float]]()
    for number in range(ROUNDS):
        with running_intake(server, f"delays_{number}") as (process, ours):
            as_fast_as_it_goes(ours, ours.single(WARM))
            wait_until_routed(process)
            loads.append(capacity(process, ours) / 2)
            halves.append(routing_delay_at(loads[-1], process, ours))
            intake_halves.append(routing_delay_at(single / 2, process, ours))
    lines = []
    for name, load, delays, goals in (
        ("half load", statistics.median(loads), halves, (5, 20)),
        ("half of intake's", single / 2, intake_halves, (None, None)),
    ):
        for part, each, goal in zip(("p50", "p99"), zip(*delays, strict=True), goals, strict=True):
            title = f"accepted → routed at {name}, {load:,.0f} issues/s, {part} in ms"
            lines.append(Line(title, statistics.median(each), None, goal, 1))
    return lines


def main() -> None:
    """Run the peer, or measure and print."""
    if sys.argv[1:] == ["peer"]:
        serve_peer()
        return
    with own_server() as server:
        print(asyncio.run(server_settings(server)), flush=True)
        lines, single = throughput(server)
        print_lines([*lines, *routing_delays(server, single)])


if __name__ == "__main__":
    main()
