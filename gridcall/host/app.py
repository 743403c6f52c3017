"""All services in one process, on one database: `gridcall up`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from embedded.server import data_folder
from eventlog.health import check_ready, operator_routes
from eventlog.host import HostedService, ServiceHost
from eventlog.http_log import log_routes
from eventlog.postgres.generation import DatabaseCheck
from eventlog.program import open_pool
from eventlog.replay_progress import Show, log_replays, watch_replays
from eventlog.settings import CheckpointSettings
from eventlog.tracing import open_tracing
from events.topology import SERVICES, STAGES, WRITER
from httpedge.addresses import client_network
from httpedge.caller import Caller, set_caller
from httpedge.open_requests import OpenRequests
from httpedge.problems import Problem
from intake.api_keys import READER
from intake.app import IntakeService
from intake.authorization import authenticate, check_lines, check_shard, credential_of
from intake.routes import make_app, reading_key
from intake.settings import LimitSettings
from intake.store import IntakeStore
from intake.tracking import NoTracker
from screen.app import ScreenService
from screen.routes import screen_routes

ALL = tuple(service.name for service in SERVICES)
MAKERS: dict[str, Callable[[ServiceHost], HostedService]] = {
    stage.name: import_module(f"{stage.name}.app").make_service for stage in STAGES
}
SCREEN = "screen"  # As the access log names what was read: its paths name cases.
REALM = "gridcall: any name, and a key for reading logs as the password"
BASIC = HTTPBasic(realm=REALM)
HOW = "The password is a key made by `gridcall key add --line log`."


class HostSettings(LimitSettings, CheckpointSettings):
    """The environment variables of `gridcall up`."""


def make_host_app(
    url: str,
    settings: HostSettings,
    chosen: Collection[str] = ALL,
    speed: float = 1.0,
    open_screen: bool = False,
    service_key: str = "",
    show_replays: Show | None = None,
) -> FastAPI:
    """Return the application of all services, or of `chosen` ones. The intake API is always there.

    `speed` is how fast the districts' time runs. An `open_screen` asks for no key: for a demo.
    Metrics, lag and conditions ask for `service_key`; without one nobody gets them. `show_replays`
    shows the progress of replays, which is logged by default.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        check = DatabaseCheck(data_folder(), url, "intake")
        async with open_pool(url, check) as database, open_tracing("gridcall") as tracing:
            store = IntakeStore(database)
            host = ServiceHost(
                url=url,
                database=database,
                check=check,
                directory=store,
                writers=WRITER,
                speed=speed,
                cadence=settings.cadence,
                tracing=tracing,
            )
            screen = ScreenService(host, speed, store) if "screen" in chosen else None
            tracker = screen.tracker if screen else NoTracker()
            intake = IntakeService(host, settings, tracker=tracker)
            app.state.intake = intake.api
            services: dict[str, HostedService] = {"intake": intake}
            services |= {name: make(host) for name, make in MAKERS.items() if name in chosen}
            if screen:
                services["screen"] = screen
                guards = [] if open_screen else [Depends(check_screen_key)]
                routes = screen_routes(screen.screen, intake.api.streams)
                app.include_router(routes, dependencies=guards)
            include_logs(app, host, intake.api.streams)
            app.include_router(operator_routes(host, service_key))
            app.state.check_ready = partial(check_ready, host, service_key)
            app.state.close = host.close
            async with host.run(*(services[name] for name in ALL if name in chosen)):
                host.start(watch_replays(host, show_replays or log_replays()))
                yield

    return make_app(lifespan)


def include_logs(app: FastAPI, host: ServiceHost, open_requests: OpenRequests) -> None:
    """Add the route of each log: intake's at /log, another one behind its service's name."""
    for name, log in host.logs.items():
        prefix = f"/{WRITER[name]}" if name != "intake" else ""
        routes = log_routes(log, host.notifier, host.closing, open_requests)
        app.include_router(routes, prefix=prefix, dependencies=[Depends(reading_key)])


async def check_screen_key(
    request: Request, sent: Annotated[HTTPBasicCredentials, Depends(BASIC)]
) -> None:
    """Check that the password is a key for reading the logs of this district.

    Raises Problem 401 for no key in force, 403 for a key of something else, 429 for many guesses.
    """
    keys, address = request.app.state.intake.keys, client_network(request.scope)
    try:
        key = await authenticate(keys, sent.password, address, HOW)
    except Problem as problem:
        if problem.status == 401:
            problem.headers = {"WWW-Authenticate": f'Basic realm="{REALM}", charset="UTF-8"'}
        raise
    check_lines(keys, key, address, READER)
    named = request.path_params.get("district", request.query_params.get("district"))
    check_shard(keys, key, address, key.district if named is None else named)
    keys.access.record_read(credential_of(key.id), key.district, SCREEN, address)
    set_caller(request, Caller(key.id, key.district))
