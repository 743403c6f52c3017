"""The routes by which machines ask a process how it is: probes, lag, metrics and conditions.

Probes are open and name no district. All else asks for the services' shared key.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from eventlog.condition import Condition, Finding, amend, encode_conditions
from eventlog.host import ServiceHost
from eventlog.lag import lag_of
from eventlog.measures import measure
from eventlog.peers import has_service_key, service_key_guard
from eventlog.postgres.generation import NewGeneration
from events.errors import GridcallError, Unavailable
from httpedge.problems import Problem
from httpedge.responses import problem_response
from httpedge.telemetry import exposition

JSON = "application/json"


async def check_ready(host: ServiceHost, key: str, request: Request) -> None:
    """Raise Problem 503 with the reasons for which a service of this process cannot work now.

    They name districts only for a request with the services' shared `key`.
    """
    named = has_service_key(request, key)
    reasons = [] if host.knows_shards else ["the districts are not known yet"]
    for service in host.services:
        try:
            reasons += await service.obstacles(named=named)
        except GridcallError as fault:
            reasons.append(f"{service.name}: {public_reason(fault)}")
    if reasons:
        detail = f"{'; '.join(reasons)}. gridcall doctor names places and next steps."
        raise Problem(503, "not-ready", "Not ready", detail)


def public_reason(fault: GridcallError) -> str:
    """Return why a service cannot work, without an address or a district: anyone may ask."""
    match fault:
        case Unavailable():
            return f"{fault.about} is unavailable"
        case NewGeneration():
            return "the database is another one"
        case _:
            return "it waits for an operator"


def probe_routes(host: ServiceHost, key: str) -> APIRouter:
    """Return the routes that tell if a service has started, runs, and can work.

    With the services' `key` the reasons name districts.
    """
    router = APIRouter(tags=["health"], include_in_schema=False)

    @router.get("/startupz")
    @router.get("/livez")
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def ready(request: Request) -> Response:
        try:
            await check_ready(host, key, request)
        except Problem as problem:
            return problem_response(problem, "/readyz")
        return JSONResponse({"status": "ready"})

    return router


def operator_routes(host: ServiceHost, key: str) -> APIRouter:
    """Return the routes that name districts, for gridcall's own tools. `key` opens them."""
    router = APIRouter(include_in_schema=False, dependencies=[service_key_guard(key)])
    measuring = asyncio.Lock()  # A second measurement would begin by clearing the gauges.

    @router.get("/lag")
    async def lag() -> Response:
        try:
            return JSONResponse({"lag": await lag_of(host)})
        except Unavailable as fault:
            return unavailable(fault)

    @router.get("/metrics")
    async def prometheus() -> Response:
        async with measuring:
            await measure(host)
            body, media = exposition()
        return Response(body, media_type=media)

    @router.get("/condition")
    async def condition() -> Response:
        try:
            conditions = await read_conditions(host)
        except Unavailable as fault:
            return unavailable(fault)
        return Response(encode_conditions(conditions), media_type=JSON)

    return router


async def read_conditions(host: ServiceHost) -> list[Condition]:
    """Return the conditions of the services of this process. Raises Unavailable."""
    conditions = [await service.condition() for service in host.services]
    if host.announcing_fault:
        first = conditions[0]
        fault = Finding(
            check=first.service,
            sentence=f"{host.announcing_fault}; a restored database would not be noticed",
            command="make room, or name another folder in GRIDCALL_HOME",
        )
        conditions[0] = amend(first, findings=[*first.findings, fault])
    return conditions


def unavailable(fault: Unavailable) -> Response:
    """Return 503 and the reason."""
    problem = Problem(503, "away", f"{fault.about} is unavailable", str(fault))
    return problem_response(problem, "")
