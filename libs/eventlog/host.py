"""The services of one process: their logs and shards, their tasks, and the orderly end.

A service follows every shard that the directory lists, from the moment at which it is listed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI

from eventlog.checkpoints import CADENCE, Cadence
from eventlog.condition import Condition, Replay
from eventlog.core.log import OutcomeSource, Source
from eventlog.http_log import log_routes
from eventlog.kafka.publisher import Publisher
from eventlog.kafka.reader import KafkaLog
from eventlog.kafka.relay import Relay
from eventlog.log_once import LogOnce, Outages
from eventlog.notifier import Notifier
from eventlog.peers import Directory, Peers, service_key_guard
from eventlog.postgres.generation import DatabaseCheck, NewGeneration
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, listen
from eventlog.tracing import Tracing
from events.errors import Unavailable
from events.instants import Instant
from httpedge.open_requests import OpenRequests

LOOK_SECONDS = 1.0
FAULT_STATUS = 70  # Of a process that one of its own tasks ended.

log = logging.getLogger("gridcall")


def process_name() -> str:
    """Return the name with which this process signs its leases."""
    return f"{socket.gethostname()}:{os.getpid()}"


class ServiceHost:
    """The database, logs, shards and tasks that the services of one process share.

    Without `peers` all services share one database. With `peers` this process is one service,
    named `service`, and reads the others over Kafka. `writers` names the service of each log,
    which is its schema in the database. `speed` is how fast the districts' time runs. `check` is
    for the database of the first log. `cadence` is that of the stages' checkpoints. `tracing` is
    None while traces are off.
    """

    def __init__(
        self,
        *,
        url: str,
        database: Database,
        check: DatabaseCheck | None,
        directory: Directory,
        writers: Mapping[str, str],
        peers: Peers | None = None,
        service: str = "",
        speed: float = 1.0,
        cadence: Cadence = CADENCE,
        tracing: Tracing | None = None,
    ) -> None:
        self.url = url
        self.directory = directory
        self.peers = peers
        self.speed = speed
        self.tracing = tracing
        self.notifier = Notifier()
        self.owner = process_name()
        self.closing = asyncio.Event()
        self.publisher = Publisher(peers.cluster) if peers else None
        self.logs: dict[str, PostgresLog] = {}  # In this database.
        self.followed: dict[str, KafkaLog] = {}
        self.numbers: dict[str, int] = {}  # Of the shards.
        self.knows_shards = False  # True once the directory was read.
        self.relays: dict[tuple[str, str], Relay] = {}
        self.services: tuple[HostedService, ...] = ()
        self._outages: dict[str, Outages] = {}
        self.announcing_fault = ""  # The reason for which a restored database is not noticed.
        self.database = database
        self._check = check
        self._service = service
        self._cadence = cadence
        self._writers = writers
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_ending = False

    # ── Logs ─────────────────────────────────────────────────────────────────────────────────────

    def own_log(self, name: str) -> PostgresLog:
        """Return a log that is in this database."""
        if name not in self.logs:
            self.logs[name] = PostgresLog(
                name,
                self._writers[name],
                self.database,
                self.notifier,
                self.owner,
                self._cadence,
                self.tracing,
            )
        return self.logs[name]

    def source(self, name: str) -> Source:
        """Return a log to follow: a table of this database, or the topic of a peer."""
        if self.peers is None:
            return self.own_log(name)
        if name not in self.followed:
            self.followed[name] = KafkaLog(
                name,
                self.peers.cluster,
                lambda shard: self.numbers.get(shard, -1),
                self.peers.log(name),
                self.notifier,
                f"{self.peers.cluster.prefix}.{self._service}",
                self.outages(self._service),
                self.tracing,
            )
        return self.followed[name]

    def writer(self, name: str) -> OutcomeSource:
        """Return a log as its writer has it."""
        if self.peers is None or name in self.logs:
            return self.own_log(name)
        return self.peers.log(name)

    def outages(self, service: str) -> Outages:
        """Return the outages of a service of this process."""
        return self._outages.setdefault(service, Outages(log, service))

    def unavailable_neighbours(self) -> set[str]:
        """Return the neighbours of which this process meets an outage."""
        return set().union(*(each.neighbours for each in self._outages.values()))

    def replays(self) -> list[Replay]:
        """Return the replays that go on in this process."""
        return [replay for service in self.services for replay in service.replays()]

    def due_shards(self, now: Instant) -> set[str]:
        """Return the shards in which a timer is due that a stage of this process keeps."""
        return {shard for service in self.services for shard in service.due_shards(now)}

    def awaits_time(self, shard: str, now: Instant) -> bool:
        """Tell if somebody waits until a shard has reached `now`. Other processes always do."""
        return self.peers is not None or any(
            service.awaits_time(shard, now) for service in self.services
        )

    # ── Running ──────────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def run(self, *services: HostedService) -> AsyncIterator[None]:
        """Run services until the end of the block. Then finish accepted work and release shards."""
        self.services = services
        self.start(listen(self.url, self.notifier, self.database.sessions))
        if self._check:
            self.start(self._announce(self._check))
        self.start(self._keep_shards())
        for followed in self.followed.values():
            self.start(followed.run())
        for service in services:
            service.start()
        try:
            yield
        finally:
            await self._end()

    async def _end(self) -> None:
        for service in self.services:
            await service.drain()
        self._is_ending = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.publisher:
            await self.publisher.close()

    def close(self) -> None:
        """Answer all who wait for future rows: live pages, and readers of logs."""
        self.closing.set()
        self.notifier.notify_all()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start work that goes on until the end of the block."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._exit_on_fault)

    def _exit_on_fault(self, task: asyncio.Task[None]) -> None:
        """End the process with a task that ended by itself. Its restart continues from the logs."""
        if not self._is_ending:
            fault = None if task.cancelled() else task.exception()
            log.critical("%s ended: this process ends too", task, exc_info=fault)
            os._exit(FAULT_STATUS)

    async def _announce(self, check: DatabaseCheck) -> None:
        """Record how far the database is, so that a restored one is noticed."""
        once = LogOnce(log)
        while True:
            try:
                check.announce(await self.database.on_connection(check.state))
                self.announcing_fault = ""
                once.clear()
            except (Unavailable, NewGeneration):
                pass  # The tasks that store rows log it.
            except OSError as fault:
                self.announcing_fault = f"the announced position is not stored: {fault}"
                once.error(f"{self.announcing_fault}; a restored database would not be noticed")
            await asyncio.sleep(LOOK_SECONDS)

    async def _keep_shards(self) -> None:
        """Begin with every shard that the directory lists."""
        while True:
            with suppress(Unavailable, NewGeneration):
                for shard, number in (await self.directory.shards()).items():
                    if shard not in self.numbers:
                        self.numbers[shard] = number
                        self._begin(shard)
                self.knows_shards = True
            await asyncio.sleep(LOOK_SECONDS)

    def _begin(self, shard: str) -> None:
        for service in self.services:
            service.begin(shard)
        if self.publisher:
            for name, own in self.logs.items():
                outages = self.outages(own.schema)
                relay = Relay(own, shard, self.numbers[shard], self.publisher, outages)
                self.relays[name, shard] = relay
                self.start(relay.run())


class HostedService:
    """A service of this process. A subclass adds its own routes, tasks and shards."""

    def __init__(self, host: ServiceHost, name: str) -> None:
        self.host = host
        self.name = name

    def include_routes(self, app: FastAPI, key: str) -> None:
        """Add the routes of a service that runs alone. `key` is the services' shared key."""
        for own in self.host.logs.values():
            open_requests = OpenRequests("waiting readers")
            routes = log_routes(own, self.host.notifier, self.host.closing, open_requests)
            app.include_router(routes, dependencies=[service_key_guard(key)])

    def start(self) -> None:
        """Start the service's own tasks."""

    def begin(self, shard: str) -> None:
        """Begin with a shard that was not known before."""

    async def unread(self) -> Mapping[str, int]:
        """Return the rows of each log and shard that wait to be applied. Raises Unavailable."""
        return {}

    async def condition(self, *, with_parked: bool = True) -> Condition:
        """Return how far each shard is, and what is wrong. Raises Unavailable."""
        return Condition(service=self.name)

    async def obstacles(self, *, named: bool = False) -> list[str]:
        """Return why the service cannot work now. Districts may be `named`. Raises Unavailable."""
        return []

    def replays(self) -> list[Replay]:
        """Return the replays that go on in this process."""
        return []

    async def measure(self) -> None:
        """Set the gauges of what only this service knows. Raises Unavailable."""

    def due_shards(self, now: Instant) -> Collection[str]:
        """Return the shards in which a timer is due that a stage of this service keeps."""
        return ()

    def awaits_time(self, shard: str, now: Instant) -> bool:
        """Tell if somebody waits here until a shard has reached `now`."""
        return False

    def inbound(self) -> Mapping[str, int]:
        """Return the records of each topic and partition that wait to be accepted."""
        return {}

    async def drain(self) -> None:
        """Finish all work that was accepted."""
