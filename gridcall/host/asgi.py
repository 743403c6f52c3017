"""The HTTP applications of a process: of all services on one database, or of one service apart."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from starlette.responses import JSONResponse, Response

from embedded.server import data_folder
from eventlog.http_log import log_routes
from eventlog.postgres.generation import DatabaseCheck
from eventlog.postgres.pool import connected
from events.errors import Unavailable
from events.topology import WRITER
from gridcall.host.host import SERVICES, ServiceHost
from gridcall.host.lag import lag_of, watch
from gridcall.host.peers import Peers, has_key, intake_routes, service_key
from intake.acceptor import Acceptor
from intake.api_keys import READER, Keys
from intake.ingest_endpoint import Intake
from intake.outcomes import Outcomes
from intake.routes import make_app, reading_key
from screen.routes import screen_routes

POOL = 12  # Connections of a process at most: the door needs two for each district that is busy, and some to look things up.
BASIC = HTTPBasic(realm="gridcall: any name, and a key for reading logs as the password")


def app_of(
    url: str, services: Collection[str] = SERVICES, speed: float = 1.0, open_screen: bool = False
) -> FastAPI:
    """The application of a process whose services all lie in one database: the door, the logs, and the screen.

    `speed` is how fast the districts' time runs. An `open_screen` asks for no key: for a demo, on one machine.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        check = DatabaseCheck(data_folder(), url, "intake")
        async with connected(url, size=POOL, check=check.check) as database:
            system = ServiceHost(url, database, services, check, speed)
            door = system.door or Acceptor(database, system.notifier)
            outcomes = Outcomes(system.cases, system.calls, system.notifier)
            app.state.intake = Intake(door, Keys(database), outcomes, database)
            for name, each in system.own.items():
                prefix = f"/{WRITER[name]}" if name != "intake" else ""
                routes = log_routes(each, system.notifier, system.closing)
                app.include_router(routes, prefix=prefix, dependencies=[Depends(reading_key)])
            if "screen" in services:
                asks = [] if open_screen else [Depends(screen_key)]
                app.include_router(screen_routes(system.screen), dependencies=asks)
            app.state.close = system.close
            async with system.running():
                yield

    return make_app(lifespan)


def app_apart(url: str, service: str, elsewhere: Peers, fed: bool = False) -> FastAPI:
    """The application of a process that is one service, with a database of its own; a screen has none."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logging.getLogger("aiokafka").setLevel(
            logging.CRITICAL
        )  # It tells of each try; what fails is told here, once.
        check = DatabaseCheck(data_folder(), url, service)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(elsewhere.reached())
            database = None
            if service != "screen":
                database = await stack.enter_async_context(
                    connected(url, size=POOL, check=check.check)
                )
            system = ServiceHost(url, database, (service,), check, 1.0, elsewhere, fed)
            app.state.system, app.state.close = system, system.close
            if service == "intake":
                outcomes = Outcomes(elsewhere.log("cases"), elsewhere.log("calls"), system.notifier)
                assert system.door is not None
                app.state.intake = Intake(system.door, Keys(system.stored), outcomes, system.stored)
                app.include_router(
                    intake_routes(system.stored), dependencies=[service_key(elsewhere.key)]
                )
            for each in system.own.values():
                asks: Any = (
                    Depends(reader_or_service)
                    if service == "intake"
                    else service_key(elsewhere.key)
                )
                app.include_router(
                    log_routes(each, system.notifier, system.closing), dependencies=[asks]
                )
            if service == "screen":
                app.include_router(screen_routes(system.screen), dependencies=[Depends(password)])
            app.include_router(health_routes(system))
            await stack.enter_async_context(system.running())
            system.start(watch(system))
            yield

    async def reader_or_service(request: Request, shard: str) -> None:
        if not has_key(request, elsewhere.key):
            await reading_key(request, shard, None)

    async def password(given: Annotated[HTTPBasicCredentials, Depends(BASIC)]) -> None:
        if not secrets.compare_digest(given.password.encode(), elsewhere.key.encode()):
            raise HTTPException(
                401, "The password is GRIDCALL_SERVICE_KEY", {"WWW-Authenticate": "Basic"}
            )

    return (
        make_app(lifespan)
        if service == "intake"
        else FastAPI(title=f"gridcall {service}", lifespan=lifespan, docs_url=None, redoc_url=None)
    )


def health_routes(system: ServiceHost) -> APIRouter:
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
        except Unavailable as fault:
            return JSONResponse({"status": "away", "because": str(fault)}, 503)
        return JSONResponse({"status": "ready"})

    @router.get("/lag", include_in_schema=False)
    async def lag() -> Response:
        try:
            return JSONResponse({"lag": await lag_of(system)})
        except Unavailable as fault:
            return JSONResponse({"status": "away", "because": str(fault)}, 503)

    return router


async def screen_key(
    request: Request, given: Annotated[HTTPBasicCredentials, Depends(BASIC)]
) -> None:
    """A browser asks for it by itself. Raises 401 where the key is not for reading logs of this district."""
    key = await request.app.state.intake.keys.of(given.password)
    district = request.path_params.get("district")
    if key is None or READER not in key.lines or district not in (None, key.district):
        raise HTTPException(
            401,
            "The password is a key made by `gridcall key add --line log`",
            {"WWW-Authenticate": "Basic"},
        )
