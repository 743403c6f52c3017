"""Results: what the intake API answers about an input. The OpenAPI document is made of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from eventlog.core.row import Row
from events.catalogue import CallActionDeclined, Event, InputDeclined, InputHeld
from events.instants import rfc3339
from events.registry import TYPE_OF
from intake.acceptor import Accepted

HEX_ID = "^[0-9a-f]{32}$"
PARKED = "This case is parked: a fault of gridcall. What was sent is kept, and waits behind it."

Id = Annotated[
    str,
    Meta(pattern=HEX_ID, description="Of the issue or the action; it follows from who sent it."),
]
Code = Annotated[
    str, Meta(pattern=HEX_ID, description="Anyone who has it may ask what became of it.")
]
Position = Annotated[int, Meta(ge=1, description="In intake's log of the district.")]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Caused(msgspec.Struct, frozen=True):
    """An event that an input caused, in `cases` or `calls`."""

    type: str
    subject: str
    id: str


class Outcome(msgspec.Struct, frozen=True):
    """The events that an input caused. If nothing was done, `because` says why."""

    declined: bool
    because: str | None
    events: list[Caused]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """An accepted input. `status` is 202 if it is new; 200 if it is a repeat or has its outcome."""

    status: Literal[200, 202]
    reference: str
    id: Id
    tracking: Code
    position: Position
    time: Time
    outcome: Outcome | None = None


class Progress(msgspec.Struct, frozen=True):
    """An accepted input, and its outcome as soon as there is one."""

    id: Id
    tracking: Code
    position: Position
    time: Time
    outcome: Outcome | None


class Health(msgspec.Struct, frozen=True):
    """The state of the process."""

    status: Literal["alive", "ready"]


def outcome_of(rows: Sequence[Row]) -> Outcome | None:
    """Return the outcome in the rows of a decision; None as long as there are none."""
    if not rows:
        return None
    because = reason_for_nothing(rows[-1].event)
    caused = [Caused(TYPE_OF[type(row.event)].name, row.subject, row.id) for row in rows]
    return Outcome(because is not None, because, caused)


def reason_for_nothing(event: Event) -> str | None:
    """Return the sentence that says why nothing was done; None if something was."""
    match event:
        case InputDeclined(because=because) | CallActionDeclined(because=because):
            return because
        case InputHeld():
            return PARKED
        case _:
            return None


def result_of(accepted: Accepted, reference: str) -> Result:
    """Return the result of an accepted input: 202 if it is new, 200 if it is a repeat."""
    return Result(
        202 if accepted.fresh else 200,
        reference,
        accepted.id,
        accepted.code,
        accepted.position,
        rfc3339(accepted.time),
    )
