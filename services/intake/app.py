"""Intake over HTTP: the only door. What it refuses it refuses as problem+json, with what to do."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from events.catalogue import LINES, TYPE_OF
from events.database import Database
from events.errors import Away
from events.generation import NewGeneration
from events.instants import rfc3339
from events.row import Row
from intake.body import FieldError, Problem, cut, whole
from intake.door import Accepted, Busy, ClockLeapt, Door, Item, item_of
from intake.identity import issue_id
from intake.keys import READER, Key, Keys
from intake.outcomes import Outcomes, sentence
from intake.wire import ActionIn, IssueIn, action_event, action_of, issue_event, issue_of

BODY_SECONDS = 20.0  # A body that takes longer is not worth waiting for.
WAIT_SECONDS_MAX = 10
PROBLEM = "application/problem+json"
WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,3})(?:$|[,;\s])")
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, text in {
        400: "A header or an encoding that is broken",
        401: "No key, or one that is not known",
        403: "A key for something else",
        404: "Not known",
        405: "Another method",
        408: "The body did not come in time",
        409: "The same reference with other content",
        413: "Too large",
        415: "Another content type",
        422: "Cannot be read",
        503: "Nothing can be accepted at the moment; see Retry-After",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Intake:
    """What the routes need: one object, made when the application starts."""

    door: Door
    keys: Keys
    outcomes: Outcomes
    database: Database


router = APIRouter(tags=["door"])


# ── Posting ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/issues/{line}", responses=PROBLEMS, openapi_extra={"requestBody": {"$ref": "#/components/requestBodies/Issues"}})
async def post_issues(request: Request, line: str) -> Response:
    """Post issues of a line: one object, an array, or NDJSON.

    The answer comes after the commit: 202, with a tracking code. The same reference again changes nothing: the same content
    gets the first answer (200), other content 409. Several items get a result each, in their order. With `Prefer: wait=2`
    a single issue is answered by what became of it.
    """
    intake: Intake = request.app.state.intake
    key = await key_of(request, intake, line)

    def read(item: bytes) -> tuple[Item, str, str]:
        issue = issue_of(item)
        district = district_of(issue.district, key)
        return item_of(issue_event(issue, district, key.source, line)), district, issue.reference

    return await posted(request, intake, read, lambda reference: f"/issues/{line}/{reference}")


@router.post("/actions", responses=PROBLEMS, openapi_extra={"requestBody": {"$ref": "#/components/requestBodies/Actions"}})
async def post_actions(request: Request) -> Response:
    """Post what people did: visits, resolutions, answers to calls. Answered like issues; `Prefer: wait` tells the outcome."""
    intake: Intake = request.app.state.intake
    key = await key_of(request, intake, None)

    def read(item: bytes) -> tuple[Item, str, str]:
        action = action_of(item)
        district = district_of(action.district, key)
        return item_of(action_event(action, district, key.source)), district, action.reference

    return await posted(request, intake, read, lambda reference: None)


Reader = Callable[[bytes], tuple[Item, str, str]]


async def posted(request: Request, intake: Intake, read: Reader, location: Callable[[str], str | None]) -> Response:
    """Read, accept, answer."""
    body, content_type = await body_of(request), request.headers.get("content-type", "")
    items = cut(body, content_type)
    if len(items) == 1 and not body.lstrip().startswith(b"["):
        item, district, reference = read(items[0])
        (accepted,) = await intake.door.accept(district, [item])
        return await single(request, intake, accepted, district, reference, location(reference))
    results = await several(intake, items, read, request.url.path)
    statuses = {result["status"] for result in results}
    status = 200 if statuses == {200} else 202 if statuses <= {200, 202} else 207
    if "ndjson" in content_type:
        return Response(b"".join(dumped(result) + b"\n" for result in results), status, media_type="application/x-ndjson")
    return Response(dumped({"results": results}), status, media_type="application/json")


async def single(
    request: Request, intake: Intake, accepted: Accepted, district: str, reference: str, location: str | None
) -> Response:
    """The answer to one item: 202, 200 for a repeat or with the outcome that was waited for, 409 for other content."""
    if not accepted.same:
        raise conflict(reference)
    result, headers = result_of(accepted, reference), {"Location": location} if location else {}
    seconds = waited_for(request)
    rows: Sequence[Row] = ()
    if seconds:
        headers["Preference-Applied"] = f"wait={seconds}"
        rows = await intake.outcomes.wait(district, accepted.pos, seconds)
    if rows:
        result = {**result, "status": 200, "outcome": outcome_of(rows)}
    return Response(dumped(result), result["status"], headers, "application/json")


async def several(intake: Intake, items: Sequence[bytes], read: Reader, instance: str) -> list[dict[str, Any]]:
    """One result per item, in their order. Those of one district are accepted together."""
    results: list[dict[str, Any]] = [{}] * len(items)
    by_district: dict[str, list[tuple[int, Item, str]]] = {}
    for number, body in enumerate(items):
        try:
            item, district, reference = read(body)
            by_district.setdefault(district, []).append((number, item, reference))
        except Problem as problem:
            results[number] = problem.as_json(f"{instance}#/{number}")
    for district, readable in by_district.items():
        answers = await intake.door.accept(district, [item for _, item, _ in readable])
        for (number, _, reference), accepted in zip(readable, answers, strict=True):
            known = result_of(accepted, reference) if accepted.same else conflict(reference).as_json(f"{instance}#/{number}")
            results[number] = known
    return results


def result_of(accepted: Accepted, reference: str) -> dict[str, Any]:
    """What whoever posted gets: 202 for what is new, 200 for what was known."""
    return {
        "status": 202 if accepted.fresh else 200,
        "reference": reference,
        "id": accepted.id,
        "tracking": accepted.code,
        "position": accepted.pos,
        "time": rfc3339(accepted.ts),
    }


def outcome_of(rows: Sequence[Row]) -> dict[str, Any]:
    """What became of an input: the events it caused, and the sentence of one that changed nothing."""
    because = sentence(rows[-1].event)
    events = [{"type": TYPE_OF[type(row.event)].name, "subject": row.subject, "id": row.id} for row in rows]
    return {"declined": because is not None, "because": because, "events": events}


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/track/{code}", responses=PROBLEMS)
async def track(request: Request, code: str) -> Response:
    """What became of what was posted, by its tracking code. The code is the key: it has 128 random bits."""
    intake: Intake = request.app.state.intake
    found = await intake.database.fetch("SELECT id, shard, pos, ts FROM intake.identity WHERE code = $1", code)
    if not found or not re.fullmatch("[0-9a-f]{32}", code):
        raise Problem(404, "unknown", "Not known", "No such tracking code. It is the `tracking` of the answer to a post.")
    return await told(intake, found[0]["id"], found[0]["shard"], found[0]["pos"], found[0]["ts"], code)


@router.get("/issues/{line}/{reference:path}", responses=PROBLEMS)
async def get_issue(request: Request, line: str, reference: str) -> Response:
    """What became of an issue, by the line's own reference, for whoever holds a key of that line."""
    intake: Intake = request.app.state.intake
    key = await key_of(request, intake, line)
    sql = "SELECT id, shard, pos, ts, code FROM intake.identity WHERE id = $1"
    found = await intake.database.fetch(sql, issue_id(key.district, key.source, line, reference))
    if not found:
        raise Problem(404, "unknown", "Not known", f"No issue {reference!r} came through {line} with this key; post it first.")
    return await told(intake, *found[0])


