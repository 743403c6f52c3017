"""Intake as a program: its API, the clock of its districts, and what is published to its topics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic

from fastapi import Depends, FastAPI, Request

from eventlog.condition import Condition
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
from events.errors import GridcallError, Unavailable
from events.topology import DIRECTORY, SERVICE, WRITER
from httpedge.open_requests import OpenRequests
from httpedge.rate_limit import RateLimit
from httpedge.telemetry import QUEUED
from intake.acceptor import AHEAD_US_MAX, Acceptor, ClockLeapt, clock_errors, now_us
from intake.access_log import KEPT_FOR, WRITE_SECONDS
from intake.api_keys import ApiKeys
from intake.condition import ahead_sentence, intake_condition, intake_obstacles
from intake.core.quiet_time import QuietTime
from intake.inbound.consumer import LineConsumer
from intake.ingest_endpoint import WAITING_MAX, Intake
from intake.outcomes import Outcomes
from intake.routes import make_app, reading_key, tracking_code_routes
from intake.settings import IntakeSettings, LimitSettings
from intake.store import AccessStore, ConditionStore, IntakeStore
from intake.tracking import NoTracker, PeerTracker, Tracker

OUTCOME_LOGS = ("cases", "calls")
TICK = "time does not pass"
ACCESS = "the access log is not written"
TICK_SECONDS = 1.0
LOOK_SECONDS = 0.2  # So often a due timer of this process lets time pass.

log = logging.getLogger("gridcall")


class IntakeService(HostedService):
    """Accepts inputs over HTTP and from topics, and lets time pass in quiet districts.

    `fed`: time passes only with what is fed to its log. `tracker` knows the cases; without it a
    peer is asked.
    """

    def __init__(
        self,
        host: ServiceHost,
        limits: LimitSettings,
        fed: bool = False,
        tracker: Tracker | None = None,
    ) -> None:
        super().__init__(host, "intake")
        self._fed = fed
        self._log = host.own_log(SERVICE["intake"].log or "")
        self._acceptor = Acceptor(host.database, host.notifier, host.tracing)
        cases, calls = self._outcome_logs = [host.writer(name) for name in OUTCOME_LOGS]
        store = IntakeStore(host.database)
        outcomes = Outcomes(cases, calls, host.notifier)
        keys = ApiKeys(host.database)
        if tracker is None:
            tracker = PeerTracker(host.peers) if host.peers else NoTracker()
        self.api = Intake(
            self._acceptor,
            keys,
            outcomes,
            store,
            OpenRequests("waiting senders", keys.find_ended, WAITING_MAX),
            OpenRequests("live streams and waiting readers", keys.find_ended),
            RateLimit(limits.rate_per_second, limits.rate_burst),
            tracker,
            host.tracing,
        )
        self._accesses = AccessStore(host.database)
        self._inbound: list[LineConsumer] = []
        self._quiet_time = QuietTime()
        self._ahead: dict[str, LogOnce] = {}  # The districts that are ahead of the clock.

    def include_routes(self, app: FastAPI, key: str) -> None:
        """Add what the other services ask, beside the API."""

        async def check(request: Request, shard: str) -> None:
            if not has_service_key(request, key):
                await reading_key(request, shard, None)

        app.state.intake = self.api
        app.include_router(
            directory_routes(self.host.directory), dependencies=[service_key_guard(key)]
        )
        app.include_router(
            tracking_code_routes(self.api.store), dependencies=[service_key_guard(key)]
        )
        routes = log_routes(self._log, self.host.notifier, self.host.closing, self.api.streams)
        app.include_router(routes, dependencies=[Depends(check)])

    def start(self) -> None:
        """Begin to tick, and to read the topics of the lines."""
        if self._fed:
            return
        self.host.start(self._tick())
        self.host.start(self._write_accesses())
        if self.host.peers and self.host.publisher:
            for line in LINES:
                inbound = LineConsumer(
                    line,
                    self.host.peers.cluster,
                    self.host.database,
                    self._acceptor,
                    self.host.publisher,
                    self.host.owner,
                    self.host.outages("intake"),
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

    async def condition(self, *, with_parked: bool = True) -> Condition:
        return await intake_condition(self.host.database)

    async def obstacles(self, *, named: bool = False) -> list[str]:
        return await intake_obstacles(self.host.database)

    async def measure(self) -> None:
        for district, items in self._acceptor.count_waiting().items():
            QUEUED.labels("inputs", self._log.name, district).set(items)

    async def drain(self) -> None:
        await self._acceptor.drain()
        with suppress(GridcallError):
            await self._write_counted()

    async def _tick(self) -> None:
        outages, log_once = self.host.outages("intake"), LogOnce(log, service="intake")
        while True:
            try:
                await self._advance_time()
                outages.end(TICK)
                log_once.clear(TICK)
                await self._log_districts_ahead()
            except Unavailable as fault:
                outages.begin(TICK, fault)
            except ClockLeapt:  # Its sentence has the seconds, which change with every look.
                log_once.error("time does not pass, because the clock leapt: gridcall doctor", TICK)
            except NewGeneration as fault:
                log_once.error(f"time does not pass: {fault}", TICK)
            await self._wait_for_tick()

    async def _wait_for_tick(self) -> None:
        """Wait until time is to pass everywhere. Meanwhile it passes where a timer is due."""
        until = monotonic() + TICK_SECONDS
        while (seconds := until - monotonic()) > 0:
            await asyncio.sleep(min(seconds, LOOK_SECONDS))
            if due := self.host.due_shards(now_us()):
                with suppress(GridcallError):  # The tick logs it.
                    await self._advance_time(due)

    async def _advance_time(self, due: Collection[str] | None = None) -> None:
        """Let time pass everywhere, or where a timer is `due`. Wake readers to whom it matters."""
        for district, mark in (await self._acceptor.tick(due)).items():
            is_news = self._quiet_time.is_news(district, mark)
            if is_news or self.host.awaits_time(district, mark.watermark):
                self.host.notifier.notify(self._log.name, district)

    async def _log_districts_ahead(self) -> None:
        """Log the districts whose time is ahead of the clock, and those that are no longer."""
        with clock_errors():
            ahead = await ConditionStore(self.host.database).ahead(AHEAD_US_MAX)
        for district in self._ahead.keys() - ahead.keys():
            self._ahead.pop(district).clear()
        for district, time in ahead.items():
            lines = self._ahead.setdefault(
                district, LogOnce(log, service="intake", district=district)
            )
            lines.error(ahead_sentence(district, time))

    async def _write_accesses(self) -> None:
        outages = self.host.outages("intake")
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            try:
                with suppress(NewGeneration):  # The tick logs it.
                    await self._write_counted()
                outages.end(ACCESS)
            except Unavailable as fault:
                outages.begin(ACCESS, fault)

    async def _write_counted(self) -> None:
        """Write the accesses that were counted, and delete old ones."""
        counts = self.api.keys.access.take()
        if not counts:
            return
        try:
            await self._accesses.add(counts)
            await self._accesses.forget(KEPT_FOR)
        except GridcallError:
            self.api.keys.access.put_back(counts)
            raise


def make_service(host: ServiceHost, settings: IntakeSettings) -> IntakeService:
    """Return intake on a host."""
    return IntakeService(host, settings, settings.fed)


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
