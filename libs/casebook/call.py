"""The fold of one call: raised, perhaps acknowledged, then answered or withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never, get_args

from events.catalogue import (
    Because,
    CallAcknowledged,
    CallAnswered,
    CallRaised,
    CallWithdrawn,
    Level,
)
from events.instants import Instant

# `CallActionDeclined` is none of them: it changes no call, and it may name one that never was.
CallChange = CallRaised | CallAcknowledged | CallAnswered | CallWithdrawn
CALL_CHANGES = frozenset(get_args(CallChange))
Outcome = Literal["open", "answered", "withdrawn"]


@dataclass(slots=True)
class Call:
    """A call as the rows so far describe it.

    `unit` is the code of the street or district that must answer. `answer_due` is None without a
    limit. `acknowledged`, `answered` and `withdrawn` are instants, None until then.
    """

    id: str
    case: str
    from_level: Level
    to_level: Level
    unit: str
    because: Because
    raised: Instant
    answer_due: Instant | None
    acknowledged: Instant | None = None
    answered: Instant | None = None
    withdrawn: Instant | None = None

    @property
    def outcome(self) -> Outcome:
        """The present state of the call, in one word."""
        if self.answered is not None:
            return "answered"
        return "open" if self.withdrawn is None else "withdrawn"

    @property
    def end(self) -> Instant | None:
        """The instant at which the call was answered or withdrawn; None while it is open."""
        return self.withdrawn if self.answered is None else self.answered


def raised_call(event: CallRaised, time: Instant) -> Call:
    """Return the call that an event of this time raised."""
    return Call(
        event.call,
        event.case,
        event.from_level,
        event.to_level,
        event.receiver.unit,
        event.because,
        time,
        event.answer_due,
    )


def evolve_call(call: Call, event: CallChange, time: Instant) -> None:
    """Change a call by a later event of its own."""
    match event:
        case CallAcknowledged():
            call.acknowledged = time
        case CallAnswered():
            call.answered = time
        case CallWithdrawn():
            call.withdrawn = time
        case CallRaised():
            pass  # `raised_call` made the call of it.
        case unreachable:
            assert_never(unreachable)
