"""The services of one process: every service finds its districts in intake's list and keeps a shard for each."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any

from assessment.fact_projection import FactProjection
from escalation.stage import escalation_stages
from eventlog.core.log import Source
from eventlog.http_log import HttpLog
from eventlog.kafka.reader import KafkaLog
from eventlog.kafka.relay import Publisher, Relay
from eventlog.notifier import Notifier
from eventlog.postgres.generation import DatabaseCheck, NewGeneration
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, listen
from eventlog.runner import Processor, ShardSupervisor
from events.catalogue import LINES
from events.errors import GridcallError, Unavailable
from events.topology import WRITER
from gridcall.host.peers import Peers
from intake.acceptor import Acceptor, ClockLeapt
from intake.inbound.consumer import Inbound
from intake.store import IntakeStore
from routing.contents import Contents
from routing.stage import routing_stages
from screen.follower import Follower
from screen.routes import Screen

SERVICES = ("intake", "routing", "escalation", "assessment", "screen")
LOGS = ("intake", "cases", "calls")
TICK_SECONDS = 1.0
AGAIN_SECONDS = 0.2
MERGED_ROWS = 4_000  # At once: the more rows, the fewer facts are written again.

log = logging.getLogger("gridcall")


def this_process() -> str:
    """How this process signs its leases."""
    return f"{socket.gethostname()}:{os.getpid()}"


class ServiceHost:
    """The services of one process on one database.

    `elsewhere`: the others are not on it, and are reached over Kafka. `fed`: time passes with what is fed to intake, alone.
    """

    def __init__(
        self,
        url: str,
        database: Database | None,
        services: Collection[str],
        check: DatabaseCheck,
        speed: float,
        elsewhere: Peers | None = None,
        fed: bool = False,
    ) -> None:
        self.url = url
        self.database = database
        self.check = check
        self.services = services
        self.notifier = Notifier()
        self.elsewhere = elsewhere
        self.door = Acceptor(self.stored, self.notifier) if "intake" in services else None
        self.own: dict[str, PostgresLog] = {}  # The logs that lie in this database.
        self.over_kafka: dict[str, KafkaLog] = {}
        self.numbers: dict[str, int] = {}  # Of the districts.
        self.keepers: dict[tuple[str, str], ShardSupervisor] = {}
        self.relays: dict[tuple[str, str], Relay] = {}
        self.inbound: dict[str, Inbound] = {}  # By line.
        self._publisher = Publisher(elsewhere.kafka) if elsewhere else None
        self.intake, self.cases, self.calls = (self._log(name) for name in LOGS)
        if "assessment" in services:
            self._log("evaluations")  # Nobody here reads it.
        lookup = elsewhere.contents if elsewhere else IntakeStore(self.stored).contents
        contents = Contents(lookup)
        self._routing = routing_stages(contents, contents.fetch)
        self._escalation = escalation_stages()
        self._speed = speed
        self._fed = fed
        self.closing = asyncio.Event()
        self.screen = Screen(lambda digest: lookup([digest]), self.closing)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_ending = False

    def _log(self, name: str) -> PostgresLog | KafkaLog | HttpLog:
        if self.elsewhere is None or WRITER[name] in self.services:
            own = self.own[name] = PostgresLog(
                name, WRITER[name], self.stored, self.notifier, this_process()
            )
            return own
        writer = self.elsewhere.log(name)
        if self.door:
            return (
                writer  # The door follows no log: who waits there for an outcome asks its writer.
            )
        cluster, (service,) = self.elsewhere.kafka, self.services
        made = self.over_kafka[name] = KafkaLog(
            name, cluster, self._number_of, writer, self.notifier, f"{cluster.prefix}.{service}"
        )
        return made

    def writer(self, name: str) -> Source:
        """A log as its writer has it."""
        return self.over_kafka[name].writer if name in self.over_kafka else self.own[name]

    def _number_of(self, district: str) -> int:
        return self.numbers.get(district, -1)

    @property
    def stored(self) -> Database:
        """The database, which everything but a screen of its own has."""
        assert self.database is not None
        return self.database

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run until the end of the block; then answer what was taken, and let the shards go."""
        if self.database:
            self.start(listen(self.url, self.notifier, self.database.sessions))
            self.start(self._announce())
        self.start(self._keep_districts())
        for each in self.over_kafka.values():
            self.start(each.run())
        if self.door and not self._fed:
            self.start(self._let_time_pass(self.door))
            if self.elsewhere and self._publisher:
                cluster, publisher = self.elsewhere.kafka, self._publisher
                for line in LINES:
                    self.inbound[line] = Inbound(
                        line, cluster, self.stored, self.door, publisher, this_process()
                    )
                    self.start(self.inbound[line].run())
        try:
            yield
        finally:
            if self.door:
                await self.door.drain()
            self._is_ending = True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._publisher:
                await self._publisher.close()

    def close(self) -> None:
        """Answer those who wait for what is to come: the live pages, and the readers of logs."""
        self.closing.set()
        self.notifier.notify_all()

    def start(self, work: Any) -> None:
        """Work until the end of the block."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that ends by itself is a fault: the process ends with it, and is started again with what the log has."""
        if not self._is_ending:
            log.critical(
                "%s ended: this process ends too",
                task,
                exc_info=None if task.cancelled() else task.exception(),
            )
            os._exit(70)

    async def _let_time_pass(self, door: Acceptor) -> None:
        while True:
            try:
                await door.tick()
            except (Unavailable, ClockLeapt, NewGeneration) as fault:
                log.warning("time stands still: %s", fault)
            await asyncio.sleep(TICK_SECONDS)

    async def _announce(self) -> None:
        """Remember how far the database was, so that a restored one is noticed."""
        while True:
            with suppress(Unavailable, NewGeneration):
                await self.stored.on_connection(self.check.announce)
            await asyncio.sleep(TICK_SECONDS)

    async def _keep_districts(self) -> None:
        """Keep a shard of each stage for every district that intake knows."""
        while True:
            with suppress(Unavailable, NewGeneration):
                self.numbers.update(await self._districts())
                for district in self.numbers:
                    self._keep(district)
            await asyncio.sleep(TICK_SECONDS)

    async def _districts(self) -> dict[str, int]:
        """The districts and their numbers."""
        if self.elsewhere and "intake" not in self.services:
            return await self.elsewhere.districts()
        return await IntakeStore(self.stored).districts()

    def _keep(self, district: str) -> None:
        makers: dict[str, tuple[str, Callable[[], Processor]]] = {
            "routing": ("cases", lambda: self._routing.runner(district, self._logs())),
            "escalation": ("calls", lambda: self._escalation.runner(district, self._logs())),
            "assessment": ("evaluations", lambda: self._assessment(district)),
        }
        for service, (sink, made) in makers.items():
            if service in self.services and (service, district) not in self.keepers:
                keeper = self.keepers[service, district] = ShardSupervisor(
                    district, self.own[sink], self.notifier, made
                )
                self.start(keeper.run())
        if self._publisher:
            self._publish(district, self._publisher)
        if "screen" in self.services and district not in self.screen.followers:
            logs = {each.name: each for each in (self.intake, self.cases, self.calls)}
            follower = self.screen.followers[district] = Follower(
                district, logs, self.notifier, self._speed
            )
            self.start(follower.run())

    def _publish(self, district: str, publisher: Publisher) -> None:
        """Keep a relay for each log that is written here; let intake hear what becomes of its inputs."""
        for name, each in self.own.items():
            if (name, district) not in self.relays:
                relay = Relay(each, district, self.numbers[district], publisher)
                self.relays[name, district] = relay
                self.start(relay.run())
                for outcomes in (self.cases, self.calls):
                    if isinstance(outcomes, HttpLog):
                        self.start(self._hear(outcomes, district))

    async def _hear(self, outcomes: HttpLog, district: str) -> None:
        """While somebody waits for an outcome, ask its writer for what comes next, and ring. Nothing is kept."""
        position = 0
        while True:
            await self.notifier.wait_for_waiter(outcomes.name, district)
            try:
                if await outcomes.read(district, position, 1, wait=TICK_SECONDS):
                    position = (await outcomes.watermark(district)).position
                    self.notifier.notify(outcomes.name, district)
            except GridcallError:
                await asyncio.sleep(AGAIN_SECONDS)  # Nothing announces that a writer is back.

    def _logs(self) -> dict[str, Any]:
        return {each.name: each for each in (self.intake, self.cases, self.calls)}

    def _assessment(self, district: str) -> FactProjection:
        return FactProjection(
            district, self.cases, self.calls, self.own["evaluations"], MERGED_ROWS
        )
