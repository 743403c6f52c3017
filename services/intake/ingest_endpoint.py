"""The two routes that are posted to, as bytes in and bytes out.

They stand before FastAPI, which describes them and serves all others: to find a route and solve its dependencies takes longer
there than it takes here to read, accept and answer an issue.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec
from starlette.datastructures import State
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eventlog.postgres.pool import Database
from events.catalogue import LINES
from events.errors import Unavailable
from httpedge.request_body import (
    ITEM_BYTES,
    JSON,
    NDJSON,
    FieldError,
    Problem,
    cut,
    media_type,
    taking,
)
from intake.acceptor import Acceptor, Busy
from intake.answers import (
    FAULT,
    REFUSED,
    Outcome,
    Result,
    answered,
    outcome_of,
    problem_for,
    refusal,
    result_of,
)
from intake.api_keys import Key, Keys
from intake.core.submission import Item, item_of
from intake.issues import action_event, action_of, issue_item, issue_of
from intake.outcomes import Outcomes

BODY_SECONDS = 20.0  # A body that takes longer is not worth waiting for.
BODIES_BYTES = (
    128 * 2**20
)  # Of all bodies that this process holds; beyond that the door says that it is busy.
SLICE_SECONDS = 0.005  # So long a large request is read; then all others have as long.
TOGETHER = 500  # Items that one request puts into a commit: more go no faster, and others would wait behind them.
LISTED = 100  # Refused items of a request whose errors are listed: whoever makes more corrects a program, not an item.
WAIT_SECONDS_MAX = 10
WAITING = 100  # Requests that wait for an outcome at once; each looks whenever something happens in its district.
PATH = re.compile("/actions|/issues/(?P<line>[^/]+)")
SECRET = re.compile(
    r"(?i:bearer) +(gck_[A-Za-z0-9_-]{20,100})"
)  # What cannot be a key is looked up nowhere.
WAIT = re.compile(r'\s*(?i:wait)\s*=\s*(?:([0-9]{1,9})|"([0-9]{1,9})")\s*(?:;.*)?')

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


class Deadline:
    """One for many, nearly all of whom are done long before it: a timer for each would cost more than to read a body."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._due: dict[asyncio.Timeout, float] = {}  # The soonest first.
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, timeout: asyncio.Timeout) -> None:
        """From now on it is due, unless it is done before."""
        loop = asyncio.get_running_loop()
        self._due[timeout] = due = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(due, self._end_late)

    def done(self, timeout: asyncio.Timeout) -> None:
        """It is due no more."""
        self._due.pop(timeout, None)

    def _end_late(self) -> None:
        loop, self._timer = asyncio.get_running_loop(), None
        while self._due:
            timeout, due = next(iter(self._due.items()))
            if due > loop.time():
                self._timer = loop.call_at(due, self._end_late)
                break
            del self._due[timeout]
            timeout.reschedule(due)


@dataclass(frozen=True, slots=True)
class Intake:
    """What the routes need: one object, made when the application starts."""

    door: Acceptor
    keys: Keys
    outcomes: Outcomes
    database: Database
    room: Room = field(default_factory=Room)
    deadline: Deadline = field(default_factory=lambda: Deadline(BODY_SECONDS))  # Of a body.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WAITING))


# ── What is posted ───────────────────────────────────────────────────────────────────────────────────────────────────


class Issues(NamedTuple):
    """Issues of a line, with the key that they came with."""

    key: Key
    line: str

    def read(self, item: bytes) -> tuple[Item, str]:
        """An issue as the door takes it, and its reference. Raises Problem."""
        issue = issue_of(item)
        check_district(issue.district, self.key)
        return issue_item(issue, self.key.district, self.key.source, self.line), issue.reference

    def location(self, reference: str, code: str) -> str:
        """Where to ask what became of one."""
        if reference in (".", ".."):  # A client would take it for a step up.
            return f"/track/{code}"
        return f"/issues/{self.line}/{quote(reference, safe='')}"


