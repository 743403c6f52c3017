"""The two paths that are posted to: read a request, accept its items, answer each.

They come before FastAPI, which serves all other routes. Finding a route and solving its
dependencies takes FastAPI longer than it takes here to read, accept and answer an issue.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from starlette.datastructures import State
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eventlog.tracing import TRACEPARENT, Tracing
from events.catalogue import LINES
from events.errors import Unavailable
from httpedge.addresses import client_network
from httpedge.items import JSON, NDJSON, media_type, split_items
from httpedge.memory_budget import MemoryBudget
from httpedge.open_requests import OpenRequests
from httpedge.prefer import preferred_wait
from httpedge.problems import Problem, too_soon
from httpedge.rate_limit import RateExceeded, RateLimit
from httpedge.request_body import read_body
from httpedge.responses import http_problem, json_response, problem_response
from httpedge.strict_json import ITEM_BYTES_MAX
from httpedge.telemetry import ITEMS_REFUSED
from httpedge.turns import Turns
from intake.acceptor import Acceptor
from intake.api_keys import ApiKey, ApiKeys
from intake.authorization import authorize, check_line
from intake.conflicts import conflict, explain_conflict
from intake.core.submission import Item
from intake.outcomes import Outcomes
from intake.refusals import FAULT, REFUSALS, to_problem
from intake.results import (
    Outcome,
    Result,
    count_accepted,
    count_refused,
    outcome_of,
    result_of,
)
from intake.store import IntakeStore
from intake.submissions import ACTIONS, ActionSubmission, IssueSubmission, Submission
from intake.tracking import NoTracker, Tracker

COMMIT_ITEMS_MAX = 500  # Of one request in a commit: others would wait behind more.
LISTED_MAX = 100  # Refused items of a request whose errors are listed; beyond, a program is wrong.
WAIT_SECONDS_MAX = 10
WAITING_MAX = 200  # Senders who wait for an outcome; each looks at every event of its district.
PATH = re.compile("/actions|/issues/(?P<line>[^/]+)")


@dataclass(frozen=True, slots=True)
class Intake:
    """The parts that the routes share: one object, made when the application starts.

    `waits` are the senders who wait for an outcome, `streams` others that stay open.
    `rates` counts the items of each key and line. `tracing` is None while traces are off.
    """

    acceptor: Acceptor
    keys: ApiKeys
    outcomes: Outcomes
    store: IntakeStore
    waits: OpenRequests
    streams: OpenRequests
    rates: RateLimit
    tracker: Tracker = field(default_factory=NoTracker)
    tracing: Tracing | None = None
    budget: MemoryBudget = field(default_factory=MemoryBudget)
    turns: Turns = field(default_factory=Turns)


class Request(NamedTuple):
    """A POST. Of a header that may occur once there is one, because the server has checked that.

    `line` is None for actions. `trace` is the context of a sampled request.
    """

    path: str
    line: str | None
    address: str
    all_headers: Sequence[tuple[bytes, bytes]]
    headers: dict[bytes, bytes]
    receive: Receive
    trace: str = ""

    @property
    def route(self) -> str:
        """The template of the path, which is the same for all lines."""
        return f"/{ACTIONS}" if self.line is None else "/issues/{line}"

    def header(self, name: bytes) -> str:
        """Return a header; empty if there is none."""
        return self.headers.get(name, b"").decode("latin-1")

    def with_trace(self, item: Item) -> Item:
        """Return an item with the context of this request, if that is sampled."""
        return item._replace(trace=self.trace) if self.trace else item


class IngestEndpoint:
    """Answers what is posted. Other paths go to the application behind it.

    The application's `state` has an Intake.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if path is None:
            await self._app(scope, receive, send)
            return
        if scope["method"] != "POST":
            problem = http_problem(405, "Method Not Allowed")
            response = problem_response(problem, scope["path"], {"Allow": "POST"})
            await response(scope, receive, send)
            return
        headers = scope["headers"]
        address = client_network(scope)
        request = Request(scope["path"], path["line"], address, headers, dict(headers), receive)
        try:
            response = await post_traced(self._state.intake, request)
        except Exception:  # The server logs it.
            await problem_response(FAULT, request.path)(scope, receive, send)
            raise
        await response(scope, receive, send)


