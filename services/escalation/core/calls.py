"""What escalation remembers of a case: nothing, a case whose deadline or calls it watches, or one that ended."""

from __future__ import annotations

from eventlog.core.decider import Timer
from events.catalogue import Assignment, Level
from events.instants import Instant
from events.registry import value


@value
class Unwatched:
    """No deadline has run yet."""


@value
class Call:
    """An open call. `answer_by` is the clock of its silence; it goes once it has run out."""

    id: str
    to_level: Level
    acknowledged: bool
    answer_by: Timer | None


@value
class Watched:
    """An open case. `run` counts its deadlines, `raised` its calls; `deadline` is None once it was missed."""

    holder: Assignment
    run: int
    raised: int
    due: Instant
    deadline: Timer | None
    calls: tuple[Call, ...]
    clocks: tuple[Timer, ...]


@value
class Over:
    """The case ended; if it reopens, its counts go on."""

    run: int
    raised: int


State = Unwatched | Watched | Over


def watched(
    holder: Assignment,
    run: int,
    raised: int,
    due: Instant,
    deadline: Timer | None,
    calls: tuple[Call, ...],
) -> Watched:
    """A watched case with the clocks that run in it."""
    silences = tuple(call.answer_by for call in calls if call.answer_by)
    return Watched(
        holder, run, raised, due, deadline, calls, (deadline, *silences) if deadline else silences
    )
