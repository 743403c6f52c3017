"""What the door answers: results, outcomes, and problems. The OpenAPI document is made of the same structs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from eventlog.core.row import Row
from eventlog.postgres.generation import NewGeneration
from events.errors import Unavailable
from events.instants import rfc3339
from events.registry import TYPE_OF
from httpedge.request_body import JSON, NDJSON, Problem
from intake.acceptor import Accepted, Busy, ClockLeapt
from intake.outcomes import sentence

PROBLEM = "application/problem+json"
encoder = msgspec.json.Encoder()

Id = Annotated[
    str,
    Meta(
        pattern="^[0-9a-f]{32}$",
        description="Of the issue or the action; it follows from who sent it.",
    ),
]
Code = Annotated[
    str, Meta(pattern="^[0-9a-f]{32}$", description="Whoever has it may ask what became of it.")
]
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


class Health(msgspec.Struct, frozen=True):
    """How it is."""

    status: Literal["alive", "ready"]


def outcome_of(rows: Sequence[Row]) -> Outcome | None:
    """What the rows of a decision say; None as long as there are none."""
    if not rows:
        return None
    because = sentence(rows[-1].event)
    return Outcome(
        because is not None,
        because,
        [Caused(TYPE_OF[type(row.event)].name, row.subject, row.id) for row in rows],
    )


def result_of(accepted: Accepted, reference: str) -> Result:
    """What whoever posted gets: 202 for what is new, 200 for what was known."""
    return Result(
        202 if accepted.fresh else 200,
        reference,
        accepted.id,
        accepted.code,
        accepted.position,
        rfc3339(accepted.time),
    )


class Answer(Response):
    """A response whose body is there and whose headers are known: Starlette would look for them first."""

    def __init__(self, body: bytes, status: int, headers: dict[str, str], kind: str) -> None:
        self.status_code, self.body, self.background = status, body, None
        self.raw_headers = [
            (b"content-type", kind.encode()),
            (b"content-length", b"%d" % len(body)),
        ]
        self.raw_headers += [
            (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()
        ]


def answered(
    value: Any, status: int = 200, headers: dict[str, str] | None = None, kind: str = JSON
) -> Response:
    """An answer in JSON, or line by line."""
    body = encoder.encode_lines(value) if kind in NDJSON else encoder.encode(value)
    return Answer(body, status, headers or {}, kind)


# ── Refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────

REFUSED = (
    Problem,
    Unavailable,
    Busy,
    ClockLeapt,
    NewGeneration,
    ClientDisconnect,
)  # What `problem_for` makes a problem of.
FAULT = Problem(
    500, "fault", "A fault of gridcall",
    "This is a fault of gridcall. Send the same again, with the same references: nothing is stored twice.",
)  # fmt: skip
BESIDE = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "2"}}


def refusal(problem: Problem, path: str, headers: dict[str, str] | None = None) -> Response:
    """A problem as RFC 9457 has it."""
    return answered(
        problem.as_json(path), problem.status, headers or BESIDE.get(problem.status), PROBLEM
    )


def problem_for(fault: Exception) -> Problem:
    """What whoever asked can do about one of REFUSED."""
    if isinstance(fault, Problem):
        return fault
    if isinstance(fault, ClientDisconnect):
        return Problem(400, "gone", "Gone", "The body stopped half-way; nothing was stored.")
    if isinstance(fault, ClockLeapt):
        detail = f"{fault}. An operator looks which of the two is right, and confirms: gridcall clock confirm"
        return Problem(503, "clock", "The clock leapt", detail)
    if isinstance(fault, NewGeneration):
        detail = f"{fault}. Nothing is accepted until an operator has looked, and goes on with: gridcall restore accept"
        return Problem(503, "generation", "Another database", detail)
    kind, title = ("busy", "Busy") if isinstance(fault, Busy) else ("away", "The database is away")
    return Problem(
        503, kind, title, "Send the same again, with the same references: nothing is stored twice."
    )
