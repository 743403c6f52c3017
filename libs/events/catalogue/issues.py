"""What comes in: issues that a line reports, and the actions of people."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal, TypeGuard, get_args

from events.catalogue.values import Line, PlaceClaim
from events.instants import Instant
from events.registry import CATALOGUE, TYPE_OF, Words, event
from events.texts import CallId, Code, Word


@event("intake", words=Words(en="Issue reported", zh="上报问题"))
class IssueReported:
    """An issue came in through a line and was accepted, once. Its id names (district, source, line,
    reference).

    `rules` are the rules by which dirt in its times was handled, for example `no_due` or
    `gap_time`.
    """

    issue: str
    source: str
    line: Line
    reference: str
    category: str
    urgency: Literal["normal", "urgent", "life"]
    due: Instant | None
    claims: tuple[PlaceClaim, ...]
    rules: tuple[str, ...]


@event("intake", personal=True, words=Words(en="A dispatcher named the place", zh="分派员指明地点"))
class PlaceNamed:
    """A dispatcher says of an issue that could not be located: it lies here."""

    action: str
    issue: str
    by: Code
    grid: Code


@event("intake", personal=True, words=Words(en="Somebody went there", zh="上门走访"))
class VisitMade:
    """Somebody went there."""

    action: str
    issue: str
    by: Code


@event("intake", personal=True, words=Words(en="Said to be solved", zh="报称化解"))
class ResolutionClaimed:
    """Somebody says that the matter is solved, and what its root cause was."""

    action: str
    issue: str
    by: Code
    root_cause: Word


@event("intake", personal=True, words=Words(en="Resolution checked", zh="核查化解情况"))
class ResolutionChecked:
    """Somebody looked whether a claimed resolution holds."""

    action: str
    issue: str
    by: Code
    holds: bool


@event("intake", personal=True, words=Words(en="Closing asked for", zh="申请办结"))
class ClosingAsked:
    """Somebody asks to close the case of an issue."""

    action: str
    issue: str
    by: Code


@event("intake", words=Words(en="Reopening asked for", zh="要求重新办理"))
class ReopeningAsked:
    """A closed matter flared up again, or its reporter was not satisfied."""

    action: str
    issue: str
    because: Literal["recurrence", "unsatisfied"]


@event("intake", words=Words(en="Its line takes it back", zh="来源要求撤回"))
class IssueWithdrawn:
    """The line takes its issue back."""

    action: str
    issue: str
    because: Word


@event("intake", words=Words(en="Its source says that it ended", zh="来源报告已了结"))
class EndedAtSource:
    """The source says when and how its record ended. Imported history, never counted as
    verified.
    """

    action: str
    issue: str
    outcome: Literal["closed", "withdrawn"]
    rules: tuple[str, ...]


@event("intake", personal=True, words=Words(en="Call heard by its receiver", zh="签收呼叫"))
class AcknowledgementGiven:
    """The receiver of a call says that it was heard."""

    action: str
    issue: str
    call: CallId
    by: Code


@event("intake", personal=True, words=Words(en="Its receiver answers the call", zh="应答呼叫"))
class AnswerGiven:
    """The receiver of a call answers it."""

    action: str
    issue: str
    call: CallId
    by: Code


@event("intake", personal=True, words=Words(en="Retry asked for", zh="要求重试搁置事项"))
class RetryAsked:
    """An operator asks to decide a parked case again, in the log where it is parked."""

    action: str
    issue: str
    log: Literal["cases", "calls"]
    by: str


Action = (
    PlaceNamed | VisitMade | ResolutionClaimed | ResolutionChecked | ClosingAsked | ReopeningAsked
    | IssueWithdrawn | EndedAtSource | AcknowledgementGiven | AnswerGiven
)  # fmt: skip

IssueEvent = IssueReported | Action | RetryAsked

ACTIONS = frozenset(get_args(Action))


def is_action(event: object) -> TypeGuard[Action]:
    """Tell an action from an issue, a retry and reference data."""
    return type(event) in ACTIONS


def to_fields(action: Action) -> tuple[str, dict[str, Any]]:
    """Return the type name of an action and its fields as JSON has them, with lists for tuples."""
    values = {field.name: getattr(action, field.name) for field in fields(action)}
    data = {key: list(item) if isinstance(item, tuple) else item for key, item in values.items()}
    return TYPE_OF[type(action)].name, data


def from_fields(type_name: str, data: dict[str, Any]) -> Action:
    """Return the action whose type name and fields `to_fields` gave."""
    values = {key: tuple(item) if isinstance(item, list) else item for key, item in data.items()}
    action: Action = CATALOGUE[type_name].cls(**values)
    return action
