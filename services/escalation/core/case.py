"""The states of a case in escalation, and the events of `cases` that change them."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeGuard, get_args

from eventlog.core.decider import Timer
from events.catalogue import (
    Assignment,
    CallAction,
    CallEvent,
    CaseEnded,
    CasePlaced,
    CaseProgress,
    CaseReassigned,
    CaseReopened,
    InputDeclined,
    Level,
    OutcomeEvent,
    RetryPassedOn,
)
from events.instants import Instant
from events.registry import value

Relevant = CasePlaced | CaseReassigned | CaseEnded | CaseReopened | CallAction | RetryPassedOn
"""The events of `cases` that concern clocks or calls."""

Irrelevant = CaseProgress | OutcomeEvent
"""The others: each event of `cases` is in one of the two."""

Outcome = CallEvent | InputDeclined
"""The events that escalation decides and folds; those of parking are the stage's own."""

RELEVANT = frozenset(get_args(Relevant))


def is_relevant(event: Relevant | Irrelevant) -> TypeGuard[Relevant]:
    """Tell whether an event of `cases` concerns clocks or calls."""
    return type(event) in RELEVANT


@value
class Unwatched:
    """A case without a deadline. It may have had one before it ended and reopened.

    `run` counts the deadlines that it had, `raised` their calls.
    """

    run: int = 0
    raised: int = 0


@value
class Call:
    """An open call. `silence` is the timer that fires if nobody answers.

    It is None once it has fired, and for a call that nobody is above.
    """

    id: str
    to_level: Level
    acknowledged: bool
    silence: Timer | None


@value
class Watched:
    """An open case with a deadline. `deadline` is its timer, None once it was missed.

    `run` counts the deadlines of the case, `raised` its calls. `timers` are those of both.
    """

    holder: Assignment
    run: int
    raised: int
    due: Instant
    deadline: Timer | None
    calls: tuple[Call, ...]
    timers: tuple[Timer, ...]


@value
class Ended:
    """A case after its end. If it reopens, its counts go on."""

    run: int
    raised: int


State = Unwatched | Watched | Ended


def watch(
    holder: Assignment,
    run: int,
    raised: int,
    due: Instant,
    deadline: Timer | None,
    calls: tuple[Call, ...],
) -> Watched:
    """Return a watched case with the timers that run in it."""
    silences = tuple(call.silence for call in calls if call.silence)
    timers = (deadline, *silences) if deadline else silences
    return Watched(holder, run, raised, due, deadline, calls, timers)


@lru_cache(maxsize=1024)
def end(run: int, raised: int) -> Ended:
    """Return an ended case. Many are alike, so they share one."""
    return Ended(run, raised)


def require_watched(state: State) -> Watched:
    """Return the state of a watched case. Raises AssertionError if it is another one."""
    assert isinstance(state, Watched), "an event of a watched case without a clock"
    return state
