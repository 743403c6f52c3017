"""Chaos over Kafka: each service twice, on a database of its own, over a real broker.

`python -m tests.harness.chaos.over_kafka --seconds 600`. A proxy is the only network between
services and broker. An upstream system publishes issues beside the clients that post. A short form
with every fault runs with the tests.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.errors import KafkaError

from embedded.server import PostgresServer, start_server
from eventlog.kafka.administration import apply, remove
from eventlog.kafka.client import administrator
from events.errors import Unavailable
from gridcall.host.migrations import prepare
from gridcall.host.topics import system_topics
from httpedge.ports import free_ports
from tests.harness.broker import Broker, broker_port
from tests.harness.chaos.campaign import OFTEN, Campaign, Findings, arguments, finish, receipt
from tests.harness.chaos.upstream import UPSTREAM, Upstream
from tests.harness.commands import database_environment, read_output
from tests.harness.paths import ROOT
from tests.harness.postgres import CONNECTION_ERRORS, crash_database
from tests.harness.proxy import Proxy

SERVICES = ("intake", "routing", "escalation", "assessment")
FLEET = tuple(service for service in SERVICES for _ in range(2))
LOGS = ("intake", "cases", "calls", "evaluations", "time")
FAULTS = 17  # As many kinds.
PAUSE_SECONDS = 5.0  # Longer than a lease.
CAUGHT_UP_SECONDS = 120
POSITIONS = {
    "intake": "SELECT pos, (SELECT sum(pos) FROM intake.sent) AS sent, 0 AS input "
    "FROM intake.shard",
    "routing": "SELECT pos, (SELECT sum(pos) FROM routing.sent) AS sent, input FROM routing.shard",
    "escalation": "SELECT pos, (SELECT sum(pos) FROM escalation.sent) AS sent, input "
    "FROM escalation.shard",
    "assessment": "SELECT pos, (SELECT sum(pos) FROM assessment.sent) AS sent, input "
    "FROM assessment.shard",
}


class OverKafka(Campaign):
    """Each service in two processes on a database of its own."""

    def __init__(
        self, server: PostgresServer, folder: Path, seconds: float, seed: int, every: float
    ) -> None:
        super().__init__(server.get_uri("chaos"), seconds, seed)
        self.server = server
        self.folder = folder
        self.every = every  # Seconds between two faults.
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
        self.restarting = asyncio.Lock()  # A process is started once.
        self.touched = asyncio.Lock()  # One fault at a time concerns the broker or its topics.

    def service_databases(self) -> dict[str, str]:
        return {service: self.urls[service] for service in SERVICES[1:]}

    def intakes(self) -> list[str]:
        return [
            f"http://127.0.0.1:{port}"
            for port, service in zip(self.ports, FLEET, strict=True)
            if service == "intake"
        ]

    @asynccontextmanager
    async def run_processes(self) -> AsyncIterator[None]:
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
            self.processes = [self._start(number) for number in range(len(FLEET))]
            stack.callback(self._end)
            yield

    def _log_of(self, number: int) -> Path:
        return self.folder / f"{FLEET[number]}-{number}.log"

    def _log_tail(self, number: int) -> str:
        """Return the end of the log of a process."""
        return self._log_of(number).read_text(errors="replace")[-2000:]

    def _start(self, number: int) -> subprocess.Popen[bytes]:
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
            **OFTEN,
        }
        words = [sys.executable, "-m", service]
        with self._log_of(number).open("ab") as log_file:
            return subprocess.Popen(
                words,
                env={**database_environment(self.urls[service]), **environment},
                cwd=ROOT,
                stderr=log_file,
            )

    def _end(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    async def add_load(self) -> None:
        await self.upstream.run(self.over, lambda reference: self._issue(reference, self.chance))

    # Faults

    async def do_harm(self) -> None:
        """Cause each fault in turn, again and again. The seed decides the order."""
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
        over = time.monotonic() + self.seconds - 3
        async with asyncio.TaskGroup() as group:
            while True:
                self.chance.shuffle(faults)
                for name, fault in faults:
                    await asyncio.sleep(self.every)
                    if time.monotonic() > over and len(self.findings.faults) == FAULTS:
                        return
                    self.findings.faults[name] += 1
                    group.create_task(fault())  # type: ignore[arg-type]

    def _one_of(self, service: str) -> int:
        return self.chance.choice([number for number, each in enumerate(FLEET) if each == service])

    async def _kill(self, number: int) -> None:
        async with self.restarting:
            self.processes[number].kill()
            await asyncio.to_thread(self.processes[number].wait)
            self.processes[number] = self._start(number)

    async def _pause(self, number: int) -> None:
        process = self.processes[number]
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(PAUSE_SECONDS)
        process.send_signal(signal.SIGCONT)

    async def _kill_relay(self) -> None:
        """Kill the process that has the lease of a relay."""
        service = self.chance.choice(SERVICES)
        with suppress(*CONNECTION_ERRORS):
            owner = await self._fetch_value(service, f"SELECT owner FROM {service}.sent")
            pids = {process.pid: number for number, process in enumerate(self.processes)}
            if owner and (number := pids.get(int(owner.split(":")[1]))) is not None:
                await self._kill(number)

    async def _fetch_value(self, service: str, sql: str) -> Any:
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
            await self._fetch_value(
                self.chance.choice(SERVICES),
                f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {others}",
            )

    async def _restart_databases(self) -> None:
        def crash() -> None:
            with crash_database(self.server):
                pass

        await asyncio.to_thread(crash)

    async def _pass_retention(self) -> None:
        """Delete all records of a log while its readers are dead."""
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
                self.processes[number] = self._start(number)

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
        """Repeat work on topics until it is done, because connections may be cut meanwhile."""
        for _ in range(20):
            with suppress(Unavailable, KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(30):
                    await work()
                return
            await asyncio.sleep(0.5)
        raise AssertionError("the broker does not do it")

    # Afterwards

    async def catch_up(self) -> None:
        """Wait until everything is applied, published and answered."""
        deadline = time.monotonic() + CAUGHT_UP_SECONDS
        while not await self._is_at_rest():
            await asyncio.sleep(0.2)  # No event says that all processes are at rest.
            if time.monotonic() > deadline:
                self.findings.wrong += 1
                self.findings.notes.append("they did not come to rest:")
                self.findings.notes += [self._log_tail(number) for number in range(len(FLEET))]
                break
        for number, process in enumerate(self.processes):
            if process.poll() is not None:
                self.findings.wrong += 1
                self.findings.notes.append(
                    f"{FLEET[number]} ended by itself with {process.returncode}: "
                    f"{self._log_tail(number)}"
                )
        for reference in sorted(self.upstream.published):
            answer = self.upstream.answers.get(reference, {"status": 0})
            self.findings.receipts.append(receipt("issue", UPSTREAM, "hotline", reference, answer))
        unanswered = sum(
            1 for reference in self.upstream.published if reference not in self.upstream.answers
        )
        stored = await self._fetch_value(
            "intake", "SELECT count(DISTINCT value) FROM intake.quarantine"
        )
        self.findings.notes.append(
            f"upstream: {len(self.upstream.published):,} issues published, "
            f"{unanswered} without an answer; "
            f"{len(self.upstream.poison)} poison, {stored} in quarantine"
        )
        self.findings.wrong += unanswered + abs(len(self.upstream.poison) - stored)

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
            if assessment["input"] < routing["pos"] + escalation["pos"]:
                return False
            await self.upstream.read_answers()
            return self.upstream.published <= self.upstream.answers.keys()
        return False


def campaign(folder: Path, seconds: float, seed: int, every: float) -> Findings:
    """Run a campaign on a database server and a broker of its own."""

    async def run() -> Findings:
        return await OverKafka(
            start_server(folder / "postgres"), folder, seconds, seed, every
        ).run()

    (folder / "postgres").mkdir()
    return asyncio.run(run())


def main() -> None:
    """Run a campaign and print its findings."""
    parser = arguments(__doc__, 600)
    parser.add_argument("--every", type=float, default=4.0, help="Seconds between two faults.")
    chosen = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)
    finish(chosen, lambda folder: campaign(folder, chosen.seconds, chosen.seed, chosen.every))


if __name__ == "__main__":
    main()
