"""Intake over HTTP: the only door. What it refuses it refuses as problem+json, with what to do.

Answers are made of the structs below, and the OpenAPI document of the same structs: it says what is done.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from time import perf_counter
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.catalogue import LINES, TYPE_OF
from events.database import Database
from events.errors import Away
from events.generation import NewGeneration
from events.instants import rfc3339
from events.row import Row
from intake.body import ITEM_BYTES, ITEMS, JSON, NDJSON, FieldError, Problem, cut, media_type, whole
from intake.door import Accepted, Busy, ClockLeapt, Door, Item, item_of
from intake.identity import issue_id
from intake.keys import READER, Key, Keys
from intake.outcomes import Outcomes, sentence
from intake.wire import ACTION, ISSUE, action_event, action_of, issue_event, issue_of, reference_of

BODY_SECONDS = 20.0  # A body that takes longer is not worth waiting for.
BODIES_BYTES = 128 * 2**20  # Of all bodies that this process holds; beyond that the door says that it is busy.
SLICE_SECONDS = 0.005  # So long a large request is read; then all others have as long.
TOGETHER = 500  # Items that one request puts into a commit: more go no faster, and others would wait behind them.
LISTED = 100  # Refused items of a request whose errors are listed: whoever makes more corrects a program, not an item.
WAIT_SECONDS_MAX = 10
WAITING = 100  # Requests that wait for an outcome at once; each looks whenever something happens in its district.
SECRET = re.compile(r"(?i:bearer) +(gck_[A-Za-z0-9_-]{20,100})")  # What cannot be a key is looked up nowhere.
WAIT = re.compile(r'\s*(?i:wait)\s*=\s*(?:([0-9]{1,9})|"([0-9]{1,9})")\s*(?:;.*)?')
CODE = re.compile("[0-9a-f]{32}")

T = TypeVar("T")


class Room:
    """How many bytes of bodies this process holds."""

    def __init__(self) -> None:
        self.held = 0

    @contextmanager
    def for_one(self) -> Iterator[Callable[[int], None]]:
        """Room for a request, which says how many bytes it holds by now. Raises Busy where there is no more room."""
        mine = 0

        def hold(count: int) -> None:
            nonlocal mine
            if self.held - mine + count > BODIES_BYTES:
                raise Busy(f"bodies of {self.held:,} bytes are being read already")
            self.held, mine = self.held - mine + count, count

        try:
            yield hold
        finally:
            self.held -= mine


@dataclass(frozen=True, slots=True)
class Intake:
    """What the routes need: one object, made when the application starts."""

    door: Door
    keys: Keys
    outcomes: Outcomes
    database: Database
    room: Room = field(default_factory=Room)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WAITING))


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Id = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="Of the issue or the action; it follows from who sent it.")]
Code = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="Whoever has it may ask what became of it.")]
Position = Annotated[int, Meta(ge=1, description="In intake's log of the district.")]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Caused(msgspec.Struct, frozen=True):
    """An event that an input caused, in `cases` or `calls`."""

    type: str
    subject: str
    id: str


class Outcome(msgspec.Struct, frozen=True):
    """What became of an input: the events that it caused; where nothing was done, `because` says why."""

    declined: bool
    because: str | None
    events: list[Caused]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was accepted. `status` is 202 for what is new; 200 for what was known, or where its outcome is told."""

    status: Literal[200, 202]
    reference: str
    id: Id
    tracking: Code
    position: Position
    time: Time
    outcome: Outcome | None = None


class Told(msgspec.Struct, frozen=True):
    """What was accepted, and its outcome, as soon as there is one."""

    id: Id
    tracking: Code
    position: Position
    time: Time
    outcome: Outcome | None


def outcome_of(rows: Sequence[Row]) -> Outcome | None:
    """What the rows of a decision say; None as long as there are none."""
    if not rows:
        return None
    because = sentence(rows[-1].event)
    return Outcome(because is not None, because, [Caused(TYPE_OF[type(row.event)].name, row.subject, row.id) for row in rows])


def result_of(accepted: Accepted, reference: str) -> Result:
    """What whoever posted gets: 202 for what is new, 200 for what was known."""
    return Result(202 if accepted.fresh else 200, reference, accepted.id, accepted.code, accepted.pos, rfc3339(accepted.ts))


