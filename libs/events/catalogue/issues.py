"""Inputs: the issues that lines report, and the actions of people."""

from __future__ import annotations

from typing import Literal, TypeGuard, get_args

from events.catalogue.values import Line, PlaceClaim
from events.instants import Instant
from events.registry import Words, event
from events.texts import CallId, Code, Word


@event("intake", words=Words(en="Issue reported", zh="上报问题"))
class IssueReported:
    """An issue came in through a line and was accepted, once.

    Its id names (district, source, line, reference). `source` is the system that posted it, as in
    every action that is posted. `rules` are the rules that handled dirt in its times, for example
    `no_due` or `gap_time`.
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
    """A dispatcher named the grid of an issue that could not be located."""

    action: str
    issue: str
    by: Code
    grid: Code
    source: str = ""


@event("intake", personal=True, words=Words(en="Somebody went there", zh="上门走访"))
class VisitMade:
    """A person visited the place."""

    action: str
    issue: str
    by: Code
    source: str = ""


@event("intake", personal=True, words=Words(en="Said to be solved", zh="报称化解"))
class ResolutionClaimed:
    """A person says that the matter is solved, and what its root cause was."""

    action: str
    issue: str
    by: Code
    root_cause: Word
    source: str = ""


@event("intake", personal=True, words=Words(en="Resolution checked", zh="核查化解情况"))
class ResolutionChecked:
    """A person checked a claimed resolution; `holds` is the result."""

    action: str
    issue: str
    by: Code
    holds: bool
    source: str = ""


@event("intake", personal=True, words=Words(en="Closing asked for", zh="申请办结"))
class ClosingAsked:
    """A person requests that the case of an issue be closed."""

    action: str
    issue: str
    by: Code
    source: str = ""


@event("intake", words=Words(en="Reopening asked for", zh="要求重新办理"))
class ReopeningAsked:
    """A closed matter flared up again, or its reporter was not satisfied."""

    action: str
    issue: str
    because: Literal["recurrence", "unsatisfied"]
    source: str = ""


@event("intake", words=Words(en="Its line takes it back", zh="来源要求撤回"))
class IssueWithdrawn:
    """The line withdrew its issue."""

    action: str
    issue: str
    because: Word
    source: str = ""


@event("intake", words=Words(en="Its source says that it ended", zh="来源报告已了结"))
class EndedAtSource:
    """The source reported when and how its record ended.

    This is imported history, never counted as verified.
    """

    action: str
    issue: str
    outcome: Literal["closed", "withdrawn"]
    rules: tuple[str, ...]


@event("intake", personal=True, words=Words(en="Its receiver acknowledges the call", zh="签收呼叫"))
class AcknowledgementGiven:
    """The receiver of a call acknowledged it, and has still to answer."""

    action: str
    issue: str
    call: CallId
    by: Code
    source: str = ""


@event("intake", personal=True, words=Words(en="Its receiver answers the call", zh="应答呼叫"))
class AnswerGiven:
    """The receiver of a call answered it."""

    action: str
    issue: str
    call: CallId
    by: Code
    source: str = ""


@event("intake", personal=True, words=Words(en="Retry asked for", zh="要求重试搁置事项"))
class RetryAsked:
    """An operator requests that a parked case be decided again, in the log that parked it."""

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
