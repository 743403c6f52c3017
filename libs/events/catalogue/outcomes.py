"""Outcomes of inputs that changed nothing, came too early, or wait behind a parked case."""

from __future__ import annotations

from events.instants import Instant
from events.registry import Parking, Words, event
from events.stored_inputs import StoredInput


@event(
    "cases",
    defers=True,
    words=Words(en="An action came early: it waits for its report", zh="动作先到，等待上报"),
)
class ActionWaits:
    """An action came before the report that it is about.

    It is decided at the report, in that same decision, and its row there names it as its cause. At
    `expires` it stops waiting; None if it waits without a limit.
    """

    issue: str
    input: StoredInput
    expires: Instant | None


@event(
    "cases", words=Words(en="An early action expired: no report came", zh="动作先到，逾期未见上报")
)
class ActionExpired:
    """An action that came before its report waited too long: it will not be done.

    `input` is its id, as in its `ActionWaits`. `because` is a sentence for its sender.
    """

    issue: str
    input: str
    because: str


@event("cases", "calls", words=Words(en="An action was declined", zh="动作未被接受"))
class InputDeclined:
    """An issue or action changed nothing. `because` is a sentence for its sender."""

    case: str
    input_id: str
    because: str


@event(
    "cases",
    "calls",
    defers=True,
    words=Words(en="Parked by a fault of ours", zh="系统故障，事项搁置"),
)
class CaseParked:
    """Deciding this case failed, by a fault of ours.

    Its inputs wait in order until a retry; other cases go on. `input` is the one that could not be
    decided; None for a clock, for reference data, and for a retry.
    """

    case: str
    fault: str
    input: StoredInput | None


@event(
    "cases",
    "calls",
    defers=True,
    words=Words(en="An action waits behind the parked case", zh="动作排在搁置事项之后"),
)
class InputHeld:
    """An input waits behind a parked case, which it would change."""

    case: str
    input: StoredInput


@event("cases", "calls", words=Words(en="Parked case goes on", zh="搁置事项恢复办理"))
class CaseRetried:
    """A parked case goes on.

    The inputs behind it are decided here, in their order, in this same decision. Each of those rows
    names its own input as its cause.
    """

    case: str


OutcomeEvent = ActionWaits | ActionExpired | InputDeclined | CaseParked | InputHeld | CaseRetried

PARKING = Parking(parked=CaseParked, deferred=InputHeld, retried=CaseRetried, subject_field="case")
NOT_PARKED = "This case is not parked: there is nothing to decide again."