def answered(value: Any, status: int = 200, headers: dict[str, str] | None = None, kind: str = JSON) -> Response:
    """An answer in JSON, or line by line."""
    body = b"".join([msgspec.json.encode(each) + b"\n" for each in value]) if kind in NDJSON else msgspec.json.encode(value)
    return Response(body, status, headers, kind)


# ── The document, where it stands beside a route ─────────────────────────────────────────────────────────────────────

PROBLEM = "application/problem+json"
BEARER = Depends(HTTPBearer(auto_error=False, scheme_name="key", description="`gridcall key add` makes a key."))
LineName = Annotated[str, Path(description="One of the four lines.", json_schema_extra={"enum": list(LINES)})]
Reference = Annotated[str, Path(description="The line's own.", json_schema_extra={"minLength": 1, "maxLength": 200})]
TrackingCode = Annotated[str, Path(description="`tracking` of an answer.", json_schema_extra={"pattern": "^[0-9a-f]{32}$"})]


def ref(part: str, name: str) -> dict[str, str]:
    """A reference to a component of the document."""
    return {"$ref": f"#/components/{part}/{name}"}


def content(schema: dict[str, Any], line: dict[str, Any] | None = None) -> dict[str, Any]:
    """The content of a body in JSON; `line`: also of each line of NDJSON, whose lines together count as an array."""
    lines = {NDJSON[0]: {"schema": {"type": "array", "items": line}}} if line else {}
    return {JSON: {"schema": schema}, **lines}


def text_header(description: str, example: str, *, required: bool = False) -> dict[str, Any]:
    """A header of an answer."""
    return {"description": description, "required": required, "schema": {"type": "string"}, "example": example}


ONE, EACH = ref("schemas", "Result"), {"anyOf": [ref("schemas", "Result"), ref("schemas", "Problem")]}
EITHER = {"oneOf": [ONE, ref("schemas", "Results")]}
HEADERS = {
    "Location": text_header("Where to ask what became of it; for one item.", "/issues/hotline/2026-000117"),
    "Preference-Applied": text_header("Where the door waited.", "wait=2"),
}
POSTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "All was known before: the first answer again. Or what became of it, for who prefers to wait",
        "content": content(EITHER, EACH),
        "headers": HEADERS,
    },
    202: {"description": "Accepted and committed", "content": content(EITHER, EACH), "headers": HEADERS},
    207: {
        "description": "Of several items some were refused: a result each, in their order",
        "content": content(ref("schemas", "Results"), EACH),
    },
}
TOLD: dict[int | str, dict[str, Any]] = {200: {"description": "What is known", "content": content(ref("schemas", "Told"))}}


def body_named(name: str) -> dict[str, Any]:
    """What the document says beside a route that is posted to."""
    return {"requestBody": ref("requestBodies", name), "parameters": [ref("parameters", "Prefer")]}


router = APIRouter(default_response_class=Response)


# ── Posting ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/issues/{line}", tags=["door"], dependencies=[BEARER], responses=POSTED, openapi_extra=body_named("Issues"))
async def post_issues(request: Request, line: LineName) -> Response:
    """Post issues of a line: one object, an array, or NDJSON.

    The answer comes after the commit: 202, with a tracking code. The same reference again changes nothing: the same content
    gets the first answer (200), other content 409. Several items get a result each, in their order. With `Prefer: wait=2`
    a single issue is answered by what became of it.
    """
    intake: Intake = request.app.state.intake
    check_line(line)
    key = await key_for(request, intake, line)

    def read(item: bytes) -> tuple[Item, str]:
        issue = issue_of(item)
        check_district(issue.district, key)
        return item_of(issue_event(issue, key.district, key.source, line)), issue.reference

    def location(reference: str, code: str) -> str:
        if reference in (".", ".."):  # A client would take it for a step up.
            return f"/track/{code}"
        return f"/issues/{line}/{quote(reference, safe='')}"

    return await posted(request, intake, key, read, location)


