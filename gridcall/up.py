"""`gridcall up`: services in one process. Every service finds its districts in intake's list and keeps a shard for each."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from starlette.responses import JSONResponse, Response

from escalation.decider import Escalation
from events.bell import Bell
from events.database import Database, connected, listen
from events.embedded import data_folder
from events.errors import Away
from events.generation import Generation, NewGeneration
from events.kafka_log import KafkaLog
from events.logs_over_http import log_routes
from events.postgres import PostgresLog
from events.relay import Publisher, Relay
from events.runtime import BATCH, Keeper, Runner
from events.schema import SERVICE_OF
from events.stage import Stage
from gridcall.contents import Contents, stored
from gridcall.elsewhere import Elsewhere, has_key, intake_routes, service_key
from intake.app import make_app, reading_key
from intake.door import ClockLeapt, Door
from intake.keys import READER, Keys
from intake.outcomes import Outcomes
from intake.posting import Intake
from routing.decider import Routing
from routing.library import ContentLibrary
from routing.locate import Locator
from screen.app import Screen, screen_routes
from screen.follow import Follower

SERVICES = ("intake", "routing", "escalation", "screen")
LOGS = ("intake", "cases", "calls")
TICK_SECONDS = 1.0
POOL = 8  # Connections of a process at most: the door needs one for each district that is busy, and some to look things up.

log = logging.getLogger("gridcall")
BASIC = HTTPBasic(realm="gridcall: any name, and a key for reading logs as the password")


def this_process() -> str:
    """How this process signs its leases."""
    return f"{socket.gethostname()}:{os.getpid()}"


class System:
    """The services of one process on one database. `elsewhere`: the others are not on it, and are reached over Kafka."""

    def __init__(
        self,
        url: str,
        database: Database | None,
        services: Collection[str],
        generation: Generation,
        speed: float,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.url = url
        self.database = database
        self.generation = generation
        self.services = services
        self.bell = Bell()
        self.elsewhere = elsewhere
        self.door = Door(self.stored, self.bell) if "intake" in services else None
        self.own: dict[str, PostgresLog] = {}  # The logs that lie in this database.
        self.over_kafka: dict[str, KafkaLog] = {}
        self.numbers: dict[str, int] = {}  # Of the districts.
        self.keepers: dict[tuple[str, str], Keeper[Any, Any]] = {}
        self.relays: dict[tuple[str, str], Relay] = {}
        self._publisher = Publisher(elsewhere.kafka) if elsewhere else None
        self.intake, self.cases, self.calls = (self._log(name) for name in LOGS)
        self._contents = Contents(elsewhere.contents if elsewhere else stored(self.stored))
        self._speed = speed
        self.closing = asyncio.Event()
        self.screen = Screen(self._contents.of, self.closing)
        self._library = ContentLibrary(self._contents)
        self._locator = Locator(self._library)
        self._tasks: set[asyncio.Task[None]] = set()

    def _log(self, name: str) -> PostgresLog | KafkaLog:
        if self.elsewhere is None or SERVICE_OF[name] in self.services:
            log = self.own[name] = PostgresLog(name, self.stored, self.bell, this_process())
            log.generation_of = self.generation.of
            return log
        writer = self.elsewhere.log(name)
        made = self.over_kafka[name] = KafkaLog(name, self.elsewhere.kafka, self.numbers.__getitem__, writer, self.bell)
        return made

    @property
    def stored(self) -> Database:
        """The database, which everything but a screen of its own has."""
        assert self.database is not None
        return self.database

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run until the end of the block; then answer what was taken, and let the shards go."""
        if self.database:
            self._start(listen(self.url, self.bell, self.database.sessions))
            self._start(self._announce())
        self._start(self._keep_districts())
        for each in self.over_kafka.values():
            self._start(each.run())
        if self.door:
            self._start(self._let_time_pass(self.door))
        try:
            yield
        finally:
            if self.door:
                await self.door.drain()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._publisher:
                await self._publisher.close()

    def close(self) -> None:
        """Answer those who wait for what is to come: the live pages, and the readers of logs."""
        self.closing.set()
        self.bell.ring_all()

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that ends by itself is a fault: the process ends with it, and is started again with what the log has."""
        if not task.cancelled() and task.exception():
            log.critical("a task ended: this process ends too", exc_info=task.exception())
            os._exit(70)

    async def _let_time_pass(self, door: Door) -> None:
        while True:
            try:
                await door.tick()
            except (Away, ClockLeapt, NewGeneration) as fault:
                log.warning("time stands still: %s", fault)
            await asyncio.sleep(TICK_SECONDS)

    async def _announce(self) -> None:
        """Remember how far the database was, so that a restored one is noticed."""
        while True:
            with suppress(Away, NewGeneration):
                await self.stored.on_connection(self.generation.announce)
            await asyncio.sleep(TICK_SECONDS)

    async def _keep_districts(self) -> None:
        """Keep a shard of each stage for every district that intake knows."""
        while True:
            with suppress(Away, NewGeneration):
                self.numbers.update(await self._districts())
                for district in self.numbers:
                    self._keep(district)
            await asyncio.sleep(TICK_SECONDS)

    async def _districts(self) -> dict[str, int]:
        """The districts and their numbers."""
        if self.elsewhere and "intake" not in self.services:
            return await self.elsewhere.districts()
        return dict(map(tuple, await self.stored.fetch("SELECT shard, number FROM intake.district")))

    def _keep(self, district: str) -> None:
        makers: dict[str, tuple[str, Callable[[], Runner[Any, Any]]]] = {
            "routing": ("cases", lambda: self._routing(district)),
            "escalation": ("calls", lambda: self._escalation(district)),
        }
        for service, (sink, made) in makers.items():
            if service in self.services and (service, district) not in self.keepers:
                keeper = self.keepers[service, district] = Keeper(district, self.own[sink], self.bell, made)
                self._start(keeper.run())
        if self._publisher:
            self._publish(district, self._publisher)
        if "screen" in self.services and district not in self.screen.followers:
            logs = {each.name: each for each in (self.intake, self.cases, self.calls)}
            follower = self.screen.followers[district] = Follower(district, logs, self.bell, self._speed)
            self._start(follower.run())

    def _publish(self, district: str, publisher: Publisher) -> None:
        """Keep a relay for each log that is written here; let intake hear what becomes of its inputs."""
        for name, each in self.own.items():
            if (name, district) not in self.relays:
                relay = Relay(each, district, self.numbers[district], publisher, self.bell, self._generation)
                self.relays[name, district] = relay
                self._start(relay.run())
                if name == "intake":
                    for outcomes in self.over_kafka.values():
                        self._start(self._hear(outcomes, district))

    def _generation(self) -> int:
        return self.generation.of("")[0]

    async def _hear(self, outcomes: KafkaLog, district: str) -> None:
        """Read a log as it comes, so that its bell rings for those who wait for an outcome. Nothing is kept."""
        pos = 0
        while True:
            heard = self.bell.count(outcomes.name, district)
            with suppress(Away):
                pos = pos or (await outcomes.writer.watermark(district)).pos
                while rows := await outcomes.read(district, pos, BATCH):
                    pos = rows[-1].pos
            await self.bell.wait(outcomes.name, district, heard, TICK_SECONDS)

    def _routing(self, district: str) -> Runner[Any, Any]:
        stage = Stage(Routing(district, self._library), district, self._locator)
        return Runner(stage, self.intake, self.own["cases"], BATCH, self._contents.fetch)

    def _escalation(self, district: str) -> Runner[Any, Any]:
        return Runner(Stage(Escalation(), district), self.cases, self.own["calls"], BATCH)


def app_of(url: str, services: Collection[str] = SERVICES, speed: float = 1.0, open_screen: bool = False) -> FastAPI:
    """The application of a process whose services all lie in one database: the door, the logs, and the screen.

    `speed` is how fast the districts' time runs. An `open_screen` asks for no key: for a demo, on one machine.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        generation = Generation(data_folder(), url)
        async with connected(url, size=POOL, check=generation.check) as database:
            system = System(url, database, services, generation, speed)
            door = system.door or Door(database, system.bell)
            outcomes = Outcomes(system.cases, system.calls, system.bell)
            app.state.intake = Intake(door, Keys(database), outcomes, database)
            for name, prefix in (("intake", ""), ("cases", "/routing"), ("calls", "/escalation")):
                routes = log_routes(system.own[name], system.bell, system.closing)
                app.include_router(routes, prefix=prefix, dependencies=[Depends(reading_key)])
            if "screen" in services:
                asks = [] if open_screen else [Depends(screen_key)]
                app.include_router(screen_routes(system.screen), dependencies=asks)
            app.state.close = system.close
            async with system.running():
                yield

    return make_app(lifespan)


