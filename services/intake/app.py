"""Intake as a program: its API, the clock of its districts, and what is published to its topics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

from fastapi import Depends, FastAPI, Request

from eventlog.host import HostedService, ServiceHost
from eventlog.http_log import HttpLog, log_routes
from eventlog.log_once import LogOnce
from eventlog.peers import (
    directory_routes,
    has_service_key,
    notify_from_peer,
    service_key_guard,
)
from eventlog.postgres.generation import NewGeneration
from eventlog.program import Program
from events.catalogue import LINES
from events.errors import Unavailable
from events.topology import DIRECTORY, SERVICE, WRITER
from intake.acceptor import Acceptor, ClockLeapt
from intake.api_keys import ApiKeys
from intake.inbound.consumer import LineConsumer
from intake.ingest_endpoint import Intake
from intake.outcomes import Outcomes
from intake.routes import make_app, reading_key
from intake.settings import IntakeSettings
from intake.store import IntakeStore

OUTCOME_LOGS = ("cases", "calls")
TICK_SECONDS = 1.0

log = logging.getLogger("gridcall")


class IntakeService(HostedService):
    """Accepts inputs over HTTP and from topics, and lets time pass in quiet districts.

    `fed`: time passes only with what is fed to its log.
    """

    def __init__(self, host: ServiceHost, fed: bool = False) -> None:
        super().__init__(host)
        self._fed = fed
        self._log = host.own_log(SERVICE["intake"].log or "")
        self._acceptor = Acceptor(host.database, host.notifier)
        cases, calls = self._outcome_logs = [host.writer(name) for name in OUTCOME_LOGS]
        outcomes = Outcomes(cases, calls, host.notifier)
        self.api = Intake(
            self._acceptor, ApiKeys(host.database), outcomes, IntakeStore(host.database)
        )
        self._inbound: list[LineConsumer] = []

    def include_routes(self, app: FastAPI, key: str) -> None:
        """Add what the other services ask, beside the API."""

        async def check(request: Request, shard: str) -> None:
            if not has_service_key(request, key):
                await reading_key(request, shard, None)

        app.state.intake = self.api
        app.include_router(
            directory_routes(self.host.directory), dependencies=[service_key_guard(key)]
        )
        routes = log_routes(self._log, self.host.notifier, self.host.closing)
        app.include_router(routes, dependencies=[Depends(check)])

    def start(self) -> None:
        """Begin to tick, and to read the topics of the lines."""
        if self._fed:
            return
        self.host.start(self._tick())
        if self.host.peers and self.host.publisher:
            for line in LINES:
                inbound = LineConsumer(
                    line,
                    self.host.peers.cluster,
                    self.host.database,
                    self._acceptor,
                    self.host.publisher,
                    self.host.owner,
                )
                self._inbound.append(inbound)
                self.host.start(inbound.run())

    def begin(self, shard: str) -> None:
        """Learn of outcomes from the services that write them, while a request waits for one."""
        for outcomes in self._outcome_logs:
            if isinstance(outcomes, HttpLog):
                self.host.start(notify_from_peer(outcomes, shard, self.host.notifier))

    def inbound(self) -> Mapping[str, int]:
        return {
            f"{each.topic}/{partition}": lag
            for each in self._inbound
            for partition, lag in each.lag.items()
        }

    async def drain(self) -> None:
        await self._acceptor.drain()

    async def _tick(self) -> None:
        log_once = LogOnce(log)
        while True:
            try:
                await self._acceptor.tick()
                log_once.clear()
            except (Unavailable, ClockLeapt, NewGeneration) as fault:
                log_once.warning(f"time does not pass, retrying: {fault}")
            await asyncio.sleep(TICK_SECONDS)


def make_service(host: ServiceHost, settings: IntakeSettings) -> IntakeService:
    """Return intake on a host."""
    return IntakeService(host, settings.fed)


PROGRAM = Program(
    name="intake",
    settings=IntakeSettings,
    make=make_service,
    writers=WRITER,
    directory=DIRECTORY,
    migrations=Path(__file__).parent / "migrations",
    embedded_database="gridcall",
    open_directory=IntakeStore,
    make_app=make_app,
)
