"""Intake over HTTP: the only door. What it refuses it refuses as problem+json, with what to do.

Here are its routes, the guard before them and the OpenAPI document; posting.py answers what is posted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from itertools import chain
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.catalogue import LINES
from events.instants import rfc3339
from httpedge.request_body import ITEMS, JSON, NDJSON, FieldError, Problem
from intake.answers import (
    FAULT,
    PROBLEM,
    REFUSED,
    Health,
    Result,
    Told,
    answered,
    outcome_of,
    problem_for,
    refusal,
)
from intake.api_keys import READER, Key
from intake.core.identity import issue_id
from intake.ingest_endpoint import (
    WAIT_SECONDS_MAX,
    Intake,
    Posting,
    check_line,
    key_for,
    other_district,
)
from intake.issues import ACTION, ISSUE, reference_of

CODE = re.compile("[0-9a-f]{32}")
IDENTITY = "SELECT id, shard, pos, ts, code FROM intake.identity"

# ── The document, where it stands beside a route ─────────────────────────────────────────────────────────────────────

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
    Path(description="`tracking` of an answer.", json_schema_extra={"pattern": "^[0-9a-f]{32}$"}),
]


def ref(part: str, name: str) -> dict[str, str]:
    """A reference to a component of the document."""
    return {"$ref": f"#/components/{part}/{name}"}


def content(schema: dict[str, Any], line: dict[str, Any] | None = None) -> dict[str, Any]:
    """The content of a body in JSON; `line`: also of each line of NDJSON, whose lines together count as an array."""
    lines = {NDJSON[0]: {"schema": {"type": "array", "items": line}}} if line else {}
    return {JSON: {"schema": schema}, **lines}


def text_header(description: str, example: str, *, required: bool = False) -> dict[str, Any]:
    """A header of an answer."""
    return {
        "description": description,
        "required": required,
        "schema": {"type": "string"},
        "example": example,
    }


ONE, EACH = (
    ref("schemas", "Result"),
    {"anyOf": [ref("schemas", "Result"), ref("schemas", "Problem")]},
)
EITHER = {"oneOf": [ONE, ref("schemas", "Results")]}
HEADERS = {
    "Location": text_header(
        "Where to ask what became of it; for one item.", "/issues/hotline/2026-000117"
    ),
    "Preference-Applied": text_header("Where the door waited.", "wait=2"),
}
POSTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "All was known before: the first answer again. Or what became of it, for who prefers to wait",
        "content": content(EITHER, EACH),
        "headers": HEADERS,
    },
    202: {
        "description": "Accepted and committed",
        "content": content(EITHER, EACH),
        "headers": HEADERS,
    },
    207: {
        "description": "Of several items some were refused: a result each, in their order",
        "content": content(ref("schemas", "Results"), EACH),
    },
}
TOLD: dict[int | str, dict[str, Any]] = {
    200: {"description": "What is known", "content": content(ref("schemas", "Told"))}
}


def body_named(name: str) -> dict[str, Any]:
    """What the document says beside a route that is posted to."""
    return {"requestBody": ref("requestBodies", name), "parameters": [ref("parameters", "Prefer")]}


router = APIRouter(default_response_class=Response)


# ── Posting: described here, answered by Posting before a route is looked for ────────────────────────────────────────


@router.post(
    "/issues/{line}",
    tags=["door"],
    dependencies=[BEARER],
    responses=POSTED,
    openapi_extra=body_named("Issues"),
)
async def post_issues(line: LineName) -> None:
    """Post issues of a line: one object, an array, or NDJSON.

    The answer comes after the commit: 202, with a tracking code. The same reference again changes nothing: the same content
    gets the first answer (200), other content 409. Several items get a result each, in their order. With `Prefer: wait=2`
    a single issue is answered by what became of it.
    """


@router.post(
    "/actions",
    tags=["door"],
    dependencies=[BEARER],
    responses=POSTED,
    openapi_extra=body_named("Actions"),
)
async def post_actions() -> None:
    """Post what people did: visits, resolutions, answers to calls. Answered like issues; `Prefer: wait` tells the outcome."""


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/track/{code}", tags=["door"], responses=TOLD)
async def track(request: Request, code: TrackingCode) -> Response:
    """What became of what was posted, by its tracking code. The code is the key: it has 128 random bits."""
    intake: Intake = request.app.state.intake
    sql = f"{IDENTITY} WHERE code = $1::text::uuid"
    found = await intake.database.fetch(sql, code) if CODE.fullmatch(code) else []
    if not found:
        raise Problem(
            404,
            "unknown",
            "Not known",
            "No such tracking code. It is the `tracking` of the answer to a post.",
        )
    return await told(intake, *found[0])


@router.get("/issues/{line}/{reference:path}", tags=["door"], dependencies=[BEARER], responses=TOLD)
async def get_issue(request: Request, line: LineName, reference: Reference) -> Response:
    """What became of an issue, by the line's own reference, for whoever holds a key of that line."""
    intake: Intake = request.app.state.intake
    check_line(line)
    key = await key_of(request, line)
    name = reference_of(reference)
    sql = f"{IDENTITY} WHERE id = $1::text::uuid"
    found = (
        await intake.database.fetch(sql, issue_id(key.district, key.source, line, name))
        if name
        else []
    )
    if not found:
        raise Problem(
            404,
            "unknown",
            "Not known",
            f"No issue {reference[:200]!r} came through {line} with this key; post it.",
        )
    return await told(intake, *found[0])


