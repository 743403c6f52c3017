"""Results: what the intake API answers about an input. The OpenAPI document is made of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from casebook import Tracked
from casebook.public import UNKNOWN, PublicStage
from eventlog.core.row import Row
from events.catalogue import (
    ActionExpired,
    ActionWaits,
    CallActionDeclined,
    CaseParked,
    Event,
    InputDeclined,
    InputHeld,
)
from events.instants import rfc3339
from events.registry import latest, type_name
from httpedge.telemetry import inputs_of
from intake.acceptor import Accepted

HEX_ID = "^[0-9a-f]{32}$"
PARKED = "This case is parked: a fault of gridcall. What was sent is kept, and waits behind it."
DECLINED = (InputDeclined, CallActionDeclined, ActionExpired)
EARLY = "This action came before its report. It waits for it, and is decided with it."

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
    """The events that this input caused, whatever else was decided with it.

    `because` says why it was declined, or what it waits for.
    """

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


class StageWords(msgspec.Struct, frozen=True):
    """The stage in a sentence for everybody, in English and Chinese."""

    en: str
    zh: str


class CaseStatus(msgspec.Struct, frozen=True):
    """The present state of a case, without persons, remarks and other issues.

    `due` is its deadline; null if it has none. `changed` is the instant of its last change.
    Everything before `as_of` is in it. `unknown`, with nulls, if it cannot be read at the moment.
    """

    stage: PublicStage | Literal["unknown"]
    words: StageWords
    due: Time | None
    overdue: bool
    changed: Time | None
    as_of: Time | None


UNKNOWN_STATUS = CaseStatus("unknown", StageWords(*UNKNOWN), None, False, None, None)


class Progress(msgspec.Struct, frozen=True):
    """An accepted input, its own outcome as soon as there is one, and the state of its case.

    `type` is `issue`, or the type of an action. `case` is null if no issue was reported yet.
    """

    type: str
    id: Id
    tracking: Code
    position: Position
    time: Time
    outcome: Outcome | None
    case: CaseStatus | None


class Health(msgspec.Struct, frozen=True):
    """The state of the process."""

    status: Literal["alive", "ready"]


def outcome_of(rows: Sequence[Row]) -> Outcome | None:
    """Return the outcome in the rows of a decision; None as long as there are none."""
    if not rows:
        return None
    event = latest(rows[-1].event)
    caused = [Caused(type_name(row.event), row.subject, row.id) for row in rows]
    return Outcome(isinstance(event, DECLINED), reason_for_nothing(event), caused)


def reason_for_nothing(event: Event) -> str | None:
    """Return the sentence that says why nothing was done, or not yet; None if something was."""
    match event:
        case InputDeclined() | CallActionDeclined() | ActionExpired():
            return event.because
        case InputHeld() | CaseParked():
            return PARKED
        case ActionWaits():
            return EARLY
        case _:
            return None


read_tracked = msgspec.json.Decoder(Tracked).decode


def status_of(tracked: Tracked) -> CaseStatus:
    """Return what is known of a case as the API answers it."""
    if tracked.case is None:
        return UNKNOWN_STATUS
    stage, words, due, overdue, changed = tracked.case
    return CaseStatus(
        stage,
        StageWords(*words),
        None if due is None else rfc3339(due),
        overdue,
        rfc3339(changed),
        rfc3339(tracked.as_of),
    )


def count_accepted(line: str, accepted: Iterable[Accepted]) -> None:
    """Count inputs of a line that could be read, by what became of them."""
    for outcome, number in Counter(map(outcome_word, accepted)).items():
        inputs_of(line, outcome).inc(number)


def outcome_word(accepted: Accepted) -> str:
    """Return the word for an input that could be read, as metrics have it."""
    if accepted.fresh:
        return "accepted"
    return "repeated" if accepted.same else "conflicting"


def count_refused(line: str) -> None:
    """Count an input of a line that cannot be read."""
    inputs_of(line, "refused").inc()


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
