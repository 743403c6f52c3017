"""Measure durable decisions and the replay of rows, beside eventsourcing on the same Postgres.

python -m benchmarks.durable

A decision of ours is one issue of intake's log: read from there, located, decided, and committed
with its events. One of the peer (benchmarks/peers/aggregates.py) is an aggregate that is made, with
its one event, and saved. Both commit as many at a time, and take turns. A replay reads the rows of
a log in equal batches, and folds them into the state of every case or aggregate. It is measured
twice: the peer stores no states, ours stores them for the next owner.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import asyncpg

from benchmarks.peers.environment import FOLDER, PYTHON
from benchmarks.report import Line, print_lines
from benchmarks.servers import own_server, settings
from embedded.server import PostgresServer
from eventlog.checkpoints import CADENCE, Cadence
from eventlog.core.row import Draft
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, open_database
from eventlog.runner import BATCH, Runner
from events.catalogue import IssueReported, PlaceClaim
from events.instants import Instant
from events.topology import WRITER
from gridcall.host.migrations import prepare
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile_loader import load_profile
from gridcall.simulation.driver import first_adoptions
from httpedge.memory import collect_seldom
from intake.core.identity import issue_id
from intake.store import IntakeStore
from routing.contents import Contents
from routing.stage import routing_stages

CITY = Path(__file__).parent.parent / "profiles" / "exampleville"
DISTRICT = "exampleville"
TEMPLATE, COPY = "decisions", "decisions_copy"
ROUNDS = 3
SAVES = {1: 1_000, 100: 10_000, 500: 50_000}  # Decisions by their number in a commit.
REPLAY, REPLAY_BATCH = "rows replayed/s", 1_000
REPLAY_WITH_STATES = "rows replayed and states stored/s"
NO_CHECKPOINTS = Cadence(rows=sys.maxsize, seconds=math.inf)
GOALS = {"durable decisions/s, 500 in a commit": 3.5, REPLAY: 3}
ADOPTIONS = 4  # The first rows of intake's log.
FORGET_STATES = "TRUNCATE routing.state, routing.checkpoint"  # So that all rows are folded.
START, HOUR_US = 1_767_225_600_000_000, 3_600_000_000  # 2026.


# ── Ours ─────────────────────────────────────────────────────────────────────────────────────────


def make_issues(count: int) -> Iterator[Draft]:
    """Yield so many issues at places all over the made-up city, one a second."""
    chance = random.Random(1)
    for number in range(count):
        reference, at = f"D-{number:06}", START + number * 1_000_000
        point = PlaceClaim(
            by="point", lat=chance.uniform(53.32, 53.36), lon=chance.uniform(-6.3, -6.25)
        )
        name = issue_id(DISTRICT, "benchmark", "hotline", reference)
        event = IssueReported(
            issue=name,
            source="benchmark",
            line="hotline",
            reference=reference,
            category="Noise",
            urgency="normal",
            due=at + 48 * HOUR_US,
            claims=(point,),
            rules=(),
        )
        yield Draft(at, name, event)


async def fill(url: str, inputs: Iterable[Draft], start: Instant = START) -> None:
    """Fill a database's intake with reference data at `start`, and with inputs."""
    profile, _ = load_profile(CITY.with_suffix(".yaml"))
    grids = check_map(CITY, profile.map).grids
    assert grids is not None
    drafts, contents = first_adoptions(profile, grids, start)
    await prepare(url, forget=True)
    async with open_database(url) as database:
        print(await settings(database), flush=True)
        await IntakeStore(database).add_contents(contents)
        log = PostgresLog("intake", "intake", database, Notifier())
        to_append = chain(drafts, inputs)
        while part := list(islice(to_append, BATCH)):
            await log.append(DISTRICT, part)


class Rate(NamedTuple):
    """Decisions or rows a second, and the µs of Python for each."""

    rate: float
    python_us: float


async def measure_decisions(server: PostgresServer, batch: int, count: int) -> Rate:
    """Decide issues in a copy of the database. Adoptions are decided before the clock starts."""
    await copy_database(server)
    async with open_database(server.get_uri(COPY)) as database:
        runner, cases = open_runner(database, batch)
        assert await cases.lease(DISTRICT)
        await runner.replay()
        stage = runner.stage
        while stage.input < ADOPTIONS:
            await runner.step()
        begun, cpu, before = time.perf_counter(), time.process_time(), stage.input
        while stage.input - before < count and await runner.step():
            pass
        return rate_of(stage.input - before, begun, cpu)


