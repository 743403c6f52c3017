"""Clocks that run, and calls that go up from grid to street to district."""

from __future__ import annotations

from events.catalogue.values import Assignment, Because, Level, OnCall
from events.instants import Instant
from events.registry import Words, event


@event("calls", personal=True, words=Words(en="The clock started", zh="开始计时"))
class ClockStarted:
    """A deadline runs.

    `rule` is its source: `line` for a deadline that came with the issue, else the policy row. A
    case that ended and reopens before its line's due time runs against that due time again.
    """

    case: str
    holder: Assignment
    run: int
    started: Instant
    due: Instant
    rule: str
    policies: str | None


@event(
    "calls", personal=True, words=Words(en="Handed over, same deadline", zh="换人承办，时限不变")
)
class ClockHandedOver:
    """The case has another holder. Its deadline stays, and counts for the new one unless it was
    missed before.
    """

    case: str
    holder: Assignment
    run: int
    due: Instant
    missed: bool


@event("calls", personal=True, words=Words(en="The clock stopped", zh="停止计时"))
class ClockStopped:
    """The case ended, and its clock with it, in time or not."""

    case: str
    holder: Assignment
    run: int
    due: Instant


@event(
    "calls",
    personal=True,
    words=Words(en="Reopened without a deadline", zh="重新办理，暂无时限"),
)
class ReopenedWithoutDeadline:
    """A case is open again and no clock runs.

    Its line's due time has passed or never was, and no policy row in force fits.
    """

    case: str
    holder: Assignment


@event("calls", personal=True, words=Words(en="Deadline missed", zh="到期未办结，已逾期"))
class DeadlineMissed:
    """A deadline ran out while the case was open."""

    case: str
    holder: Assignment
    run: int
    due: Instant


@event("calls", personal=True, words=Words(en="Call raised", zh="发出呼叫"))
class CallRaised:
    """The level that must answer is called for help. `because`: deadline or silence.

    The receiver is the unit's officer, or the deputy. `answer_due` is None if calls have no time
    limit.
    """

    case: str
    holder: Assignment
    call: str
    from_level: Level
    to_level: Level
    receiver: OnCall
    because: Because
    answer_due: Instant | None


@event("calls", personal=True, words=Words(en="Call acknowledged", zh="呼叫已签收，等待应答"))
class CallAcknowledged:
    """The receiver acknowledged the call, which is still to be answered."""

    case: str
    holder: Assignment
    call: str
    by: str


@event("calls", personal=True, words=Words(en="Call answered", zh="呼叫已应答"))
class CallAnswered:
    """The call was answered, and is over."""

    case: str
    holder: Assignment
    call: str
    by: str


@event("calls", personal=True, words=Words(en="Call over: the case ended", zh="事项了结，呼叫撤销"))
class CallWithdrawn:
    """The call is over because its case ended."""

    case: str
    holder: Assignment
    call: str


@event(
    "calls",
    personal=True,
    words=Words(en="An action on a call was declined", zh="对呼叫的动作未被接受"),
)
class CallActionDeclined:
    """An acknowledgement or answer changed nothing.

    `because` is a sentence for the person who gave it.
    """

    case: str
    holder: Assignment
    call: str
    because: str


CallEvent = (
    ClockStarted
    | ClockHandedOver
    | ClockStopped
    | ReopenedWithoutDeadline
    | DeadlineMissed
    | CallRaised
    | CallAcknowledged
    | CallAnswered
    | CallWithdrawn
    | CallActionDeclined
)
