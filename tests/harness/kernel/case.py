"""The state of a case of the toy domain: the fold of its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from eventlog.core.decider import Timer
from events.registry import value
from events.stored_inputs import StoredInput
from tests.harness.kernel.events import (
    Starts,
    ToyClosed,
    ToyCounted,
    ToyDeclined,
    ToyDeferred,
    ToyJoined,
    ToyLeft,
    ToyMoved,
    ToyNoted,
    ToyOpened,
    ToyReassigned,
    ToyTaken,
    ToyTimerEnded,
)


@value
class Case:
    """A case; without issues it is none yet, or none any more."""

    issues: tuple[str, ...] = ()
    matter: str = ""
    place: str = ""
    office: str = ""
    is_closed: bool = False
    notes: tuple[str, ...] = ()
    waiting: tuple[StoredInput, ...] = ()
    timers: tuple[Timer, ...] = ()
    runs: int = 0
    allergy: int = 0
    poison: str = ""
    folded: int = 0

    @property
    def is_open(self) -> bool:
        return bool(self.issues) and not self.is_closed


def evolve_case(state: Case, event: Any) -> Case:
    match event:
        case ToyOpened():
            opened = replace(
                state,
                issues=event.issues,
                matter=event.matter,
                place=event.place,
                office=event.office,
                is_closed=False,
                allergy=event.allergy,
            )
            return start(opened, event.case, event.starts)
        case ToyJoined():
            issues = tuple(sorted({*state.issues, *event.issues}))
            return start(replace(state, issues=issues), event.case, event.starts)
        case ToyLeft():
            issues = tuple(issue for issue in state.issues if issue not in event.issues)
            origins = {number_of(issue) for issue in issues}
            timers = tuple(timer for timer in state.timers if timer.origin in origins)
            return replace(state, issues=issues, timers=timers)
        case ToyMoved():
            return replace(state, matter=event.matter)
        case ToyClosed():
            return replace(state, is_closed=True, timers=())
        case ToyNoted():
            return replace(state, notes=(*state.notes, event.text)[-5:])
        case ToyDeferred():
            return replace(state, waiting=(*state.waiting, event.input))
        case ToyTaken():
            return replace(state, waiting=())
        case ToyTimerEnded():
            rest = tuple(timer for timer in state.timers if timer.run != event.run)
            return start(replace(state, timers=rest), event.case, event.starts)
        case ToyReassigned():
            return replace(state, office=event.office)
        case ToyDeclined() | ToyCounted():
            return state
    raise AssertionError(event)


def start(state: Case, case: str, starts: Starts) -> Case:
    runs = enumerate(starts, state.runs + 1)
    timers = tuple(Timer(due, case, kind, run, origin) for run, (kind, due, origin) in runs)
    return replace(state, timers=state.timers + timers, runs=state.runs + len(starts))


def starts_of(state: Case, issues: Sequence[str]) -> Starts:
    """Return the timers of some issues, to start them in another case."""
    origins = {number_of(issue) for issue in issues}
    return tuple(
        (timer.kind, timer.due, timer.origin) for timer in state.timers if timer.origin in origins
    )


def number_of(issue: str) -> int:
    return int(issue)