async def told(
    intake: Intake, item: UUID, shard: str, position: int, time: int, code: UUID
) -> Response:
    """An accepted input and its outcome, if it is there."""
    return answered(
        Told(
            item.hex,
            code.hex,
            position,
            rfc3339(time),
            outcome_of(await intake.outcomes.found(shard, position)),
        )
    )


WELL: dict[int | str, dict[str, Any]] = {
    200: {"description": "It is", "content": content(ref("schemas", "Health"))}
}


@router.get("/livez", tags=["health"], responses=WELL)
async def livez() -> Response:
    """Whether the process runs."""
    return answered(Health("alive"))


@router.get("/readyz", tags=["health"], responses=WELL)
async def readyz(request: Request) -> Response:
    """Whether it can accept: its database answers."""
    await request.app.state.intake.database.fetch("SELECT 1")
    return answered(Health("ready"))


# ── Reading a request ────────────────────────────────────────────────────────────────────────────────────────────────


async def reading_key(request: Request, shard: str, _: Annotated[object, BEARER]) -> None:
    """For routes that show the logs of a district: they name workers by code."""
    key = await key_of(request, READER)
    if shard != key.district:
        raise other_district(key)


async def key_of(request: Request, line: str) -> Key:
    """Whose key it is. Raises Problem 401 or 403."""
    return await key_for(
        request.app.state.intake.keys, request.headers.get("authorization", ""), line
    )


# ── Problems ─────────────────────────────────────────────────────────────────────────────────────────────────────────

REFUSALS = {
    400: "A header, an encoding or the frame of the request is broken",
    401: "No key, or one that is not known",
    403: "A key for something else",
    404: "Not known",
    405: "Another method; see Allow",
    408: "The body did not come in time",
    409: "The same reference with other content",
    413: "Too large, or too many items",
    414: "The address is too long",
    415: "Another content type, or another encoding",
    422: "Cannot be read; `errors` says where, and what would be right",
    431: "Too many headers, or too long ones",
    500: "A fault of gridcall",
    503: "Nothing can be accepted at the moment; see Retry-After",
}
SAID_BESIDE = {
    401: {"WWW-Authenticate": text_header("What is asked for.", "Bearer", required=True)},
    405: {"Allow": text_header("The methods that there are.", "GET, HEAD", required=True)},
    503: {"Retry-After": text_header("Seconds.", "2", required=True)},
}