@router.post("/actions", tags=["door"], dependencies=[BEARER], responses=POSTED, openapi_extra=body_named("Actions"))
async def post_actions(request: Request) -> Response:
    """Post what people did: visits, resolutions, answers to calls. Answered like issues; `Prefer: wait` tells the outcome."""
    intake: Intake = request.app.state.intake
    key = await key_for(request, intake, *LINES)

    def read(item: bytes) -> tuple[Item, str]:
        action = action_of(item)
        check_district(action.district, key)
        return item_of(action_event(action, key.district, key.source)), action.reference

    return await posted(request, intake, key, read, lambda reference, code: f"/track/{code}")


Reader = Callable[[bytes], tuple[Item, str]]
Location = Callable[[str, str], str]


async def posted(request: Request, intake: Intake, key: Key, read: Reader, location: Location) -> Response:
    """Read, accept, answer."""
    content_type = request.headers.get("content-type", "")
    kind = media_type(content_type)
    with intake.room.for_one() as hold:
        body = await body_of(request, hold)
        items = await cut_in_turn(intake, body, content_type)
        if kind == JSON and body.lstrip()[:1] == b"{":
            return await single(request, intake, key, read(items[0]), location)
        results = await several(intake, key, items, read, request.scope["path"])
    statuses = {result.status if isinstance(result, Result) else result["status"] for result in results}
    status = 200 if statuses == {200} else 202 if statuses <= {200, 202} else 207
    return answered(results if kind in NDJSON else {"results": results}, status, kind=kind)


async def single(request: Request, intake: Intake, key: Key, said: tuple[Item, str], location: Location) -> Response:
    """The answer to one item: 202, 200 for a repeat or with the outcome that was waited for, 409 for other content."""
    item, reference = said
    (accepted,) = await intake.door.accept(key.district, [item])
    if not accepted.same:
        raise conflict(reference)
    result, headers = result_of(accepted, reference), {"Location": location(reference, accepted.code)}
    seconds = waited_for(request)
    if seconds and not intake.waiting.locked():
        headers["Preference-Applied"] = f"wait={seconds}"
        outcome = await outcome_within(intake, seconds, key.district, accepted.pos)
        result = msgspec.structs.replace(result, status=200, outcome=outcome) if outcome else result
    return answered(result, result.status, headers)


async def outcome_within(intake: Intake, seconds: int, district: str, pos: int) -> Outcome | None:
    """The outcome of what was accepted, if it comes in time. It is stored, so that no fault after that makes it a refusal."""
    async with intake.waiting:
        with suppress(Away):
            return outcome_of(await intake.outcomes.wait(district, pos, seconds))
    return None


async def several(intake: Intake, key: Key, items: Sequence[bytes], read: Reader, path: str) -> list[Result | dict[str, Any]]:
    """One result per item, in their order."""
    results: list[Result | dict[str, Any]] = [{}] * len(items)
    readable: list[tuple[int, Item, str]] = []
    refused = 0

    def refuse(number: int, problem: Problem) -> None:
        nonlocal refused
        refused += 1
        results[number] = problem.as_json(f"{path}#/{number}") if refused <= LISTED else unlisted(problem, f"{path}#/{number}")

    def take(number: int, body: bytes) -> None:
        try:
            readable.append((number, *read(body)))
        except Problem as problem:
            refuse(number, problem)

    await in_turns(intake.turn, items, take)
    for start in range(0, len(readable), TOGETHER):
        part = readable[start : start + TOGETHER]
        answers = await intake.door.accept(key.district, [item for _, item, _ in part])
        for (number, _, reference), accepted in zip(part, answers, strict=True):
            if accepted.same:
                results[number] = result_of(accepted, reference)
            else:
                refuse(number, conflict(reference))
    return results


def unlisted(problem: Problem, instance: str) -> dict[str, Any]:
    """A problem without its errors, behind many others."""
    members = problem.as_json(instance)
    if members.pop("errors", None):
        members["detail"] = f"This item is not valid either: errors are listed for the first {LISTED} of a request."
    return members


async def in_turns(turn: asyncio.Lock, things: Sequence[T], work: Callable[[int, T], None]) -> None:
    """Work on all things in their order. What takes longer than a slice leaves as much time to all others after each slice.

    Of all large requests one works at a time, so that many of them do not make everybody wait either.
    """
    number = slice_of(things, 0, work)
    while number < len(things):
        async with turn:
            await asyncio.sleep(SLICE_SECONDS)
            number = slice_of(things, number, work)