async def told(intake: Intake, item: str, shard: str, pos: int, ts: int, code: str) -> Response:
    """An accepted input and its outcome, if it is there."""
    rows = await intake.outcomes.found(shard, pos)
    answer = {"id": item, "tracking": code, "position": pos, "time": rfc3339(ts)}
    return Response(dumped({**answer, "outcome": outcome_of(rows) if rows else None}), media_type="application/json")


@router.get("/livez", tags=["health"])
async def livez() -> dict[str, str]:
    """Whether the process runs."""
    return {"status": "alive"}


@router.get("/readyz", tags=["health"], responses={503: PROBLEMS[503]})
async def readyz(request: Request) -> dict[str, str]:
    """Whether it can accept: its database answers."""
    await request.app.state.intake.database.fetch("SELECT 1")
    return {"status": "ready"}


# ── Reading a request ────────────────────────────────────────────────────────────────────────────────────────────────


async def key_of(request: Request, intake: Intake, line: str | None) -> Key:
    """Whose key it is. Raises 401 without one that is known, 403 for another line, 404 for no line."""
    if line is not None and line not in (*LINES, READER):
        raise Problem(404, "unknown-line", "No such line", f"{line[:40]!r} is no line; the four lines are {', '.join(LINES)}.")
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    key = await intake.keys.of(secret.strip()) if scheme.lower() == "bearer" and secret else None
    if key is None:
        detail = "Send `Authorization: Bearer gck_…`; `gridcall key add` makes a key."
        raise Problem(401, "no-key", "No key that is known", detail)
    if line is not None and line not in key.lines:
        has = ", ".join(sorted(key.lines))
        raise Problem(403, "other-line", "A key for something else", f"This key is for {has}, not for {line}.")
    return key


def district_of(named: str | None, key: Key) -> str:
    """The district of an item: the key's. Raises Problem for an item that names another one."""
    if named not in (None, key.district):
        detail = f"This key is for the district {key.district}; leave `district` out, or use a key of the other district."
        raise Problem(422, "other-district", "Another district", detail, (FieldError("/district", "unknown district"),))
    return key.district


