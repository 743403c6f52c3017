"""The intake API over HTTP, durable, beside a FastAPI route that stores nothing; and how soon what was accepted is routed.

python benchmarks/intake_api.py

`gridcall up` runs as its users start it, the peer under the same server with the same settings, each in its own process. The
load comes from this process: requests whose bytes are made before, over 64 connections that stay open, without a framework.
Ours and the peer take turns. A rate counts issues from the first byte sent to the last answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import select
import socket
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
import psutil
from table import Line, cpu_seconds, own_server, print_lines, settings

from embedded.server import PostgresServer
from eventlog.postgres.pool import open_database
from gridcall.host.migrations import prepare
from tests.harness.live import Process, adopt_exampleville

ROUNDS, CONNECTIONS = 3, 64
WARM, ALONE, ARRAYS, ITEMS = 1_000, 25_000, 1_000, 100  # Requests; issues in an array.
FOLLOWED_SECONDS = 10.0
HERE = Path(__file__)


# ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Requests:
    """Requests whose references are all distinct."""

    def __init__(self, address: str, key: str = "none") -> None:
        self.address = urlsplit(address)
        self._head = (
            f"POST /issues/hotline HTTP/1.1\r\nHost: {self.address.netloc}\r\nAuthorization: Bearer {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )
        self._chance = random.Random(1)
        self._number = 0

    def _issue(self) -> dict[str, object]:
        self._number += 1
        point = {
            "lat": round(self._chance.uniform(53.32, 53.36), 6),
            "lon": round(self._chance.uniform(-6.3, -6.25), 6),
        }
        due = {"due": "2030-01-01T00:00:00Z"}
        return {
            "reference": f"D-{self._number:08}",
            "category": "Noise",
            "urgency": "normal",
            "place": {"point": point},
            **due,
        }

    def _request(self, content: object) -> bytes:
        body = json.dumps(content).encode()
        return f"{self._head}{len(body)}\r\n\r\n".encode() + body

    def alone(self, count: int) -> list[bytes]:
        """One issue each."""
        return [self._request(self._issue()) for _ in range(count)]

    def arrays(self, count: int) -> list[bytes]:
        """ITEMS issues each."""
        return [self._request([self._issue() for _ in range(ITEMS)]) for _ in range(count)]


# ── Load ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Connection:
    """One connection that stays open, and the answer that comes on it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0  # When its request was to be sent.
        self._answer = b""

    def send(self, request: bytes, due: float = 0.0) -> None:
        """The next request."""
        self.due = due
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Take what has come; whether the answer is whole. Anything but 200 and 202 is a fault of the benchmark."""
        came = self.socket.recv(1 << 18)
        assert came, "the server closed the connection"
        self._answer += came
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return False
        start = head.lower().index(b"content-length:") + 15
        if len(body) < int(head[start:].partition(b"\r\n")[0]):
            return False
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")), self._answer[:2000]
        self._answer = b""
        return True


@contextmanager
def connections(requests: Requests) -> Iterator[tuple[select.epoll, dict[int, Connection]]]:
    """Open ones, and who tells which of them has an answer."""
    address = (str(requests.address.hostname), int(requests.address.port or 80))
    opened = [Connection(address) for _ in range(CONNECTIONS)]
    poll = select.epoll()
    for each in opened:
        poll.register(each.socket.fileno(), select.EPOLLIN)
    try:
        yield poll, {each.socket.fileno(): each for each in opened}
    finally:
        poll.close()
        for each in opened:
            each.socket.close()


class Rate(NamedTuple):
    """Requests a second, and the part of its processor that the load needed."""

    requests: float
    busy: float


def as_fast_as_it_goes(requests: Requests, bodies: Sequence[bytes]) -> Rate:
    """Every connection sends its next request when it has its answer."""
    with connections(requests) as (poll, by_number):
        left = iter(bodies)
        begun, cpu = time.perf_counter(), time.process_time()
        for connection in by_number.values():
            connection.send(next(left))
        answered = 0
        while answered < len(bodies):
            for number, _ in poll.poll():
                connection = by_number[number]
                if connection.is_answered():
                    answered += 1
                    if (request := next(left, None)) is not None:
                        connection.send(request)
        seconds = time.perf_counter() - begun
        return Rate(len(bodies) / seconds, (time.process_time() - cpu) / seconds)


def at_a_rate(requests: Requests, bodies: Sequence[bytes], per_second: float) -> list[float]:
    """Send at random times of a mean rate, whatever is answered; milliseconds from when each was due to its answer."""
    chance, latencies = random.Random(2), list[float]()
    with connections(requests) as (poll, by_number):
        free, due = (
            deque(by_number.values()),
            time.perf_counter(),
        )  # In turns: the server closes what is idle for long.
        left = iter(bodies)
        request = next(left, None)
        while len(latencies) < len(bodies):
            now = time.perf_counter()
            while request is not None and due <= now and free:
                free.popleft().send(request, due)
                request, due = next(left, None), due + chance.expovariate(per_second)
            wait = max(0.0, due - now) if request is not None and free else 1.0
            for number, _ in poll.poll(wait):
                connection = by_number[number]
                if connection.is_answered():
                    latencies.append((time.perf_counter() - connection.due) * 1000)
                    free.append(connection)
    return latencies


# ── The peer ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def serve_peer() -> None:
    """A route as FastAPI's users write it: a model of the same shape comes in, another one goes out, nothing is stored."""
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
    serve(app, "127.0.0.1", 0)