def slice_of(things: Sequence[T], number: int, work: Callable[[int, T], None]) -> int:
    """Work on things from a number on, for the length of a slice; the number of the first that is left."""
    over = perf_counter() + SLICE_SECONDS
    while number < len(things) and perf_counter() < over:
        work(number, things[number])
        number += 1
    return number


async def cut_in_turn(intake: Intake, body: bytes, content_type: str) -> list[bytes]:
    """The items of a body. A large one, whose cutting takes several slices, waits for its turn."""
    if len(body) <= ITEM_BYTES:
        return cut(body, content_type)
    async with intake.turn:
        await asyncio.sleep(SLICE_SECONDS)
        return cut(body, content_type)


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/track/{code}", tags=["door"], responses=TOLD)
async def track(request: Request, code: TrackingCode) -> Response:
    """What became of what was posted, by its tracking code. The code is the key: it has 128 random bits."""
    intake: Intake = request.app.state.intake
    sql = "SELECT id, shard, pos, ts, code FROM intake.identity WHERE code = $1"
    found = await intake.database.fetch(sql, code) if CODE.fullmatch(code) else []
    if not found:
        raise Problem(404, "unknown", "Not known", "No such tracking code. It is the `tracking` of the answer to a post.")
    return await told(intake, *found[0])


@router.get("/issues/{line}/{reference:path}", tags=["door"], dependencies=[BEARER], responses=TOLD)
async def get_issue(request: Request, line: LineName, reference: Reference) -> Response:
    """What became of an issue, by the line's own reference, for whoever holds a key of that line."""
    intake: Intake = request.app.state.intake
    check_line(line)
    key = await key_for(request, intake, line)
    name = reference_of(reference)
    sql = "SELECT id, shard, pos, ts, code FROM intake.identity WHERE id = $1"
    found = await intake.database.fetch(sql, issue_id(key.district, key.source, line, name)) if name else []
    if not found:
        raise Problem(404, "unknown", "Not known", f"No issue {reference[:200]!r} came through {line} with this key; post it.")
    return await told(intake, *found[0])


async def told(intake: Intake, item: str, shard: str, pos: int, ts: int, code: str) -> Response:
    """An accepted input and its outcome, if it is there."""
    return answered(Told(item, code, pos, rfc3339(ts), outcome_of(await intake.outcomes.found(shard, pos))))


class Health(msgspec.Struct, frozen=True):
    """How it is."""

    status: Literal["alive", "ready"]


WELL: dict[int | str, dict[str, Any]] = {200: {"description": "It is", "content": content(ref("schemas", "Health"))}}


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


def check_line(line: str) -> None:
    """Raises 404 for no line."""
    if line not in LINES:
        raise Problem(404, "unknown-line", "No such line", f"{line[:40]!r} is no line; the four lines are {', '.join(LINES)}.")


async def key_for(request: Request, intake: Intake, *lines: str) -> Key:
    """Whose key it is. Raises 401 without one that is known, 403 for one that is for none of these lines."""
    said = SECRET.fullmatch(request.headers.get("authorization", "").strip())
    key = await intake.keys.of(said[1]) if said else None
    if key is None:
        detail = "Send `Authorization: Bearer gck_…`; `gridcall key add` makes a key."
        raise Problem(401, "no-key", "No key that is known", detail)
    if key.lines.isdisjoint(lines):
        detail = f"This key is for {', '.join(sorted(key.lines))}, not for {' or '.join(lines)}."
        raise Problem(403, "other-line", "A key for something else", detail)
    return key


async def reading_key(request: Request, shard: str, _: Annotated[object, BEARER]) -> None:
    """For routes that show the logs of a district: they name workers by code."""
    key = await key_for(request, request.app.state.intake, READER)
    if shard != key.district:
        raise other_district(key)


def check_district(named: str | None, key: Key) -> None:
    """Raises 403 for an item that names another district than the key's."""
    if named not in (None, key.district):
        raise other_district(key, FieldError("/district", "is not the district of this key: leave it out"))


def other_district(key: Key, *errors: FieldError) -> Problem:
    """A key opens one district."""
    detail = f"This key is for the district {key.district}: name no other one, or use a key of the other one."
    return Problem(403, "other-district", "Another district", detail, errors)


