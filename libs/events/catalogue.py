"""Every event of gridcall, in the order of a case's life. Start here: the catalogue is the glossary.

An event is a value; a published one never changes its meaning (a new meaning is a new version). Instants are
integers: microseconds since 1970-01-01T00:00:00Z. Ids are 32 hex digits, codes are text and never numbers. None means
unknown or not applicable. What several events carry together (a claim, a matter, a holder) is a value with a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeGuard, TypeVar, dataclass_transform, get_args

Instant = int
BEGINNING: Instant = -62_135_596_800_000_000  # 0001-01-01T00:00:00Z: before it, no log has a time.
Level = Literal["grid", "street", "district"]
ReferenceKind = Literal["map", "names", "roster", "admission", "policies", "decider"]
Line = Literal["grid", "sentiment", "hotline", "petition"]
Because = Literal["deadline", "silence"]
LINES = ("grid", "sentiment", "hotline", "petition")
URGENCIES = ("normal", "urgent", "life")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EventType:
    """What the catalogue knows of an event beside its fields."""

    name: str
    cls: type[Any]
    logs: tuple[str, ...]
    personal: bool


def short_type(type_name: str) -> str:
    """A type name in one word: `gridcall.call-raised.v1` → `call-raised`."""
    return type_name.removeprefix("gridcall.").rpartition(".")[0]


CATALOGUE: dict[str, EventType] = {}
TYPE_OF: dict[type[Any], EventType] = {}


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a class a value: what events and states are made of. That nobody changes one is the type checker's business.

    Python's own frozen dataclasses take three times as long to make, and making them is much of what a decider does.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


@dataclass_transform(frozen_default=True)
def event(*logs: str, personal: bool = False) -> Callable[[type[T]], type[T]]:
    """Make a class an event of `logs`; `personal` says that it names a worker or an officer by code."""

    def enter(cls: type[T]) -> type[T]:
        made = value(cls)
        words = re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()
        kind = EventType(f"gridcall.{words}.v1", made, logs, personal)
        CATALOGUE[kind.name] = TYPE_OF[made] = kind
        return made

    return enter


# ── What events carry ────────────────────────────────────────────────────────────────────────────────────────────────


@value
class PlaceClaim:
    """One thing a report says about its place; claims are tried in order, and the first that answers wins.

    `point` carries lat and lon in degrees of WGS 84; `grid` and `street` carry a declared code. `no_point` and
    `unknown_point` say that a point was expected and was missing, or was the source's word for "unknown".
    """

    by: Literal["point", "no_point", "unknown_point", "grid", "street"]
    lat: float | None = None
    lon: float | None = None
    code: str | None = None


@value
class CaseFacts:
    """What a case is about, as far as its deadline needs to know. `due` is the deadline that its line promised."""

    line: str
    category: str
    urgency: str
    reported: Instant
    due: Instant | None


@value
class Assignment:
    """Who answers for a case: the level that holds it, the codes of its place, and the worker, if it is a grid's.

    `episode` counts the responsibilities of one case (1 for its first worker; 0 while no worker has had it).
    """

    level: Level
    grid: str | None
    street: str | None
    district: str
    worker: str | None
    episode: int


@value
class DeadlineRule:
    """A policy row: how long a matter may take. `*` fits any; the first row that fits counts; units: hours, days."""

    line: str
    category: str
    urgency: str
    amount: int
    unit: Literal["hours", "days"]


@value
class OnCall:
    """Who takes calls for a street or the district: one accountable officer, and a deputy."""

    unit: str
    officer: str | None
    deputy: str | None


@value
class Versions:
    """The reference data by which a decision was made, by name; None where none was adopted."""

    map: str | None
    roster: str | None
    admission: str | None


# ── Reference data ───────────────────────────────────────────────────────────────────────────────────────────────────


@event("intake", "cases", "calls")
class ReferenceAdopted:
    """From here on this version holds. `kind`: map, names, roster, admission, policies or decider.

    `digest` is the SHA-256 of the content, which is committed beside the log; a decider has a name only.
    """

    kind: ReferenceKind
    name: str
    digest: str


@event("cases", "calls")
class PoliciesAdopted:
    """Deadline policies hold from here on, for clocks that start from here on.

    `zone` is the district's IANA time zone; `answer_within` is how long a call may stay unanswered, in microseconds.
    """

    name: str
    zone: str
    answer_within: int | None
    limits: tuple[DeadlineRule, ...]


@event("cases", "calls", personal=True)
class RosterAdopted:
    """A roster holds from here on. It names who receives the calls of each unit; gridworkers lie in its content."""

    name: str
    digest: str
    receivers: tuple[OnCall, ...]


# ── A report comes in ────────────────────────────────────────────────────────────────────────────────────────────────


@event("intake")
class IssueReported:
    """An issue came in through a line and was accepted, once. Its id names (district, source, line, reference).

    `rules` are the rules by which dirt in its times was handled, for example `no_due` or `gap_time`.
    """

    issue: str
    source: str
    line: Literal["grid", "sentiment", "hotline", "petition"]
    reference: str
    category: str
    urgency: Literal["normal", "urgent", "life"]
    due: Instant | None
    claims: tuple[PlaceClaim, ...]
    rules: tuple[str, ...]


@event("cases")
class CaseReported:
    """A case was opened by an issue, whose id it takes."""

    case: str
    issue: str
    reference: str
    matter: CaseFacts
    rules: tuple[str, ...]


@event("cases", personal=True)
class CaseRouted:
    """A case was given to a grid. `located_by`: point, grid or dispatcher; `rules`: the dirt met on the way there."""

    case: str
    matter: CaseFacts
    holder: Assignment
    located_by: str
    rules: tuple[str, ...]
    used: Versions


@event("cases")
class CaseQueued:
    """A case could not be located: it waits for the dispatcher of its street if that is known, else of its district."""

    case: str
    matter: CaseFacts
    holder: Assignment
    located_by: str
    rules: tuple[str, ...]
    used: Versions


@event("cases")
class CaseWithheld:
    """The admission list keeps this category from the grids: the level that owns it has the case. `row` cites why."""

    case: str
    matter: CaseFacts
    holder: Assignment
    located_by: str
    rules: tuple[str, ...]
    used: Versions
    row: str


# ── What people do about it ──────────────────────────────────────────────────────────────────────────────────────────


@event("intake", personal=True)
class PlaceNamed:
    """A dispatcher says of an issue that could not be located: it lies here."""

    action: str
    issue: str
    by: str
    grid: str


@event("intake", personal=True)
class VisitMade:
    """Somebody went there."""

    action: str
    issue: str
    by: str


@event("cases", personal=True)
class CaseVisited:
    """The case was visited by those who hold it."""

    case: str
    holder: Assignment
    by: str


@event("intake", personal=True)
class ResolutionClaimed:
    """Somebody says that the matter is solved, and what its root cause was."""

    action: str
    issue: str
    by: str
    root_cause: str


@event("cases", personal=True)
class CaseResolved:
    """A claim: the matter is solved. It becomes a fact when somebody else has verified it."""

    case: str
    holder: Assignment
    by: str
    root_cause: str


@event("intake", personal=True)
class ResolutionChecked:
    """Somebody looked whether a claimed resolution holds."""

    action: str
    issue: str
    by: str
    holds: bool


@event("cases", personal=True)
class CaseVerified:
    """A fact: somebody other than the one who resolved it confirmed that the matter is solved."""

    case: str
    holder: Assignment
    by: str


@event("cases", personal=True)
class ResolutionRejected:
    """The check failed: the matter is not solved, and its holder goes on."""

    case: str
    holder: Assignment
    by: str


@event("intake", personal=True)
class ClosingAsked:
    """Somebody asks to close the case of an issue."""

    action: str
    issue: str
    by: str


@event("cases", personal=True)
class CaseClosed:
    """A verified case was closed."""

    case: str
    holder: Assignment
    by: str


@event("intake")
class ReopeningAsked:
    """A closed matter flared up again, or its reporter was not satisfied."""

    action: str
    issue: str
    because: Literal["recurrence", "unsatisfied"]


@event("cases", personal=True)
class CaseReopened:
    """An ended case is open again, with its last holder, as a new episode. `matter.due` is None: a policy row decides."""

    case: str
    matter: CaseFacts
    holder: Assignment
    because: str


@event("intake")
class IssueWithdrawn:
    """The line takes its issue back."""

    action: str
    issue: str
    because: str


@event("cases", personal=True)
class CaseWithdrawn:
    """The case ended because its line took the issue back."""

    case: str
    holder: Assignment
    because: str


@event("intake")
class EndedAtSource:
    """The source says when and how its record ended. Imported history, never counted as verified."""

    action: str
    issue: str
    outcome: Literal["closed", "withdrawn"]
    rules: tuple[str, ...]


@event("cases", personal=True)
class CaseEndedAtSource:
    """The case ended as its source's record says. `ended_before_reported` is among the rules if its ending came first."""

    case: str
    holder: Assignment
    outcome: Literal["closed", "withdrawn"]
    rules: tuple[str, ...]