@contextmanager
def peer() -> Iterator[Requests]:
    """The peer in a process of its own."""
    with subprocess.Popen(
        [sys.executable, str(HERE), "peer"], stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        said = next(line for line in running.stderr if "http://" in line)
        try:
            yield Requests(next(word for word in said.split() if word.startswith("http://")))
        finally:
            running.terminate()


# ── Ours ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def up(server: PostgresServer, name: str, *options: str) -> Iterator[tuple[Process, Requests]]:
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
    """What a process has used."""
    times = psutil.Process(process.running.pid).cpu_times()
    return float(times.user + times.system)


def throughput(server: PostgresServer) -> tuple[list[Line], float]:
    """The door alone, issue by issue and in arrays, and the peer, in turns; and the issues a second of the first."""
    rates: dict[str, list[Rate]] = {"alone": [], "arrays": [], "peer": []}
    with up(server, "door", "--service", "intake") as (process, ours), peer() as theirs:
        for each in (ours, theirs):
            as_fast_as_it_goes(each, each.alone(WARM))
        for _ in range(ROUNDS):
            python, postgres, begun = (
                busy_seconds(process),
                cpu_seconds(server),
                time.perf_counter(),
            )
            for name, to, bodies in (
                ("alone", ours, ours.alone(ALONE)),
                ("arrays", ours, ours.arrays(ARRAYS)),
                ("peer", theirs, theirs.alone(ALONE)),
            ):
                python, postgres, begun = (
                    busy_seconds(process),
                    cpu_seconds(server),
                    time.perf_counter(),
                )
                rate = as_fast_as_it_goes(to, bodies)
                seconds = time.perf_counter() - begun
                python, postgres = busy_seconds(process) - python, cpu_seconds(server) - postgres
                rates[name].append(rate)
                print(
                    f"{name:7}{rate.requests:8,.0f} requests/s; busy: load {rate.busy:.0%}, ",
                    end="",
                )
                print(f"door {python / seconds:.0%}, Postgres {postgres / seconds:.0%}", flush=True)
    alone, arrays, beside = (
        statistics.median(rate.requests for rate in found) for found in rates.values()
    )
    return [
        Line("issues/s, one a request, durable", alone, beside, 1.5),
        Line(f"issues/s, arrays of {ITEMS}, durable", arrays * ITEMS, beside, 12),
    ], alone


ROUTED = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM first.recorded - i.recorded) * 1000),
  count(*)