async def body_of(request: Request, hold: Callable[[int], None]) -> bytes:
    """The body, under its budget and in time; `hold` hears how many bytes of it there are."""
    declared = request.headers.get("content-length", "")
    encoding = request.headers.get("content-encoding")

    async def chunks() -> AsyncIterator[bytes]:
        came = 0
        async for chunk in request.stream():
            came += len(chunk)
            hold(came)
            yield chunk

    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await whole(chunks(), encoding, int(declared[-20:]) if declared.isdecimal() else None)
    except TimeoutError:
        raise Problem(
            408, "slow", "Too slow", f"The body did not come within {BODY_SECONDS:.0f} s; nothing was stored."
        ) from None
    hold(len(body))
    return body


def waited_for(request: Request) -> int:
    """The seconds of `Prefer: wait=N`, at most ten. Of several the first counts; what cannot be read is no preference."""
    for preferences in request.headers.getlist("prefer"):
        for preference in preferences.split(","):
            if found := WAIT.fullmatch(preference):
                return min(int(found[1] or found[2]), WAIT_SECONDS_MAX)
    return 0


def conflict(reference: str) -> Problem:
    """The same reference, other content."""
    return Problem(
        409, "other-content", "Known with other content",
        f"{reference!r} was posted before with other content, and that stands. A correction is an action of its own: post it "
        "to /actions, or report the matter under a new reference.",
    )  # fmt: skip


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


def refusal(problem: Problem, path: str, headers: dict[str, str] | None = None) -> Response:
    """A problem as RFC 9457 has it."""
    return answered(problem.as_json(path), problem.status, headers, PROBLEM)


def away(fault: Exception) -> Problem:
    """Nothing can be accepted at the moment."""
    if isinstance(fault, ClockLeapt):
        detail = f"{fault}. An operator looks which of the two is right, and confirms: gridcall clock confirm"
        return Problem(503, "clock", "The clock leapt", detail)
    if isinstance(fault, NewGeneration):
        detail = f"{fault}. Nothing is accepted until an operator has looked, and goes on with: gridcall restore accept"
        return Problem(503, "generation", "Another database", detail)
    kind, title = ("busy", "Busy") if isinstance(fault, Busy) else ("away", "The database is away")
    return Problem(503, kind, title, "Send the same again, with the same references: nothing is stored twice.")


def problems(app: FastAPI) -> None:
    """Make every refusal a problem."""

    async def problem(request: Request, fault: Any) -> Response:
        return refusal(fault, request.scope["path"], {"WWW-Authenticate": "Bearer"} if fault.status == 401 else None)

    async def unavailable(request: Request, fault: Any) -> Response:
        return refusal(away(fault), request.scope["path"], {"Retry-After": "2"})

    async def http(request: Request, fault: Any) -> Response:
        known = {404: "There is nothing here; GET /openapi.json says what there is.", 405: "Another method; see Allow."}
        made = Problem(fault.status_code, "http", str(fault.detail), known.get(fault.status_code, str(fault.detail)))
        headers = {name: value.replace("GET", "GET, HEAD") for name, value in (fault.headers or {}).items()}
        return refusal(made, request.scope["path"], headers)

    async def malformed(request: Request, fault: Any) -> Response:
        errors = tuple(FieldError("/" + "/".join(map(str, error["loc"])), error["msg"]) for error in fault.errors())
        made = Problem(422, "invalid", "Cannot be read", "A parameter cannot be read; see errors.", errors)
        return refusal(made, request.scope["path"])

    async def gone(request: Request, fault: Any) -> Response:
        return refusal(Problem(400, "gone", "Gone", "The body stopped half-way; nothing was stored."), request.scope["path"])

    async def own_fault(request: Request, fault: Exception) -> Response:
        detail = "This is a fault of gridcall. Send the same again, with the same references: nothing is stored twice."
        return refusal(Problem(500, "fault", "A fault of gridcall", detail), request.scope["path"])

    handlers: dict[Any, Any] = {
        Problem: problem, Away: unavailable, Busy: unavailable, ClockLeapt: unavailable, NewGeneration: unavailable,
        HTTPException: http, RequestValidationError: malformed, ClientDisconnect: gone, Exception: own_fault,
    }  # fmt: skip
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