async def body_of(request: Request) -> bytes:
    """The body, under its budget and in time."""
    declared = request.headers.get("content-length")
    encoding = request.headers.get("content-encoding")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await whole(request.stream(), encoding, int(declared) if declared and declared.isdigit() else None)
    except TimeoutError:
        raise Problem(
            408, "slow", "Too slow", f"The body did not come within {BODY_SECONDS:.0f} s; nothing was stored."
        ) from None


def waited_for(request: Request) -> int:
    """The seconds of `Prefer: wait=N`, at most ten."""
    found = WAIT.search(request.headers.get("prefer", ""))
    return min(int(found[1]), WAIT_SECONDS_MAX) if found else 0


def conflict(reference: str) -> Problem:
    """The same reference, other content."""
    return Problem(
        409, "other-content", "Known with other content",
        f"{reference!r} was posted before with other content, and that stands. A correction is an action of its own: post it "
        "to /actions, or report the matter under a new reference.",
    )  # fmt: skip


def dumped(value: Any) -> bytes:
    """JSON as an answer has it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# ── Problems ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def answer_of(problem: Problem, request: Request, headers: dict[str, str] | None = None) -> Response:
    """A problem as RFC 9457 has it."""
    return JSONResponse(problem.as_json(request.url.path), problem.status, headers, PROBLEM)


def away(fault: Exception) -> Problem:
    """Nothing can be accepted at the moment."""
    if isinstance(fault, ClockLeapt):
        detail = f"{fault}. An operator looks which of the two is right, and confirms: gridcall clock confirm"
        return Problem(503, "clock", "The clock leapt", detail)
    if isinstance(fault, NewGeneration):
        detail = f"{fault}. Nothing is accepted until an operator has looked, and goes on with: gridcall restore accept"
        return Problem(503, "generation", "Another database", detail)
    kind, title = ("busy", "Busy") if isinstance(fault, Busy) else ("away", "The database is away")
    return Problem(503, kind, title, "Nothing of this request was stored. Send the same again, with the same references.")


def problems(app: FastAPI) -> None:
    """Make every refusal a problem."""

    async def problem(request: Request, fault: Any) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if fault.status == 401 else None
        return answer_of(fault, request, headers)

    async def unavailable(request: Request, fault: Any) -> Response:
        return answer_of(away(fault), request, {"Retry-After": "2"})

    async def http(request: Request, fault: Any) -> Response:
        known = {404: "There is nothing here; GET /docs shows what there is.", 405: "Another method; see Allow."}
        made = Problem(fault.status_code, "http", str(fault.detail), known.get(fault.status_code, str(fault.detail)))
        return answer_of(made, request, dict(fault.headers or {}))

    async def malformed(request: Request, fault: Any) -> Response:
        errors = tuple(FieldError("/" + "/".join(map(str, error["loc"])), error["msg"]) for error in fault.errors())
        return answer_of(Problem(422, "invalid", "Cannot be read", "A parameter cannot be read; see errors.", errors), request)

    async def own_fault(request: Request, fault: Exception) -> Response:
        detail = "This is a fault of gridcall. Send the same again, with the same references: nothing is stored twice."
        return answer_of(Problem(500, "fault", "A fault of gridcall", detail), request)

    handlers: dict[Any, Any] = {
        Problem: problem, Away: unavailable, Busy: unavailable, ClockLeapt: unavailable, NewGeneration: unavailable,
        HTTPException: http, RequestValidationError: malformed, Exception: own_fault,
    }  # fmt: skip
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def components() -> dict[str, Any]:
    """What the OpenAPI document says of bodies that the routes read as bytes."""
    schemas: dict[str, Any] = {
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail", "instance"],
            "properties": {
                **{name: {"type": "string"} for name in ("type", "title", "detail", "instance")},
                "status": {"type": "integer"},
                "errors": {"type": "array", "items": {"type": "object"}},
            },
        }
    }
    bodies: dict[str, Any] = {}
    kinds: tuple[tuple[Literal["Issue", "Action"], Any], ...] = (("Issue", IssueIn), ("Action", ActionIn))
    for name, kind in kinds:
        schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = schema
        one = {"$ref": f"#/components/schemas/{name}"}
        either = {"oneOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": 10_000}]}
        bodies[f"{name}s"] = {"required": True, "content": {"application/json": {"schema": either}}}
    return {"schemas": schemas, "requestBodies": bodies}


def make_app(lifespan: Callable[[FastAPI], Any]) -> FastAPI:
    """Intake's application. `lifespan` sets `app.state.intake`."""
    app = FastAPI(title="gridcall intake", version="1", lifespan=lifespan, description="The only door of gridcall.")
    app.include_router(router)
    problems(app)
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        for part, known in components().items():
            document.setdefault("components", {}).setdefault(part, {}).update(known)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    return app


async def reading_key(request: Request) -> AsyncIterator[None]:
    """For routes that show logs: they name workers by code."""
    await key_of(request, request.app.state.intake, READER)
    yield