FROM intake.log i JOIN (
  SELECT DISTINCT ON (cause) cause, recorded FROM routing.log ORDER BY cause, pos
) first ON first.cause = 'intake/' || i.shard || '/' || i.pos
WHERE i.pos > $1
"""


async def asked(url: str, sql: str, *args: object) -> asyncpg.Record:
    """One row."""
    connection = await asyncpg.connect(url)
    found = await connection.fetchrow(sql, *args)
    await connection.close()
    assert found is not None
    return found


def routed_all(process: Process) -> float:
    """Wait until routing has applied all that was accepted."""
    left = "SELECT i.pos - r.input AS left FROM intake.shard i JOIN routing.shard r USING (shard)"
    while asyncio.run(asked(process.database, left))[0]:
        time.sleep(0.01)
    return time.perf_counter()


def capacity(process: Process, ours: Requests) -> float:
    """Issues a second, one a request, that a process with all services accepts and routes."""
    begun = time.perf_counter()
    as_fast_as_it_goes(ours, ours.alone(ALONE))
    return ALONE / (routed_all(process) - begun)


def followed_at(load: float, process: Process, ours: Requests) -> tuple[float, float]:
    """How soon routing has what was accepted at a load: p50 and p99 in ms."""
    before = asyncio.run(asked(process.database, "SELECT max(pos) FROM intake.log"))[0]
    bodies = ours.alone(int(load * FOLLOWED_SECONDS))
    spent, begun = busy_seconds(process), time.perf_counter()
    answered = sorted(at_a_rate(ours, bodies, load))
    busy = (busy_seconds(process) - spent) / (time.perf_counter() - begun)
    routed_all(process)
    routed, count = asyncio.run(asked(process.database, ROUTED, before))
    assert count == len(bodies), f"{count:,} of {len(bodies):,} are routed"
    middle, late = (answered[len(answered) * percent // 100] for percent in (50, 99))
    print(
        f"at {load:,.0f} issues/s: routed p50 {routed[0]:.1f} ms, p99 {routed[1]:.1f} ms after; ",
        end="",
    )
    print(f"answered p50 {middle:.1f} ms, p99 {late:.1f} ms; busy {busy:.0%}", flush=True)
    return float(routed[0]), float(routed[1])


def followed(server: PostgresServer, alone: float) -> list[Line]:
    """How soon routing has what was accepted, with all services in one process: at half of what that takes, and at half of what
    the door takes by itself, which is nearly all that they can.
    """
    loads, halves, doors = list[float](), list[tuple[float, float]](), list[tuple[float, float]]()
    for number in range(ROUNDS):
        with up(server, f"followed_{number}") as (process, ours):
            as_fast_as_it_goes(ours, ours.alone(WARM))
            routed_all(process)
            loads.append(capacity(process, ours) / 2)
            halves.append(followed_at(loads[-1], process, ours))
            doors.append(followed_at(alone / 2, process, ours))
    lines = []
    for what, load, found, goals in (
        ("half load", statistics.median(loads), halves, (5, 20)),
        ("half of the door's", alone / 2, doors, (None, None)),
    ):
        for name, each, goal in zip(("p50", "p99"), zip(*found, strict=True), goals, strict=True):
            title = f"accepted → routed at {what}, {load:,.0f} issues/s, {name} in ms"
            lines.append(Line(title, statistics.median(each), None, goal, 1))
    return lines


async def said(server: PostgresServer) -> str:
    """The settings."""
    async with open_database(server.get_uri("postgres"), size=1) as database:
        return await settings(database)


def main() -> None:
    """Print it."""
    if sys.argv[1:] == ["peer"]:
        serve_peer()
        return
    with own_server() as server:
        print(asyncio.run(said(server)), flush=True)
        lines, alone = throughput(server)
        print_lines([*lines, *followed(server, alone)])


if __name__ == "__main__":
    main()