class Actions(NamedTuple):
    """What people did, with the key that it came with."""

    key: Key

    def read(self, item: bytes) -> tuple[Item, str]:
        """An action as the door takes it, and its reference. Raises Problem."""
        action = action_of(item)
        check_district(action.district, self.key)
        return item_of(action_event(action, self.key.district, self.key.source)), action.reference

    def location(self, reference: str, code: str) -> str:
        """Where to ask what became of one."""
        return f"/track/{code}"


Kind = Issues | Actions


class Request(NamedTuple):
    """What was asked: the frame is checked, so that a header stands once, but for `prefer`. `line`: none for actions."""

    path: str
    line: str | None
    all_headers: Sequence[tuple[bytes, bytes]]
    headers: dict[bytes, bytes]
    receive: Receive

    def header(self, name: bytes) -> str:
        """A header, empty where there is none."""
        return self.headers.get(name, b"").decode("latin-1")

    def preferences(self) -> list[str]:
        """What is asked for beside, as often as it stands there."""
        if b"prefer" not in self.headers:
            return []
        return [value.decode("latin-1") for name, value in self.all_headers if name == b"prefer"]


class Posting:
    """Answers what is posted; all else goes on to the application behind it, whose `state` has an Intake."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = (
            PATH.fullmatch(scope["path"])
            if scope["type"] == "http" and scope["method"] == "POST"
            else None
        )
        if found is None:
            await self.app(scope, receive, send)
            return
        request = Request(
            scope["path"], found["line"], scope["headers"], dict(scope["headers"]), receive
        )
        try:
            answer = await posted(self.state.intake, request)
        except REFUSED as fault:
            answer = refusal(problem_for(fault), request.path)
        except Exception:  # It goes on to the server, which logs it.
            await refusal(FAULT, request.path)(scope, receive, send)
            raise
        await answer(scope, receive, send)


async def kind_of(request: Request, keys: Keys) -> Kind:
    """What is posted, and whose key came with it. Raises Problem 404, 401 or 403."""
    authorization = request.header(b"authorization")
    if request.line is None:
        return Actions(await key_for(keys, authorization, *LINES))
    check_line(request.line)
    return Issues(await key_for(keys, authorization, request.line), request.line)


async def posted(intake: Intake, request: Request) -> Response:
    """Read, accept, answer."""
    kind = await kind_of(request, intake.keys)
    content_type = request.header(b"content-type")
    media = media_type(content_type)
    with intake.room.for_one() as hold:
        body = await body_of(request, hold, intake.deadline)
        if media == JSON and body.lstrip()[:1] == b"{":
            return await single(
                intake, request, kind, *await read_alone(intake, kind, body, content_type)
            )
        items = await cut_in_turn(intake, body, content_type)
        results = await several(intake, kind, items, request.path)
    statuses = {
        result.status if isinstance(result, Result) else result["status"] for result in results
    }
    status = 200 if statuses == {200} else 202 if statuses <= {200, 202} else 207
    return answered(results if media in NDJSON else {"results": results}, status, kind=media)


async def read_alone(
    intake: Intake, kind: Kind, body: bytes, content_type: str
) -> tuple[Item, str]:
    """The one object of a body, and its reference. What can be read needs no cutting: to read is stricter. Raises Problem."""
    if len(body) <= ITEM_BYTES:
        with suppress(Problem):  # Of a body that is not one object, it says less than cutting does.
            return kind.read(body)
    (item,) = await cut_in_turn(intake, body, content_type)
    return kind.read(item)


async def single(
    intake: Intake, request: Request, kind: Kind, item: Item, reference: str
) -> Response:
    """The answer to one item: 202, 200 for a repeat or with the outcome that was waited for, 409 for other content."""
    (accepted,) = await intake.door.accept(kind.key.district, [item])
    if not accepted.same:
        raise conflict(reference)
    result, headers = (
        result_of(accepted, reference),
        {"Location": kind.location(reference, accepted.code)},
    )
    seconds = waited_for(request.preferences())
    if seconds and not intake.waiting.locked():
        headers["Preference-Applied"] = f"wait={seconds}"
        outcome = await outcome_within(intake, seconds, kind.key.district, accepted.position)
        result = msgspec.structs.replace(result, status=200, outcome=outcome) if outcome else result
    return answered(result, result.status, headers)


async def outcome_within(
    intake: Intake, seconds: int, district: str, position: int
) -> Outcome | None:
    """The outcome of what was accepted, if it comes in time. It is stored, so that no fault after that makes it a refusal."""
    async with intake.waiting:
        with suppress(Unavailable):
            return outcome_of(await intake.outcomes.wait(district, position, seconds))
    return None


async def several(
    intake: Intake, kind: Kind, items: Sequence[bytes], path: str
) -> list[Result | dict[str, Any]]:
    """One result per item, in their order."""
    results: list[Result | dict[str, Any]] = [{}] * len(items)
    readable: list[tuple[int, Item, str]] = []
    refused = 0

    def refuse(number: int, problem: Problem) -> None:
        nonlocal refused
        refused += 1
        results[number] = (
            problem.as_json(f"{path}#/{number}")
            if refused <= LISTED
            else unlisted(problem, f"{path}#/{number}")
        )

    def take(number: int, body: bytes) -> None:
        try:
            readable.append((number, *kind.read(body)))
        except Problem as problem:
            refuse(number, problem)

    await in_turns(intake.turn, items, take)
    for start in range(0, len(readable), TOGETHER):
        part = readable[start : start + TOGETHER]
        answers = await intake.door.accept(kind.key.district, [item for _, item, _ in part])
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
        members["detail"] = (
            f"This item is not valid either: errors are listed for the first {LISTED} of a request."
        )
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


# ── Reading a request ────────────────────────────────────────────────────────────────────────────────────────────────


def check_line(line: str) -> None:
    """Raises 404 for no line."""
    if line not in LINES:
        raise Problem(
            404,
            "unknown-line",
            "No such line",
            f"{line[:40]!r} is no line; the four lines are {', '.join(LINES)}.",
        )


async def key_for(keys: Keys, authorization: str, *lines: str) -> Key:
    """Whose key it is. Raises 401 without one that is known, 403 for one that is for none of these lines."""
    said = SECRET.fullmatch(authorization.strip())
    key = await keys.of(said[1]) if said else None
    if key is None:
        detail = "Send `Authorization: Bearer gck_…`; `gridcall key add` makes a key."
        raise Problem(401, "no-key", "No key that is known", detail)
    if key.lines.isdisjoint(lines):
        detail = f"This key is for {', '.join(sorted(key.lines))}, not for {' or '.join(lines)}."
        raise Problem(403, "other-line", "A key for something else", detail)
    return key


def check_district(named: str | None, key: Key) -> None:
    """Raises 403 for an item that names another district than the key's."""
    if named not in (None, key.district):
        raise other_district(
            key, FieldError("/district", "is not the district of this key: leave it out")
        )