# ── Outcomes for what could not be done ──────────────────────────────────────────────────────────────────────────────


@event("cases")
class ActionWaits:
    """An action came before the report that it is about. It applies at the report, in that same decision.

    `type` and `data` are the action as intake wrote it.
    """

    issue: str
    type: str
    data: dict[str, Any]


@event("cases", "calls")
class InputDeclined:
    """An issue or action changed nothing. `because` is a sentence for the one who sent it."""

    case: str
    input_id: str
    because: str


@event("cases", "calls")
class CaseParked:
    """Deciding this case failed: a fault of ours. Its inputs wait in order until a retry; everything else goes on."""

    case: str
    fault: str


@event("cases", "calls")
class InputHeld:
    """An input of a parked case waits behind it. The row's cause says which."""

    case: str


@event("intake", personal=True)
class RetryAsked:
    """An operator asks to decide a parked case again, in the log where it is parked."""

    action: str
    issue: str
    log: Literal["cases", "calls"]
    by: str


@event("cases", personal=True)
class RetryPassedOn:
    """Routing passes a retry on to the keeper of the calls."""

    case: str
    action: str
    by: str


@event("cases", "calls")
class CaseRetried:
    """A parked case goes on: what was kept behind it is decided here, in its order, in this same decision."""

    case: str


