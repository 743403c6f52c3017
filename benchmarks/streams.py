"""Measure routing over Kafka beside stream processors on the same broker.

python -m benchmarks.streams

All read the same topic of issues, each in a process of its own, and take turns. Ours decides with
the map, commits to Postgres, which forces it to the disk, and publishes. The peers
(benchmarks/peers) are as their users run them:

- Quix Streams folds a state per issue (RocksDB, with a changelog on the broker), and produces an
  event. FastStream publishes an answer to each message of a batch, and stores nothing.
- At equal durability, Quix Streams and Kafka Streams run exactly once, and the broker forces each
  write to the disk.

Only the second half of the issues counts, because programs warm up. A rate is by the broker's
clock. Beside it is the time of all processors for an issue: of the process, of the broker and of
Postgres.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import asyncpg
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.load import ITEMS, Requests
from benchmarks.peers.environment import FOLDER, PYTHON
from benchmarks.report import Line, print_lines
from benchmarks.separate import DISTRICT, STAMPED, ServiceHost, service_host
from benchmarks.servers import busy_seconds, cpu_seconds, fetch_row
from eventlog.kafka.administration import apply, remove
from eventlog.kafka.topics import Cluster, Topic
from eventlog.notifier import Notifier
from eventlog.postgres.pool import open_database
from events.errors import Unavailable
from intake.acceptor import Acceptor
from intake.api_keys import ApiKey
from intake.submissions import IssueSubmission

ROUNDS, ISSUES = 3, 60_000
SOURCE, SINK = "gridcall.intake", "gridcall.cases"
POLL_SECONDS, RESULT_SECONDS = 0.1, 120
OURS = "gridcall"
FORCED = "log.flush.interval.messages=1"  # The broker forces each write to the disk.


class Peer(NamedTuple):
    """A peer, its command before the broker and the topics, and what follows those.

    `{folder}` is that of its state.
    """

    name: str
    command: tuple[str, ...]
    options: tuple[str, ...] = ()
    goal: float | None = None


QUIX = (str(PYTHON), str(FOLDER / "quix.py"))
FAST = (str(PYTHON), str(FOLDER / "fast.py"))
STREAMS_FOLDER = FOLDER / "streams"
STREAMS = ("java", "-cp", f"{STREAMS_FOLDER}/target/libs/*", str(STREAMS_FOLDER / "Fold.java"))
PEERS = (
    Peer("Quix Streams", QUIX, ("{folder}", "at-least-once"), goal=0.9),
    Peer("FastStream in batches", FAST, goal=0.9),
)
DURABLE_PEERS = (
    Peer("Quix Streams, durable", QUIX, ("{folder}", "exactly-once")),
    Peer("Kafka Streams, durable", STREAMS, ("{folder}",)),
)


class Result(NamedTuple):
    """Issues a second, and the µs of each processor for an issue."""

    rate: float
    own_us: float
    broker_us: float
    postgres_us: float

    @property
    def all_us(self) -> float:
        return self.own_us + self.broker_us + self.postgres_us


RATE, ALL_US = attrgetter("rate"), attrgetter("all_us")


async def accept(url: str, count: int) -> None:
    """Accept so many issues into intake's log."""
    issues = IssueSubmission(ApiKey("", DISTRICT, "bench", frozenset()), "hotline")
    requests = Requests("http://none")
    async with open_database(url) as database:
        acceptor = Acceptor(database, Notifier())
        for _ in range(count // ITEMS):
            bodies = [request.partition(b"\r\n\r\n")[2] for request in requests.single(ITEMS)]
            await acceptor.accept(DISTRICT, [issues.read(body)[0] for body in bodies])


# ── What is measured ─────────────────────────────────────────────────────────────────────────────

Progress = Callable[[], Awaitable[int]]


class Spent(NamedTuple):
    """Seconds of processors: of a process, of the broker and of Postgres."""

    own: float
    broker: float
    postgres: float


def spent_by(system: ServiceHost, running: subprocess.Popen[bytes]) -> Spent:
    """Return what a process, and what it uses, have spent by now."""
    broker = psutil.Process(int((system.broker.folder / "pid").read_text()))
    own = busy_seconds(psutil.Process(running.pid))
    return Spent(own, busy_seconds(broker), cpu_seconds(system.server))


async def measure_us(
    system: ServiceHost, running: subprocess.Popen[bytes], progress: Progress, wanted: int
) -> list[float]:
    """Return the µs of each processor for an issue of the second half."""
    first, begun = 0, spent_by(system, running)
    async with asyncio.timeout(RESULT_SECONDS):
        while (count := await progress()) < wanted:
            assert running.poll() is None, "it ended by itself"
            if count >= wanted // 2 and not first:
                first, begun = count, spent_by(system, running)
            await asyncio.sleep(POLL_SECONDS)
    ended = spent_by(system, running)
    return [
        1e6 * (after - before) / (wanted - first)
        for before, after in zip(begun, ended, strict=True)
    ]


@asynccontextmanager
async def consumer_of(cluster: Cluster, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer of a topic, which sees what was committed."""
    async with AIOKafkaConsumer(
        bootstrap_servers=cluster.brokers,
        enable_auto_commit=False,
        isolation_level="read_committed",
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        yield consumer


async def rate_of(cluster: Cluster, topic: str, issues: int, wanted: int) -> float:
    """Return the issues per second of the second half of a topic's first `wanted` records."""
    stamps = list[int]()
    async with consumer_of(cluster, topic) as consumer, asyncio.timeout(RESULT_SECONDS):
        await consumer.seek_to_beginning()
        while len(stamps) < wanted:
            for records in (await consumer.getmany(timeout_ms=500, max_records=5_000)).values():
                stamps += [record.timestamp for record in records]
    half = wanted // 2
    seconds = max(1, stamps[wanted - 1] - stamps[half]) / 1000
    return issues * (wanted - half) / wanted / seconds


# ── Ours and the peers ───────────────────────────────────────────────────────────────────────────

ROUTED = """
SELECT s.input, s.pos, s.pos - t.pos AS left FROM routing.shard s JOIN routing.sent t USING (shard)
"""


async def ours(system: ServiceHost, count: int) -> Result:
    """Measure `gridcall routing`, from intake's topic to that of cases."""
    cluster = system.broker.cluster
    system.start("intake")
    head = (await fetch_row(system.urls["intake"], "SELECT pos FROM intake.shard"))["pos"]
    async with consumer_of(cluster, SOURCE) as consumer:
        while await end_of(consumer, SOURCE) < head:
            await asyncio.sleep(POLL_SECONDS)
    running = system.spawn("routing", system.folder)
    system.processes["routing"] = running

    async def progress() -> int:
        with suppress(AssertionError, Unavailable, asyncpg.PostgresError):  # No row yet.
            row = await fetch_row(system.urls["routing"], ROUTED)
            return int(row["input"]) - bool(row["left"])
        return 0

    us = await measure_us(system, running, progress, head)
    rows = (await fetch_row(system.urls["routing"], "SELECT pos FROM routing.shard"))["pos"]
    system.end()
    return Result(await rate_of(cluster, SINK, count, rows), *us)


async def end_of(consumer: AIOKafkaConsumer, topic: str) -> int:
    """Return the offset after the last record of a topic."""
    partition = TopicPartition(topic, 0)
    return int((await consumer.end_offsets([partition]))[partition])


async def measure_peer(system: ServiceHost, peer: Peer, count: int, folder: Path) -> Result:
    """Measure a peer, on a topic and with a state of its own."""
    cluster, sink = system.broker.cluster, f"peer.{folder.name}"
    await apply(cluster, [Topic(sink, 1, STAMPED)])
    options = (option.format(folder=folder) for option in peer.options)
    words = [*peer.command, cluster.brokers, SOURCE, sink, *options]
    async with consumer_of(cluster, sink) as consumer:
        with (
            folder.with_suffix(".log").open("wb") as file,
            subprocess.Popen(words, stdout=file, stderr=file) as running,
        ):
            try:
                us = await measure_us(system, running, partial(end_of, consumer, sink), count)
                rate = await rate_of(cluster, sink, count, count)
            finally:
                running.terminate()
    await remove(cluster, [Topic(sink, 1, STAMPED)])
    return Result(rate, *us)


@contextmanager
def forced_writes(system: ServiceHost) -> Iterator[None]:
    """Let the broker force each write to the disk while the block runs."""
    words = ("kafka.admin.ConfigCommand", "--bootstrap-server", system.broker.address)
    options = ("--entity-type", "brokers", "--entity-default", "--alter")
    system.broker.do("tool", *words, *options, "--add-config", FORCED)
    try:
        yield
    finally:
        system.broker.do("tool", *words, *options, "--delete-config", FORCED.partition("=")[0])


def measure_round(system: ServiceHost, count: int, name: str) -> dict[str, Result]:
    """Measure ours and each peer once, after each other."""
    system.prepare()
    asyncio.run(accept(system.urls["intake"], count))
    results = {OURS: asyncio.run(ours(system, count))}
    print_result(OURS, results[OURS])

    def measure(peer: Peer) -> None:
        folder = system.folder / f"{name}-{len(results)}"
        results[peer.name] = asyncio.run(measure_peer(system, peer, count, folder))
        print_result(peer.name, results[peer.name])

    for peer in PEERS:
        measure(peer)
    with forced_writes(system):
        for peer in DURABLE_PEERS:
            measure(peer)
    return results


def print_result(name: str, result: Result) -> None:
    """Print a rate, and the time of each processor for an issue."""
    print(
        f"{name:26}{result.rate:9,.0f} issues/s; µs an issue: {result.own_us:.0f} of it,",
        f"{result.broker_us:.0f} of the broker, {result.postgres_us:.0f} of Postgres",
        flush=True,
    )


def measure_routing(system: ServiceHost, rounds: int, count: int) -> list[Line]:
    """Measure ours and the peers in turns: rates, and the time of all processors for an issue."""
    measured = [measure_round(system, count, f"round{number}") for number in range(rounds)]

    def median(name: str, figure: Callable[[Result], float]) -> float:
        return statistics.median(figure(each[name]) for each in measured)

    rates = [
        Line(
            f"routing, issues/s, and {peer.name}",
            median(OURS, RATE),
            median(peer.name, RATE),
            peer.goal,
        )
        for peer in (*PEERS, *DURABLE_PEERS)
    ]
    costs = [
        Line(
            f"µs of all processors an issue, and {peer.name}",
            median(OURS, ALL_US),
            median(peer.name, ALL_US),
            None,
        )
        for peer in (*PEERS, *DURABLE_PEERS)
    ]
    return [*rates, *costs]


def main() -> None:
    """Print all figures."""
    with service_host() as system:
        print_lines(measure_routing(system, ROUNDS, ISSUES))


if __name__ == "__main__":
    main()