def app_apart(url: str, service: str, elsewhere: Elsewhere) -> FastAPI:
    """The application of a process that is one service, with a database of its own; a screen has none."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        generation = Generation(data_folder(), url, service)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(elsewhere.reached())
            database = None
            if service != "screen":
                database = await stack.enter_async_context(connected(url, size=POOL, check=generation.check))
            system = System(url, database, (service,), generation, 1.0, elsewhere)
            app.state.system, app.state.close = system, system.close
            if service == "intake":
                outcomes = Outcomes(elsewhere.log("cases"), elsewhere.log("calls"), system.bell)
                assert system.door is not None
                app.state.intake = Intake(system.door, Keys(system.stored), outcomes, system.stored)
                app.include_router(intake_routes(system.stored), dependencies=[service_key(elsewhere.key)])
            for each in system.own.values():
                asks: Any = Depends(reader_or_service) if service == "intake" else service_key(elsewhere.key)
                app.include_router(log_routes(each, system.bell, system.closing), dependencies=[asks])
            if service == "screen":
                app.include_router(screen_routes(system.screen), dependencies=[Depends(password)])
            app.include_router(health_routes(system))
            await stack.enter_async_context(system.running())
            yield

    async def reader_or_service(request: Request, shard: str) -> None:
        if not has_key(request, elsewhere.key):
            await reading_key(request, shard, None)

    async def password(given: Annotated[HTTPBasicCredentials, Depends(BASIC)]) -> None:
        if not secrets.compare_digest(given.password.encode(), elsewhere.key.encode()):
            raise HTTPException(401, "The password is GRIDCALL_SERVICE_KEY", {"WWW-Authenticate": "Basic"})

    return make_app(lifespan) if service == "intake" else FastAPI(title=f"gridcall {service}", lifespan=lifespan)


def health_routes(system: System) -> APIRouter:
    """Whether a service has started, can work, runs; and how far behind it is."""
    router = APIRouter(tags=["health"])

    @router.get("/startupz", include_in_schema=False)
    @router.get("/livez", include_in_schema=False)
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", include_in_schema=False)
    async def ready() -> Response:
        try:
            if system.database:
                await system.database.fetch("SELECT 1")
        except Away as fault:
            return JSONResponse({"status": "away", "because": str(fault)}, 503)
        return JSONResponse({"status": "ready"})

    @router.get("/lag", include_in_schema=False)
    async def lag() -> dict[str, dict[str, dict[str, int]]]:
        """Rows that wait to be published, and rows of its input that a stage has not applied, by district."""
        unpublished = {f"{log}/{district}": await relay.lag() for (log, district), relay in system.relays.items()}
        unread: dict[str, int] = {}
        for (_, district), keeper in system.keepers.items():
            if runner := keeper.runner:
                head = (await runner.source.watermark(district)).pos
                unread[f"{runner.source.name}/{district}"] = max(0, head - runner.stage.input)
        return {"lag": {"unpublished": unpublished, "unread": unread}}

    return router


async def screen_key(request: Request, given: Annotated[HTTPBasicCredentials, Depends(BASIC)]) -> None:
    """A browser asks for it by itself. Raises 401 where the key is not for reading logs of this district."""
    key = await request.app.state.intake.keys.of(given.password)
    district = request.path_params.get("district")
    if key is None or READER not in key.lines or district not in (None, key.district):
        raise HTTPException(401, "The password is a key made by `gridcall key add --line log`", {"WWW-Authenticate": "Basic"})


class Server(uvicorn.Server):
    """Says where it is when it is there: a port of 0 is any that is free. At its end whoever waits is let go first."""

    def __init__(self, app: FastAPI, config: uvicorn.Config, on_up: Callable[[str], None]) -> None:
        super().__init__(config)
        self.app = app
        self.on_up = on_up

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.app.state.close()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                sys.stderr.write(f"gridcall is up on http://{host}:{port} (described at /openapi.json); Ctrl-C ends it\n")
                sys.stderr.flush()
                self.on_up(f"http://{host}:{port}")


def serve(
    app: FastAPI,
    host: str,
    port: int,
    http: Literal["auto", "h11", "httptools"] = "auto",
    on_up: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then drain. `on_up` hears the address as soon as it answers."""
    for blow in (signal.SIGTERM, signal.SIGINT):
        signal.signal(blow, lambda *_: None)  # The server hears it, drains, and raises it again: by then all is done.
    collect_seldom()
    options: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False, "http": http}
    Server(app, uvicorn.Config(app, host, port, timeout_graceful_shutdown=10, **options), on_up).run()


def collect_seldom() -> None:
    """To look for cycles in all that the stages know takes longer the more they know, and nobody is answered meanwhile.

    Hardly anything here makes cycles. What was imported stays for ever, so that the collector leaves it out.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)