def other_district(key: Key, *errors: FieldError) -> Problem:
    """A key opens one district."""
    detail = f"This key is for the district {key.district}: name no other one, or use a key of the other one."
    return Problem(403, "other-district", "Another district", detail, errors)


async def body_of(request: Request, hold: Callable[[int], None], deadline: Deadline) -> bytes:
    """The body, under its budget and in time; `hold` hears how many bytes of it there are."""
    declared = request.header(b"content-length")
    taken = taking(
        request.header(b"content-encoding"), int(declared[-20:]) if declared.isdecimal() else None
    )
    came, more = 0, True
    try:
        async with asyncio.timeout(None) as timeout:
            deadline.begin(timeout)
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk, more = message.get("body", b""), message.get("more_body", False)
                came += len(chunk)
                hold(came)
                taken.add(chunk)
    except TimeoutError:
        detail = f"The body did not come within {deadline.seconds:.0f} s; nothing was stored."
        raise Problem(408, "slow", "Too slow", detail) from None
    finally:
        deadline.done(timeout)
    body = taken.whole()
    hold(len(body))
    return body


def waited_for(preferences: Sequence[str]) -> int:
    """The seconds of `Prefer: wait=N`, at most ten. Of several the first counts; what cannot be read is no preference."""
    for preference in ",".join(preferences).split(","):
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