def problems(app: FastAPI) -> None:
    """Make every refusal a problem."""

    async def refused(request: Request, fault: Any) -> Response:
        return refusal(problem_for(fault), request.scope["path"])

    async def http(request: Request, fault: Any) -> Response:
        known = {
            404: "There is nothing here; GET /openapi.json says what there is.",
            405: "Another method; see Allow.",
        }
        made = Problem(
            fault.status_code,
            "http",
            str(fault.detail),
            known.get(fault.status_code, str(fault.detail)),
        )
        headers = {
            name: value.replace("GET", "GET, HEAD") for name, value in (fault.headers or {}).items()
        }
        return refusal(made, request.scope["path"], headers)

    async def malformed(request: Request, fault: Any) -> Response:
        errors = tuple(
            FieldError("/" + "/".join(map(str, error["loc"])), error["msg"])
            for error in fault.errors()
        )
        made = Problem(
            422, "invalid", "Cannot be read", "A parameter cannot be read; see errors.", errors
        )
        return refusal(made, request.scope["path"])

    async def own_fault(request: Request, fault: Exception) -> Response:
        return refusal(FAULT, request.scope["path"])

    handlers: dict[Any, Any] = dict.fromkeys(REFUSED, refused)
    handlers |= {HTTPException: http, RequestValidationError: malformed, Exception: own_fault}
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


# ── The guard ────────────────────────────────────────────────────────────────────────────────────────────────────────

HEADERS_MAX = 100
HEADERS_BYTES_MAX = 32 * 1024
ADDRESS_BYTES_MAX = 8 * 1024
LINGER_SECONDS = 1.0
ONCE = frozenset(
    (
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"transfer-encoding",
    )
)
ALWAYS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class Guard:
    """Stands before all routes. It refuses what two readers of HTTP might read differently, answers HEAD like GET, lets nobody
    keep an answer, and ends a connection on which a body is still coming when the answer is given: who sends without end, or
    slower than any deadline, holds it no longer than that.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        once = [(name, value) for name, value in scope["headers"] if name in ONCE]
        known = dict(once)
        problem = misframed(scope, known, len(known) < len(once))
        coming = bool(
            problem
            or b"transfer-encoding" in known
            or known.get(b"content-length", b"").strip(b"0")
        )

        async def received() -> Message:
            nonlocal coming
            message = await receive()
            coming = message.get("more_body", False)
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                close = [(b"connection", b"close")] if coming else []
                message = {**message, "headers": [*message["headers"], *ALWAYS, *close]}
            elif coming and not message.get("more_body"):
                await send({**message, "more_body": True})
                await lingered()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        async def lingered() -> None:
            """Who closes while bytes come takes the answer back: many clients drop it then."""
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    while coming:
                        await received()

        app = refusal(problem, scope["path"]) if problem else self.app
        await app(
            {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope, received, sent
        )


def misframed(scope: Scope, known: Mapping[bytes, bytes], twice: bool) -> Problem | None:
    """What is wrong with the frame of a request. `known` are its headers of ONCE; `twice`: one of them stood twice."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if (
        len(headers) > HEADERS_MAX
        or sum(map(len, chain.from_iterable(headers))) > HEADERS_BYTES_MAX
    ):
        detail = f"A request may have {HEADERS_MAX} headers, and {HEADERS_BYTES_MAX:,} bytes of them: leave some out."
        return Problem(431, "headers", "Too many headers", detail)
    if len(scope["raw_path"]) + len(scope["query_string"]) > ADDRESS_BYTES_MAX:
        return Problem(
            414,
            "address",
            "Too long an address",
            f"An address may have {ADDRESS_BYTES_MAX:,} bytes: shorten it.",
        )
    if twice:
        return frame(
            "A header stands twice of which there may be one: Host, Authorization, Content-Length or another."
        )
    if b"transfer-encoding" in known and (
        b"content-length" in known or known[b"transfer-encoding"].lower() != b"chunked"
    ):
        return frame(
            "Say the length by Content-Length, or by Transfer-Encoding: chunked, not by both and not otherwise."
        )
    if b"host" not in known and scope["http_version"] == "1.1":
        return frame("HTTP/1.1 asks for a Host.")
    return None


def frame(detail: str) -> Problem:
    """Two readers of HTTP might read this request differently."""
    return Problem(400, "frame", "A broken frame", detail)


# ── The document ─────────────────────────────────────────────────────────────────────────────────────────────────────

