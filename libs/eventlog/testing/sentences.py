"""Sentences about a decider: `given(routing, CASE_ROUTED).when(VISIT_MADE).then(CASE_VISITED)`.

Events are given and events are expected; the state is what their fold makes of them.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from eventlog.core.decider import Decider, Input, Result
from events.instants import Instant
from events.registry import TYPE_OF

S = TypeVar("S")
R = TypeVar("R")


class Given(Generic[S, R]):
    """A decider with a past."""

    def __init__(self, decider: Decider[S, R], reference: R, state: S) -> None:
        self.decider = decider
        self.reference = reference
        self.state = state

    def when(self, what: Any, at: Instant = 0, result: Result = ()) -> When[S, R]:
        """Decide about an event or a `TimerFired` at an instant; `result` is that of
        its look-up.
        """
        if is_reference(what):
            return When(self, tuple(self.decider.decide_reference(what, self.reference)))
        input_ = Input(what, at, result)
        return When(self, tuple(self.decider.decide(input_, self.state, self.reference)))


class When(Generic[S, R]):
    """A decision."""

    def __init__(self, given: Given[S, R], events: tuple[Any, ...]) -> None:
        self._given = given
        self.events = events

    def then(self, *expected: Any) -> Given[S, R]:
        """Expect exactly these events. Returns the decider with them in its past, to go on from."""
        assert self.events == expected, f"expected {expected}, got {self.events}"
        return replay(self._given, self.events)


def given(decider: Decider[S, R], *past: Any) -> Given[S, R]:
    """Return a decider with a past: events of reference data and of one subject."""
    return replay(Given(decider, decider.initial_reference, decider.initial_state), past)


def replay(start: Given[S, R], past: tuple[Any, ...]) -> Given[S, R]:
    """Return the decider after these events of its own."""
    decider, reference, state = start.decider, start.reference, start.state
    for event in past:
        if is_reference(event):
            reference = decider.evolve_reference(reference, event)
        else:
            state = decider.evolve(state, event)
    return Given(decider, reference, state)


def is_reference(event: Any) -> bool:
    """Tell whether an event adopts reference data. `TimerFired` is in no catalogue."""
    return type(event) in TYPE_OF and TYPE_OF[type(event)].reference