# ── The guard ────────────────────────────────────────────────────────────────────────────────────────────────────────

HEADERS_MAX = 100
HEADERS_BYTES_MAX = 32 * 1024
ADDRESS_BYTES_MAX = 8 * 1024
LINGER_SECONDS = 1.0
ONCE = frozenset((b"authorization", b"content-encoding", b"content-length", b"content-type", b"host", b"transfer-encoding"))
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
        coming = any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
            for name, value in scope["headers"]
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

        problem = misframed(scope)
        app = refusal(problem, scope["path"]) if problem else self.app
        await app({**scope, "method": "GET"} if scope["method"] == "HEAD" else scope, received, sent)


def misframed(scope: Scope) -> Problem | None:
    """What is wrong with the frame of a request."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if len(headers) > HEADERS_MAX or sum(len(name) + len(value) for name, value in headers) > HEADERS_BYTES_MAX:
        detail = f"A request may have {HEADERS_MAX} headers, and {HEADERS_BYTES_MAX:,} bytes of them: leave some out."
        return Problem(431, "headers", "Too many headers", detail)
    if len(scope["raw_path"]) + len(scope["query_string"]) > ADDRESS_BYTES_MAX:
        return Problem(414, "address", "Too long an address", f"An address may have {ADDRESS_BYTES_MAX:,} bytes: shorten it.")
    once = [(name, value) for name, value in headers if name in ONCE]
    known = dict(once)
    if len(known) < len(once):
        return frame("A header stands twice of which there may be one: Host, Authorization, Content-Length or another.")
    if b"transfer-encoding" in known and (b"content-length" in known or known[b"transfer-encoding"].lower() != b"chunked"):
        return frame("Say the length by Content-Length, or by Transfer-Encoding: chunked, not by both and not otherwise.")
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
        "instance": {"type": "string", "description": "The path, and the number of the item behind `#/`."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON Pointer (RFC 6901) into the item."},
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
    _, answers = msgspec.json.schema_components((Result, Told, Health), ref_template="#/components/schemas/{name}")
    results = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array", "items": EACH}}}
    schemas: dict[str, Any] = {**answers, "Results": results, "Problem": PROBLEM_SCHEMA}
    bodies: dict[str, Any] = {}
    for name, kind in (("Issue", ISSUE), ("Action", ACTION)):
        schema = kind.json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = {**schema, "title": name}
        bodies[f"{name}s"] = sent(name, EXAMPLES[name])
    said = content(ref("schemas", "Problem"))[JSON]
    refusals = {
        str(status): {"description": text, "content": {PROBLEM: said}, "headers": SAID_BESIDE.get(status, {})}
        for status, text in REFUSALS.items()
    }
    return {"schemas": schemas, "requestBodies": bodies, "responses": refusals, "parameters": {"Prefer": PREFER}}


def sent(name: str, example: dict[str, Any]) -> dict[str, Any]:
    """What is posted: one item, or several, of which each is judged by itself: one that is wrong does not refuse the others."""
    one = ref("schemas", name)
    items = {"description": f"An {name}. Anything else gets a result that says what is wrong.", "anyOf": [one, {}]}
    many = {"description": f"Up to {ITEMS:,}.", "type": "array", "items": items, "minItems": 1}
    examples = {"one": {"value": example}, "several": {"value": [example, {**example, "reference": "another"}]}}
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
    document["components"] = {**components(), "securitySchemes": document["components"]["securitySchemes"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("422", None)  # FastAPI's own, which nobody gets.
            for status in sorted(can_refuse(path, method, operation)):
                operation["responses"][str(status)] = ref("responses", str(status))
    return document


def make_app(lifespan: Callable[[FastAPI], Any]) -> FastAPI:
    """Intake's application. `lifespan` sets `app.state.intake`."""
    app = FastAPI(
        title="gridcall intake", version="1", lifespan=lifespan, description="The only door of gridcall.",
        redirect_slashes=False, docs_url=None, redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )  # fmt: skip
    app.include_router(router)
    app.add_middleware(Guard)
    problems(app)
    made = app.openapi
    app.openapi = cache(lambda: completed(made()))  # type: ignore[method-assign]
    return app