EXAMPLES: dict[str, dict[str, Any]] = {
    "Issue": {
        "reference": "2026-000117", "category": "Street light", "due": "2030-12-01T17:00:00+08:00",
        "place": {"point": {"lat": 36.68, "lon": 117.09}},
    },
    "Action": {
        "reference": "v-1", "type": "visit_made", "by": "w:0102", "issue": {"line": "hotline", "reference": "2026-000117"},
    },
}  # fmt: skip
PROBLEM_SCHEMA = {
    "type": "object",
    "description": "Why something was refused, and what to do (RFC 9457). Nothing of it was stored.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:gridcall:problem:"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {
            "type": "string",
            "description": "The path, and the number of the item behind `#/`.",
        },
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "JSON Pointer (RFC 6901) into the item.",
                    },
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
PREFER = {
    "name": "Prefer", "in": "header", "schema": {"type": "string"}, "example": "wait=2",
    "description": f"`wait=N` (RFC 7240): for one item, wait N seconds for its outcome, {WAIT_SECONDS_MAX} at most.",
}  # fmt: skip


def components() -> dict[str, Any]:
    """What operations share: what is sent, what is answered, what is refused."""
    _, answers = msgspec.json.schema_components(
        (Result, Told, Health), ref_template="#/components/schemas/{name}"
    )
    results = {
        "type": "object",
        "required": ["results"],
        "properties": {"results": {"type": "array", "items": EACH}},
    }
    schemas: dict[str, Any] = {**answers, "Results": results, "Problem": PROBLEM_SCHEMA}
    bodies: dict[str, Any] = {}
    for name, kind in (("Issue", ISSUE), ("Action", ACTION)):
        schema = kind.json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = {**schema, "title": name}
        bodies[f"{name}s"] = sent(name, EXAMPLES[name])
    said = content(ref("schemas", "Problem"))[JSON]
    refusals = {
        str(status): {
            "description": text,
            "content": {PROBLEM: said},
            "headers": SAID_BESIDE.get(status, {}),
        }
        for status, text in REFUSALS.items()
    }
    return {
        "schemas": schemas,
        "requestBodies": bodies,
        "responses": refusals,
        "parameters": {"Prefer": PREFER},
    }


def sent(name: str, example: dict[str, Any]) -> dict[str, Any]:
    """What is posted: one item, or several, of which each is judged by itself: one that is wrong does not refuse the others."""
    one = ref("schemas", name)
    items = {
        "description": f"An {name}. Anything else gets a result that says what is wrong.",
        "anyOf": [one, {}],
    }
    many = {"description": f"Up to {ITEMS:,}.", "type": "array", "items": items, "minItems": 1}
    examples = {
        "one": {"value": example},
        "several": {"value": [example, {**example, "reference": "another"}]},
    }
    as_json = {"schema": {"oneOf": [one, many]}, "examples": examples}
    return {"required": True, "content": {JSON: as_json, NDJSON[0]: {"schema": many}}}


def can_refuse(path: str, method: str, operation: dict[str, Any]) -> Iterator[int]:
    """With what an operation can refuse: that follows from what it is."""
    yield from (400, 405, 414, 431, 500)
    if path != "/livez":
        yield 503
    if "security" in operation:
        yield from (401, 403)
    if "{" in path:
        yield 404
    if method == "post":
        yield from (408, 409, 413, 415, 422)
    if any(parameter.get("in") == "query" for parameter in operation.get("parameters", ())):
        yield 422


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's document, with what it does not know: bodies that routes read as bytes, and every refusal."""
    document["components"] = {
        **components(),
        "securitySchemes": document["components"]["securitySchemes"],
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("422", None)  # FastAPI's own, which nobody gets.
            for status in sorted(can_refuse(path, method, operation)):
                operation["responses"][str(status)] = ref("responses", str(status))
    return document


class Application(FastAPI):
    """FastAPI behind the guard and behind what is posted. As its middleware they would stand behind layers that nobody here
    needs, which cost as much as to read an issue.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._front = Guard(Posting(super().__call__, self.state))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._front(scope, receive, send)


def make_app(lifespan: Callable[[FastAPI], Any]) -> FastAPI:
    """Intake's application. `lifespan` sets `app.state.intake`."""
    app = Application(
        title="gridcall intake", version="1", lifespan=lifespan, description="The only door of gridcall.",
        redirect_slashes=False, docs_url=None, redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )  # fmt: skip
    app.include_router(router)
    problems(app)
    made = app.openapi
    app.openapi = cache(lambda: completed(made()))  # type: ignore[method-assign]
    return app