async def post_traced(intake: Intake, request: Request) -> Response:
    """Return the response to a request, which has a span if traces are on."""
    if intake.tracing is None:
        return await answer(intake, request)
    parent = request.header(TRACEPARENT.encode())
    span = intake.tracing.begin_request("POST", request.route, parent)
    try:
        response = await answer(intake, request._replace(trace=span.context))
    except BaseException as fault:
        span.end(fault)
        raise
    span.annotate("http.response.status_code", response.status_code)
    span.end()
    return response


async def answer(intake: Intake, request: Request) -> Response:
    """Return the response to a request, also if it is refused."""
    try:
        return await post(intake, request)
    except REFUSALS as error:
        return problem_response(to_problem(error), request.path)


async def post(intake: Intake, request: Request) -> Response:
    """Read a request, accept its items, and return the response."""
    submission = await authorized_submission(request, intake.keys)
    content_type = request.header(b"content-type")
    media = media_type(content_type)
    name = submission.key.id, submission.name
    spend(intake.rates, name)
    with intake.budget.request(submission.key.id) as reserve:
        body = await read_body(request.receive, request.headers, reserve)
        # Again, because the key may have ended while the body came.
        await authorized_submission(request, intake.keys)
        if media == JSON and body.lstrip()[:1] == b"{":
            item, reference = await read_single(intake, submission, body, content_type)
            return await accept_single(intake, request, submission, item, reference)
        items = await split_in_turn(intake, body, content_type)
        intake.rates.owe(name, len(items) - 1)
        results = await accept_many(intake, submission, items, request)
    statuses = {
        result.status if isinstance(result, Result) else result["status"] for result in results
    }
    status = 200 if statuses == {200} else 202 if statuses <= {200, 202} else 207
    value = results if media in NDJSON else {"results": results}
    return json_response(value, status, media=media)


async def authorized_submission(request: Request, keys: ApiKeys) -> Submission:
    """Return what is posted and by which key. Raises Problem 404, 401 or 403."""
    sent = request.header(b"authorization"), request.address
    if request.line is None:
        return ActionSubmission(await authorize(keys, *sent, *LINES))
    line = check_line(request.line)
    return IssueSubmission(await authorize(keys, *sent, line), line)


def spend(rates: RateLimit, name: tuple[str, str]) -> None:
    """Spend the token of one item, for a key and its line. Raises Problem 429 if none is left."""
    try:
        rates.spend(name)
    except RateExceeded as exceeded:
        detail = (
            f"This key has sent {rates.burst:,.0f} items to {name[1]} at once, and may send"
            f" {rates.per_second:,g} a second from then on; nothing of this request was stored."
        )
        raise too_soon("rate", detail, exceeded.seconds) from None


async def split_in_turn(intake: Intake, body: bytes, content_type: str) -> list[bytes]:
    """Return the items of a body. A large one, which takes several slices, waits for its turn."""
    if len(body) <= ITEM_BYTES_MAX:
        return split_items(body, content_type)
    return await intake.turns.run(lambda: split_items(body, content_type))


# ── One item ─────────────────────────────────────────────────────────────────────────────────────


async def read_single(
    intake: Intake, submission: Submission, body: bytes, content_type: str
) -> tuple[Item, str]:
    """Return the one object of a body, and its reference. Raises Problem.

    A body that can be read as an item needs no splitting, because reading is stricter.
    """
    if len(body) <= ITEM_BYTES_MAX:
        with suppress(Problem):  # Of a body that is not one object, splitting says more.
            return submission.read(body)
    try:
        (item,) = await split_in_turn(intake, body, content_type)
        return submission.read(item)
    except Problem:
        count_refused(submission.name)
        raise


