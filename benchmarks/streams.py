"""Measure routing over Kafka beside stream processors on the same broker, then all services.

python -m benchmarks.streams

All read the same topic of issues. Ours decides with the map, commits to Postgres, and publishes.
Quix Streams folds a state per issue (RocksDB, with a changelog on the broker) and produces an
event. FastStream publishes an answer to each message and stores nothing. Each runs in a process of
its own, and they take turns. A rate counts issues from the first result on its topic to the last
one, by the broker's own clock. The peers' packages are their own (benchmarks/peers).
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.load import ITEMS, Requests, as_fast_as_it_goes, at_a_rate
from benchmarks.report import Line, print_lines
from benchmarks.servers import fetch_row, own_server, server_settings
from embedded.server import PostgresServer
from eventlog.kafka.administration import apply, remove
from eventlog.kafka.topics import Cluster, Topic
from eventlog.notifier import Notifier
from eventlog.postgres.pool import open_database
from gridcall.host.migrations import prepare
from gridcall.host.topics import system_topics
from intake.acceptor import Acceptor
from intake.api_keys import ApiKey
from intake.submissions import IssueSubmission
from tests.harness.broker import Broker, running_broker
from tests.harness.live import adopt_exampleville
from tests.harness.separate_services import SeparateServices

ROOT = Path(__file__).parent.parent
ROUNDS = 3
ISSUES, FOR_FAST = 60_000, 5_000
PIPELINE, FOLLOWED_SECONDS = 20_000, 10.0
PEERS = ROOT / "benchmarks" / "peers"
PEER_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
DISTRICT = "exampleville"
# The broker stamps records, because a peer may pass on the time of its input.
STAMPED = {"message.timestamp.type": "LogAppendTime"}


class ServiceHost(SeparateServices):
    """Separate services, each with a database of its own, on topics of their own."""

    def __init__(self, server: PostgresServer, broker: Broker, folder: Path) -> None:
        super().__init__(server.get_uri("postgres"), broker, folder)
        self.secret = ""

    def prepare(self) -> None:
        """Make fresh databases with the made-up city, and fresh topics."""
        for path in self.folder.glob("announced-*"):
            path.unlink()
        asyncio.run(prepare(self.urls["intake"], forget=True))
        for service in ("routing", "escalation"):
            asyncio.run(prepare(self.urls[service], services=[service], forget=True))
        self.secret = adopt_exampleville(self.urls["intake"])
        topics = [
            topic._replace(settings=topic.settings | STAMPED)
            for topic in system_topics(self.broker.cluster, 1)
        ]
        asyncio.run(remove(self.broker.cluster, topics))
        asyncio.run(apply(self.broker.cluster, topics))

    def end(self) -> None:
        """End all processes."""
        for process in self.processes.values():
            process.terminate()
            process.wait()
        self.processes.clear()


# ── The stage ────────────────────────────────────────────────────────────────────────────────────


async def accept(url: str) -> None:
    """Accept all issues into intake's log."""
    issues, key = (
        IssueSubmission(ApiKey("", DISTRICT, "bench", frozenset()), "hotline"),
        Requests("http://none"),
    )
    async with open_database(url) as database:
        acceptor = Acceptor(database, Notifier())
        for _ in range(ISSUES // ITEMS):
            bodies = [request.partition(b"\r\n\r\n")[2] for request in key.single(ITEMS)]
            await acceptor.accept(DISTRICT, [issues.read(body)[0] for body in bodies])


async def wait_for_records(
    cluster: Cluster, topic: str, wanted: int, unless: Callable[[], bool]
) -> None:
    """Wait until a topic has `wanted` records. Raises AssertionError if `unless` holds."""
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(
        bootstrap_servers=cluster.brokers, enable_auto_commit=False
    ) as consumer:
        while True:
            with suppress(Exception):  # The topic may not be there yet.
                if (await consumer.end_offsets([partition]))[partition] >= wanted:
                    return
            assert not unless(), "it ended by itself"
            await asyncio.sleep(0.2)


async def seconds_between(cluster: Cluster, topic: str) -> float:
    """Return the seconds from the first record of a topic to the last one."""
    stamps = list[int]()
    async with AIOKafkaConsumer(
        bootstrap_servers=cluster.brokers, enable_auto_commit=False
    ) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        for offset in (0, end - 1):
            consumer.seek(partition, offset)
            stamps.append((await consumer.getone(partition)).timestamp)
    return max(1, stamps[1] - stamps[0]) / 1000


def ours(system: ServiceHost) -> float:
    """Return the issues per second of `gridcall routing`, from intake's topic to that of cases."""
    cluster = system.broker.cluster
    system.start("intake")
    heads = asyncio.run(fetch_row(system.urls["intake"], "SELECT pos FROM intake.shard"))
    asyncio.run(wait_for_records(cluster, "gridcall.intake", heads["pos"], lambda: False))
    system.start("routing")

    sql = "SELECT s.input, s.pos - t.pos AS left FROM routing.shard s JOIN routing.sent t"
    sql += " USING (shard)"
    while True:
        with suppress(AssertionError):  # There is no row yet.
            head = asyncio.run(fetch_row(system.urls["routing"], sql))
            if head["input"] >= heads["pos"] and not head["left"]:
                break
        time.sleep(0.2)
    system.end()
    return ISSUES / asyncio.run(seconds_between(cluster, "gridcall.cases"))


def peer(system: ServiceHost, name: str, count: int, *options: str) -> float:
    """Return the messages per second of a peer."""
    cluster, sink = system.broker.cluster, f"peer.{name}"
    topic = Topic(sink, 1, STAMPED)
    asyncio.run(remove(cluster, [topic]))
    asyncio.run(apply(cluster, [topic]))
    words = [
        str(PEER_PYTHON),
        str(PEERS / f"{name}.py"),
        cluster.brokers,
        "gridcall.intake",
        sink,
        *options,
    ]
    with (
        (system.folder / f"{name}.log").open("ab") as file,
        subprocess.Popen(words, stdout=file, stderr=file) as running,
    ):
        asyncio.run(wait_for_records(cluster, sink, count, lambda: running.poll() is not None))
        running.terminate()
    return asyncio.run(rate_of(cluster, sink))


async def rate_of(cluster: Cluster, topic: str) -> float:
    """Return the records per second of a topic."""
    async with AIOKafkaConsumer(
        bootstrap_servers=cluster.brokers, enable_auto_commit=False
    ) as consumer:
        count = (await consumer.end_offsets([TopicPartition(topic, 0)]))[TopicPartition(topic, 0)]
    return float(count / await seconds_between(cluster, topic))


def measure_stage(system: ServiceHost) -> list[Line]:
    """Measure routing and its peers, in turns."""
    rates: dict[str, list[float]] = {"ours": [], "quix": [], "fast": []}
    for number in range(ROUNDS):
        system.prepare()
        asyncio.run(accept(system.urls["intake"]))
        rates["ours"].append(ours(system))
        rates["quix"].append(peer(system, "quix", ISSUES, str(system.folder / f"quix{number}")))
        rates["fast"].append(peer(system, "fast", FOR_FAST))
        print(", ".join(f"{name} {each[-1]:,.0f}/s" for name, each in rates.items()), flush=True)
    routed, quix, fast = (statistics.median(each) for each in rates.values())
    return [
        Line("routing over Kafka and Postgres, issues/s, and Quix Streams", routed, quix, 2),
        Line("routing over Kafka and Postgres, issues/s, and FastStream", routed, fast, 8),
    ]


# ── All services ─────────────────────────────────────────────────────────────────────────────────


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
    """Print all figures. `make bench`."""
    with (
        own_server() as server,
        tempfile.TemporaryDirectory() as folder,
        running_broker(Path(folder) / "kafka") as broker,
    ):
        print(asyncio.run(server_settings(server)), flush=True)
        system = ServiceHost(server, broker, Path(folder))
        try:
            print_lines([*measure_stage(system), *measure_all_services(system)])
        finally:
            system.end()


if __name__ == "__main__":
    main()
