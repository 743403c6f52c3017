"""The services of one process: their logs and shards, their tasks, and the orderly end.

A service follows every shard that the directory lists, from the moment at which it is listed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Protocol

from fastapi import FastAPI

from eventlog.core.log import Source
from eventlog.http_log import log_routes
from eventlog.kafka.publisher import Publisher
from eventlog.kafka.reader import KafkaLog
from eventlog.kafka.relay import Relay
from eventlog.notifier import Notifier
from eventlog.peers import Directory, Peers, service_key_guard
from eventlog.postgres.generation import DatabaseCheck, NewGeneration
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, listen
from eventlog.supervisor import Processor, ShardSupervisor
from events.errors import Unavailable

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
    which is its schema in the database.
    """

    def __init__(
        self,
        *,
        url: str,
        database: Database | None,
        check: DatabaseCheck,
        directory: Directory,
        writers: Mapping[str, str],
        peers: Peers | None = None,
        service: str = "",
    ) -> None:
        self.url = url
        self.directory = directory
        self.peers = peers
        self.notifier = Notifier()
        self.owner = process_name()
        self.closing = asyncio.Event()
        self.publisher = Publisher(peers.cluster) if peers else None
        self.logs: dict[str, PostgresLog] = {}  # In this database.
        self.followed: dict[str, KafkaLog] = {}
        self.numbers: dict[str, int] = {}  # Of the shards.
        self.relays: dict[tuple[str, str], Relay] = {}
        self.services: tuple[HostedService, ...] = ()
        self._database = database
        self._check = check
        self._service = service
        self._writers = writers
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_ending = False

    # ── Logs ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def database(self) -> Database:
        """Return the database. A service that stores nothing has none."""
        assert self._database is not None, "this service has no database"
        return self._database

    async def check_database(self) -> None:
        """Raise Unavailable if the database does not answer."""
        if self._database:
            await self._database.fetch("SELECT 1")

    def own_log(self, name: str) -> PostgresLog:
        """Return a log that is in this database."""
        if name not in self.logs:
            self.logs[name] = PostgresLog(
                name, self._writers[name], self.database, self.notifier, self.owner
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
            )
        return self.followed[name]

    def writer(self, name: str) -> Source:
        """Return a log as its writer has it."""
        if self.peers is None or name in self.logs:
            return self.own_log(name)
        return self.peers.log(name)

    # ── Running ──────────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def run(self, *services: HostedService) -> AsyncIterator[None]:
        """Run services until the end of the block. Then finish accepted work and release shards."""
        self.services = services
        if self._database:
            self.start(listen(self.url, self.notifier, self._database.sessions))
            self.start(self._announce())
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

    async def _announce(self) -> None:
        """Record how far the database is, so that a restored one is noticed."""
        while True:
            with suppress(Unavailable, NewGeneration):
                await self.database.on_connection(self._check.announce)
            await asyncio.sleep(LOOK_SECONDS)

    async def _keep_shards(self) -> None:
        """Begin with every shard that the directory lists."""
        while True:
            with suppress(Unavailable, NewGeneration):
                for shard, number in (await self.directory.shards()).items():
                    if shard not in self.numbers:
                        self.numbers[shard] = number
                        self._begin(shard)
            await asyncio.sleep(LOOK_SECONDS)

    def _begin(self, shard: str) -> None:
        for service in self.services:
            service.begin(shard)
        if self.publisher:
            for name, own in self.logs.items():
                relay = Relay(own, shard, self.numbers[shard], self.publisher)
                self.relays[name, shard] = relay
                self.start(relay.run())


class HostedService:
    """A service of this process. A subclass adds its own routes, tasks and shards."""

    def __init__(self, host: ServiceHost) -> None:
        self.host = host

    def include_routes(self, app: FastAPI, key: str) -> None:
        """Add the routes of a service that runs alone. `key` is the services' shared key."""
        for own in self.host.logs.values():
            routes = log_routes(own, self.host.notifier, self.host.closing)
            app.include_router(routes, dependencies=[service_key_guard(key)])

    def start(self) -> None:
        """Start the service's own tasks."""

    def begin(self, shard: str) -> None:
        """Begin with a shard that was not known before."""

    async def unread(self) -> Mapping[str, int]:
        """Return the rows of each log and shard that wait to be applied. Raises Unavailable."""
        return {}

    def inbound(self) -> Mapping[str, int]:
        """Return the records of each topic and partition that wait to be accepted."""
        return {}

    async def drain(self) -> None:
        """Finish all work that was accepted."""


class ProcessorFactory(Protocol):
    """The logs that a stage reads and writes, and a processor for a shard."""

    @property
    def sources(self) -> Sequence[str]:
        """Return the logs to read."""

    @property
    def sink(self) -> str:
        """Return the log to write."""

    def processor(self, shard: str, logs: Mapping[str, Any]) -> Processor:
        """Return a fresh processor of a shard."""


class StageService(HostedService):
    """A service that follows logs and writes its own, with a supervisor for each shard."""

    def __init__(self, host: ServiceHost, stages: ProcessorFactory) -> None:
        super().__init__(host)
        self.sink = host.own_log(stages.sink)
        self.supervisors: dict[str, ShardSupervisor] = {}
        self._stages = stages
        sources = {name: host.source(name) for name in stages.sources}
        self._logs: dict[str, Source] = {**sources, stages.sink: self.sink}

    def begin(self, shard: str) -> None:
        make = partial(self._stages.processor, shard, self._logs)
        supervisor = ShardSupervisor(shard, self.sink, self.host.notifier, make)
        self.supervisors[shard] = supervisor
        self.host.start(supervisor.run())

    async def unread(self) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for shard, supervisor in self.supervisors.items():
            for name, position in (supervisor.runner.read if supervisor.runner else {}).items():
                head = (await self.host.writer(name).watermark(shard)).position
                counts[f"{name}/{shard}"] = max(0, head - position)
        return counts
