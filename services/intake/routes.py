"""The intake API over HTTP: the only way into gridcall.

Here are the routes that ask. What is posted is answered by ingest_endpoint.py. Every refusal is a
problem document that says what the sender can do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Request
from fastapi.security import HTTPBearer
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from events.catalogue import LINES
from httpedge.addresses import client_network
from httpedge.caller import Caller, set_caller
from httpedge.openapi import content, ref
from httpedge.prefer import preferred_wait
from httpedge.problems import Problem
from httpedge.responses import handle_problems, json_response
from intake.api_keys import READER, ApiKey
from intake.authorization import authorize, check_line, check_shard, credential_of
from intake.core.identity import issue_id
from intake.ingest_endpoint import WAIT_SECONDS_MAX, IngestEndpoint, Intake
from intake.openapi import HEADERS, TAG, complete
from intake.parsing.issue import stored_reference
from intake.refusals import FAULT, REFUSALS, to_problem
from intake.results import HEX_ID, Health
from intake.store import IntakeStore, StoredIdentity
from intake.tracking import Tracking

CODE = re.compile("[0-9a-f]{32}")
BEARER = Depends(
    HTTPBearer(auto_error=False, scheme_name="key", description="`gridcall key add` makes a key.")
)
LineName = Annotated[
    str, Path(description="One of the four lines.", json_schema_extra={"enum": list(LINES)})
]
Reference = Annotated[
    str, Path(description="The line's own.", json_schema_extra={"minLength": 1, "maxLength": 200})
]
TrackingCode = Annotated[
    str,
    Path(description="`tracking` of an answer.", json_schema_extra={"pattern": HEX_ID}),
]
PROGRESS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What is known",
        "content": content(ref("schemas", "Progress")),
        "headers": {"Preference-Applied": HEADERS["Preference-Applied"]},
    }
}
PREFER = {"parameters": [ref("parameters", "Prefer")]}
HEALTH: dict[int | str, dict[str, Any]] = {
    200: {"description": "It is", "content": content(ref("schemas", "Health"))}
}

router = APIRouter(default_response_class=Response)


def tracking_code_routes(store: IntakeStore) -> APIRouter:
    """Return the route by which the screen asks for the input of a tracking code."""
    codes = APIRouter(include_in_schema=False)

    @codes.get("/tracking-codes/{code}")
    async def find_input(code: str) -> Response:
        identity = await store.find_by_code(code) if CODE.fullmatch(code) else None
        answer = {"id": identity.id, "district": identity.district} if identity else None
        return json_response(answer)

    return codes


@router.get("/track/{code}", tags=[TAG], responses=PROGRESS, openapi_extra=PREFER)
async def track(request: Request, code: TrackingCode) -> Response:
    """Return what became of an input, and the present stage of its case, by its tracking code.

    The code is the key: nobody can guess its 128 bits.
    """
    intake: Intake = request.app.state.intake
    identity = await intake.store.find_by_code(code) if CODE.fullmatch(code) else None
    if identity is None:
        detail = "No such tracking code. It is the `tracking` of the answer to a post."
        raise Problem(404, "unknown", "Not known", detail)
    return await progress_response(request, identity, None)


@router.get(
    "/issues/{line}/{reference:path}",
    tags=[TAG],
    dependencies=[BEARER],
    responses=PROGRESS,
    openapi_extra=PREFER,
)
async def get_issue(request: Request, line: LineName, reference: Reference) -> Response:
    """Return what became of an issue, and the present stage of its case.

    It is asked for by the line's own reference, with a key of that line.
    """
    intake: Intake = request.app.state.intake
    check_line(line)
    key = await request_key(request, line)
    name = stored_reference(reference)
    identity = None
    if name:
        identity = await intake.store.find_by_id(issue_id(key.district, key.source, line, name))
    if identity is None:
        detail = f"No issue {reference[:200]!r} came through {line} with this key; post it."
        raise Problem(404, "unknown", "Not known", detail)
    return await progress_response(request, identity, key.id)


async def progress_response(
    request: Request, identity: StoredIdentity, key: str | None
) -> Response:
    """Return an accepted input, its outcome if there is one, and its case.

    With `Prefer: wait` it waits until both include the input. Those who have a code and no key
    share by their addresses.
    """
    intake: Intake = request.app.state.intake
    tracking = Tracking(intake.store, intake.outcomes, intake.tracker)
    seconds = preferred_wait(request.headers.raw, WAIT_SECONDS_MAX)
    sharer = key or client_network(request.scope)
    if not seconds or not intake.waits.has_room(sharer):
        return json_response(await tracking.progress(identity, 0))
    with intake.waits.admit(key, sharer) as opened:
        waiting = tracking.progress(identity, seconds)
        progress = await opened.until_ended(waiting, request.receive)
    return json_response(progress, headers={"Preference-Applied": f"wait={seconds}"})


@router.get("/livez", tags=["health"], responses=HEALTH)
async def livez() -> Response:
    """Confirm that the process runs."""
    return json_response(Health("alive"))


@router.get("/readyz", tags=["health"], responses=HEALTH)
async def readyz(request: Request) -> Response:
    """Confirm that the services of the process can do their work, or say why not."""
    await request.app.state.check_ready(request)
    return json_response(Health("ready"))


async def reading_key(request: Request, shard: str, _: Annotated[object, BEARER]) -> None:
    """Demand a key for reading the logs of a district: they name workers by code."""
    keys, address = request.app.state.intake.keys, client_network(request.scope)
    key = await request_key(request, READER)
    check_shard(keys, key, address, shard)
    keys.access.record_read(credential_of(key.id), shard, request.url.path, address)
    set_caller(request, Caller(key.id, key.district))


async def request_key(request: Request, line: str) -> ApiKey:
    """Return the key of a request. Raises Problem 401, 403 or 429."""
    authorization = request.headers.get("authorization", "")
    address = client_network(request.scope)
    return await authorize(request.app.state.intake.keys, authorization, address, line)


class Application(FastAPI):
    """FastAPI behind the ingest endpoint, which needs nothing of its middleware."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._front = IngestEndpoint(super().__call__, self.state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._front(scope, receive, send)


def make_app(lifespan: Callable[[FastAPI], Any]) -> FastAPI:
    """Return the application of intake. `lifespan` sets `app.state.intake`."""
    app = Application(
        title="gridcall intake",
        version="1",
        description="The intake API of gridcall: the only way in.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.include_router(router)
    handle_problems(app, REFUSALS, to_problem, FAULT)
    describe = app.openapi
    app.openapi = cache(lambda: complete(describe()))  # type: ignore[method-assign]
    return app