async def accept_single(
    intake: Intake, request: Request, submission: Submission, item: Item, reference: str
) -> Response:
    """Accept one item: 202 if it is new, 200 if it is a repeat or has its outcome, else 409."""
    district = submission.key.district
    item = request.with_trace(item)
    (accepted,) = await intake.acceptor.accept(district, [item])
    count_accepted(submission.name, [accepted])
    if not accepted.same:
        raise await explain_conflict(intake.store, submission.key, item, accepted, reference)
    result = result_of(accepted, reference)
    headers = {"Location": submission.location(reference, accepted.code)}
    seconds = preferred_wait(request.all_headers, WAIT_SECONDS_MAX)
    if seconds and intake.waits.has_room(submission.key.id):
        headers["Preference-Applied"] = f"wait={seconds}"
        outcome = await wait_for_outcome(
            intake, seconds, submission.key, accepted.position, request.receive
        )
        if outcome:
            result = msgspec.structs.replace(result, status=200, outcome=outcome)
    return json_response(result, result.status, headers)


async def wait_for_outcome(
    intake: Intake, seconds: int, key: ApiKey, position: int, receive: Receive
) -> Outcome | None:
    """Return the outcome of an accepted input if it comes in time, and while the key is in force.

    The input is stored, so that no later fault makes it a refusal.
    """
    with suppress(Unavailable, Problem, ClientDisconnect), intake.waits.admit(key.id) as opened:
        outcome = intake.outcomes.wait(key.district, position, seconds)
        return outcome_of(await opened.until_ended(outcome, receive))
    return None


# ── Several items ────────────────────────────────────────────────────────────────────────────────


class Results:
    """One result for each item of a request, in their order."""

    def __init__(self, count: int, path: str) -> None:
        self.items: list[Result | dict[str, Any]] = [{}] * count
        self._path = path
        self._refused = 0

    def accept(self, number: int, result: Result) -> None:
        """Set the result of an accepted item."""
        self.items[number] = result

    def lists_errors(self) -> bool:
        """Tell whether the next refused item is answered with its errors."""
        return self._refused < LISTED_MAX

    def refuse(self, number: int, problem: Problem) -> None:
        """Set the problem of a refused item; behind many others, without its errors."""
        self._refused += 1
        ITEMS_REFUSED.labels(problem.kind).inc()
        members = problem.to_members(f"{self._path}#/{number}")
        if self._refused > LISTED_MAX and members.pop("errors", None):
            members["detail"] = (
                "This item is not valid either: errors are listed for the first"
                f" {LISTED_MAX} of a request."
            )
        self.items[number] = members


async def accept_many(
    intake: Intake, submission: Submission, items: Sequence[bytes], request: Request
) -> list[Result | dict[str, Any]]:
    """Accept all items that can be read; return one result for each, in their order."""
    results = Results(len(items), request.path)
    readable: list[tuple[int, Item, str]] = []

    def read(number: int, body: bytes) -> None:
        try:
            item, reference = submission.read(body)
            readable.append((number, request.with_trace(item), reference))
        except Problem as problem:
            count_refused(submission.name)
            results.refuse(number, problem)

    await intake.turns.for_each(items, read)
    for start in range(0, len(readable), COMMIT_ITEMS_MAX):
        part = readable[start : start + COMMIT_ITEMS_MAX]
        group = await intake.acceptor.accept(submission.key.district, [item for _, item, _ in part])
        count_accepted(submission.name, group)
        for (number, item, reference), accepted in zip(part, group, strict=True):
            if accepted.same:
                results.accept(number, result_of(accepted, reference))
            elif results.lists_errors():
                explain = explain_conflict(intake.store, submission.key, item, accepted, reference)
                results.refuse(number, await explain)
            else:
                results.refuse(number, conflict(reference))
    return results.items