async def measure_replay(server: PostgresServer, batch: int, cadence: Cadence = CADENCE) -> Rate:
    """Fold the rows that deciding all issues has written, as a new owner without states does."""
    async with open_database(server.get_uri(COPY)) as database:
        runner, cases = open_runner(database, batch, cadence)
        assert await cases.lease(DISTRICT)
        await database.fetch(FORGET_STATES)
        begun, cpu = time.perf_counter(), time.process_time()
        await runner.replay()
        return rate_of(runner.position, begun, cpu)


def rate_of(count: int, begun: float, cpu: float) -> Rate:
    """Return the rate of so many since these times."""
    seconds, busy = time.perf_counter() - begun, time.process_time() - cpu
    return Rate(count / seconds, 1e6 * busy / count)


def open_runner(
    database: Database, batch: int, cadence: Cadence = CADENCE
) -> tuple[Runner[Any, Any], PostgresLog]:
    """Return routing's runner without any state, and the log that it writes."""
    logs = {
        log: PostgresLog(log, WRITER[log], database, Notifier(), "benchmark", cadence)
        for log in ("intake", "cases")
    }
    contents = Contents(IntakeStore(database).contents)
    return routing_stages(contents, contents.fetch).processor(DISTRICT, logs, batch), logs["cases"]


async def copy_database(server: PostgresServer) -> None:
    """Make a fresh copy of the database with all issues."""
    drop, copy = f"DROP DATABASE IF EXISTS {COPY}", f"CREATE DATABASE {COPY} TEMPLATE {TEMPLATE}"
    await on_server(server, drop, copy, "CHECKPOINT")


async def on_server(server: PostgresServer, *statements: str) -> None:
    """Run statements that concern no single database."""
    connection = await asyncpg.connect(server.get_uri("postgres"))
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


# ── The peer ─────────────────────────────────────────────────────────────────────────────────────


class Peer:
    """The application of eventsourcing, in a process of its own."""

    def __init__(self, server: PostgresServer) -> None:
        asyncio.run(on_server(server, "CREATE DATABASE aggregates"))
        host = parse_qs(urlsplit(server.get_uri("aggregates")).query)["host"][0]
        words = [str(PYTHON), str(FOLDER / "aggregates.py"), "aggregates", host]
        pipe = subprocess.PIPE
        self._running = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True)
        self.do("save", 1, 1)

    def do(self, *words: object) -> Rate:
        """Let it do a command, and return the rate."""
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        print(*words, file=self._running.stdin, flush=True)
        done = json.loads(self._running.stdout.readline())
        return Rate(done["count"] / done["seconds"], 1e6 * done["busy"] / done["count"])

    def close(self) -> None:
        """End it."""
        self._running.communicate()


# ── Both ─────────────────────────────────────────────────────────────────────────────────────────


def measure(server: PostgresServer, saves: Mapping[int, int], rounds: int) -> list[Line]:
    """Measure ours and the peer, in turns."""
    asyncio.run(fill(server.get_uri(TEMPLATE), make_issues(max(saves.values()))))
    peer = Peer(server)
    rates: dict[str, list[tuple[Rate, Rate]]] = {}
    for _ in range(rounds):
        for size, count in saves.items():
            ours = asyncio.run(measure_decisions(server, size, count))
            theirs = peer.do("save", size, count)
            record(rates, f"durable decisions/s, {size} in a commit", ours, theirs)
        theirs = peer.do("replay", REPLAY_BATCH)
        for name, cadence in ((REPLAY, NO_CHECKPOINTS), (REPLAY_WITH_STATES, CADENCE)):
            ours = asyncio.run(measure_replay(server, REPLAY_BATCH, cadence))
            record(rates, name, ours, theirs)
    peer.close()
    return [
        Line(
            f"{name}, and eventsourcing",
            statistics.median(ours.rate for ours, _ in measured),
            statistics.median(theirs.rate for _, theirs in measured),
            GOALS.get(name),
        )
        for name, measured in rates.items()
    ]


def record(rates: dict[str, list[tuple[Rate, Rate]]], name: str, ours: Rate, theirs: Rate) -> None:
    """Keep a round of both, and print it."""
    rates.setdefault(name, []).append((ours, theirs))
    print(
        f"{name}: gridcall {ours.rate:,.0f}/s, {ours.python_us:.0f} µs of Python each;",
        f"eventsourcing {theirs.rate:,.0f}/s, {theirs.python_us:.0f} µs",
        flush=True,
    )


def main() -> None:
    """Print all figures. The garbage collector runs as seldom as in a service."""
    collect_seldom()
    with own_server() as server:
        print_lines(measure(server, SAVES, ROUNDS))


if __name__ == "__main__":
    main()
