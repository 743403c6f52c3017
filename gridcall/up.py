"""`gridcall up`: services in one process. Every service finds its districts in intake's list and keeps a shard for each."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from escalation.decider import Escalation
from events.bell import Bell
from events.database import Database, connected, listen
from events.embedded import data_folder
from events.errors import Away
from events.generation import Generation, NewGeneration
from events.logs_over_http import log_routes
from events.postgres import PostgresLog
from events.runtime import BATCH, Keeper, Runner
from events.stage import Stage
from gridcall.contents import Contents
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
TICK_SECONDS = 1.0
POOL = 8  # Connections of a process at most: the door needs one for each district that is busy, and some to look things up.

log = logging.getLogger("gridcall")


def this_process() -> str:
    """How this process signs its leases."""
    return f"{socket.gethostname()}:{os.getpid()}"


class System:
    """The services of one process on one database."""

    def __init__(self, url: str, database: Database, services: Collection[str], generation: Generation, speed: float) -> None:
        self.url = url
        self.database = database
        self.generation = generation
        self.services = services
        self.bell = Bell()
        self.intake, self.cases, self.calls = (
            PostgresLog(name, database, self.bell, this_process()) for name in ("intake", "cases", "calls")
        )
        self.door = Door(database, self.bell)
        self.keepers: dict[tuple[str, str], Keeper[Any, Any]] = {}
        self._contents = Contents(database)
        self._speed = speed
        self.closing = asyncio.Event()
        self.screen = Screen(self._contents.of, self.closing)
        self._library = ContentLibrary(self._contents)
        self._locator = Locator(self._library)
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run until the end of the block; then answer what was taken, and let the shards go."""
        self._start(listen(self.url, self.bell, self.database.sessions))
        self._start(self._keep_districts())
        self._start(self._announce())
        if "intake" in self.services:
            self._start(self._let_time_pass())
        try:
            yield
        finally:
            await self.door.drain()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

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

    async def _let_time_pass(self) -> None:
        while True:
            try:
                await self.door.tick()
            except (Away, ClockLeapt, NewGeneration) as fault:
                log.warning("time stands still: %s", fault)
            await asyncio.sleep(TICK_SECONDS)

    async def _announce(self) -> None:
        """Remember how far the database was, so that a restored one is noticed."""
        while True:
            with suppress(Away, NewGeneration):
                await self.database.on_connection(self.generation.announce)
            await asyncio.sleep(TICK_SECONDS)

    async def _keep_districts(self) -> None:
        """Keep a shard of each stage for every district that intake knows."""
        while True:
            with suppress(Away, NewGeneration):
                for record in await self.database.fetch("SELECT shard FROM intake.shard"):
                    self._keep(record["shard"])
            await asyncio.sleep(TICK_SECONDS)

    def _keep(self, district: str) -> None:
        makers: dict[str, tuple[PostgresLog, Callable[[], Runner[Any, Any]]]] = {
            "routing": (self.cases, lambda: self._routing(district)),
            "escalation": (self.calls, lambda: self._escalation(district)),
        }
        for service, (sink, made) in makers.items():
            if service in self.services and (service, district) not in self.keepers:
                keeper = self.keepers[service, district] = Keeper(district, sink, self.bell, made)
                self._start(keeper.run())
        if "screen" in self.services and district not in self.screen.followers:
            logs = {each.name: each for each in (self.intake, self.cases, self.calls)}
            follower = self.screen.followers[district] = Follower(district, logs, self.bell, self._speed)
            self._start(follower.run())

    def _routing(self, district: str) -> Runner[Any, Any]:
        stage = Stage(Routing(district, self._library), district, self._locator)
        return Runner(stage, self.intake, self.cases, BATCH, self._contents.fetch)

    def _escalation(self, district: str) -> Runner[Any, Any]:
        return Runner(Stage(Escalation(), district), self.cases, self.calls, BATCH)


def app_of(url: str, services: Collection[str] = SERVICES, speed: float = 1.0, open_screen: bool = False) -> FastAPI:
    """The application of a process: the door if it has one, the logs of its services, and the screen.

    `speed` is how fast the districts' time runs. An `open_screen` asks for no key: for a demo, on one machine.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        generation = Generation(data_folder(), url)
        async with connected(url, size=POOL, check=generation.check) as database:
            system = System(url, database, services, generation, speed)
            outcomes = Outcomes(system.cases, system.calls, system.bell)
            app.state.intake = Intake(system.door, Keys(database), outcomes, database)
            for each, prefix in ((system.intake, ""), (system.cases, "/routing"), (system.calls, "/escalation")):
                app.include_router(
                    log_routes(each, system.bell, system.closing), prefix=prefix, dependencies=[Depends(reading_key)]
                )
            if "screen" in services:
                asks = [] if open_screen else [Depends(screen_key)]
                app.include_router(screen_routes(system.screen), dependencies=asks)
            app.state.close = system.close
            async with system.running():
                yield

    return make_app(lifespan)


BASIC = HTTPBasic(realm="gridcall: any name, and a key for reading logs as the password")


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