# ── Clocks and calls ─────────────────────────────────────────────────────────────────────────────────────────────────


@event("calls", personal=True)
class ClockStarted:
    """A deadline runs. `rule` says where it comes from: `line` for one that came with the issue, else the policy row."""

    case: str
    holder: Assignment
    run: int
    started: Instant
    due: Instant
    rule: str
    policies: str | None


@event("calls", personal=True)
class ClockHandedOver:
    """The case went to another holder; its deadline stays what it was and counts for the new one."""

    case: str
    holder: Assignment
    run: int
    due: Instant


@event("calls", personal=True)
class ClockStopped:
    """The case ended, and its clock with it, in time or not."""

    case: str
    holder: Assignment
    run: int
    due: Instant


@event("calls", personal=True)
class DeadlineMissed:
    """A deadline ran out while the case was open."""

    case: str
    holder: Assignment
    run: int
    due: Instant


@event("calls", personal=True)
class CallRaised:
    """Help is called for from the level that must answer. `because`: deadline or silence.

    The receiver is the unit's officer, or the deputy; `answer_due` is None where calls have no time limit.
    """

    case: str
    holder: Assignment
    call: str
    from_level: Level
    to_level: Level
    receiver: OnCall
    because: Because
    answer_due: Instant | None


@event("intake", personal=True)
class AcknowledgementGiven:
    """The receiver of a call says that it was heard."""

    action: str
    issue: str
    call: str
    by: str


@event("cases", personal=True)
class AcknowledgementPassedOn:
    """Routing passes an acknowledgement on to the keeper of the calls."""

    case: str
    holder: Assignment
    call: str
    by: str


@event("calls", personal=True)
class CallAcknowledged:
    """The call was heard; it is still to be answered."""

    case: str
    holder: Assignment
    call: str
    by: str


@event("intake", personal=True)
class AnswerGiven:
    """The receiver of a call answers it."""

    action: str
    issue: str
    call: str
    by: str


@event("cases", personal=True)
class AnswerPassedOn:
    """Routing passes an answer on to the keeper of the calls."""

    case: str
    holder: Assignment
    call: str
    by: str


@event("calls", personal=True)
class CallAnswered:
    """The call was answered, and is over."""

    case: str
    holder: Assignment
    call: str
    by: str


@event("calls", personal=True)
class CallWithdrawn:
    """The call is over because its case ended."""

    case: str
    holder: Assignment
    call: str


@event("calls", personal=True)
class CallActionDeclined:
    """An acknowledgement or answer changed nothing. `because` is a sentence for the one who gave it."""

    case: str
    holder: Assignment
    call: str
    because: str


Event = (
    ReferenceAdopted | PoliciesAdopted | RosterAdopted
    | IssueReported | CaseReported | CaseRouted | CaseQueued | CaseWithheld
    | PlaceNamed | VisitMade | CaseVisited | ResolutionClaimed | CaseResolved
    | ResolutionChecked | CaseVerified | ResolutionRejected | ClosingAsked | CaseClosed
    | ReopeningAsked | CaseReopened | IssueWithdrawn | CaseWithdrawn | EndedAtSource | CaseEndedAtSource
    | ActionWaits | InputDeclined | CaseParked | InputHeld | RetryAsked | RetryPassedOn | CaseRetried
    | ClockStarted | ClockHandedOver | ClockStopped | DeadlineMissed | CallRaised
    | AcknowledgementGiven | AcknowledgementPassedOn | CallAcknowledged
    | AnswerGiven | AnswerPassedOn | CallAnswered | CallWithdrawn | CallActionDeclined
)  # fmt: skip

Adopted = ReferenceAdopted | PoliciesAdopted | RosterAdopted

Action = (
    PlaceNamed | VisitMade | ResolutionClaimed | ResolutionChecked | ClosingAsked | ReopeningAsked
    | IssueWithdrawn | EndedAtSource | AcknowledgementGiven | AnswerGiven
)  # fmt: skip


ACTIONS = frozenset(get_args(Action))


def is_action(event: object) -> TypeGuard[Action]:
    """Whether an event of intake is what somebody did, rather than an issue or reference data."""
    return type(event) in ACTIONS


def to_fields(action: Action) -> tuple[str, dict[str, Any]]:
    """The type name of an action and its fields as JSON has them (lists for tuples), as ActionWaits carries them."""
    values = {field.name: getattr(action, field.name) for field in fields(action)}
    data = {key: list(item) if isinstance(item, tuple) else item for key, item in values.items()}
    return TYPE_OF[type(action)].name, data


def from_fields(type_name: str, data: dict[str, Any]) -> Action:
    """The action that `taken_apart` took apart."""
    values = {key: tuple(item) if isinstance(item, list) else item for key, item in data.items()}
    action: Action = CATALOGUE[type_name].cls(**values)
    return action
