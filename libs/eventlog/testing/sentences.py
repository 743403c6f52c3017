"""Sentences about a decider: `given(routing, CASE_ROUTED).when(VISIT_MADE).then(CASE_VISITED)`.

Events are given and expected, nothing else: state is what their fold makes of them.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from eventlog.core.decider import ClockRanOut, Decider, Input
from events.catalogue import Adopted, Event
from events.instants import Instant

S = TypeVar("S")
R = TypeVar("R")


class Given(Generic[S, R]):
    """A decider with a past."""

    def __init__(self, decider: Decider[S, R], reference: R, state: S) -> None:
        self.decider = decider
        self.reference = reference
        self.state = state

    def when(
        self, what: Event | ClockRanOut, at: Instant = 0, answer: tuple[tuple[str, ...], ...] = ()
    ) -> When[S, R]:
        """Something is heard at an instant; `answer` is what was asked outside for it."""
        if isinstance(what, Adopted):
            return When(self, tuple(self.decider.decide_reference(what, self.reference)))
        return When(
            self, tuple(self.decider.decide(Input(what, at, answer), self.state, self.reference))
        )


class When(Generic[S, R]):
    """What was decided."""

    def __init__(self, given: Given[S, R], events: tuple[Event, ...]) -> None:
        self._given = given
        self.events = events

    def then(self, *expected: Event) -> Given[S, R]:
        """Exactly these events follow. Returns the decider with this in its past, to go on from."""
        assert self.events == expected, f"expected {expected}, got {self.events}"
        return recalled(self._given, self.events)


def given(decider: Decider[S, R], *past: Event) -> Given[S, R]:
    """A decider of which these events, of reference data and of one subject, are the past."""
    return recalled(Given(decider, decider.initial_reference, decider.initial_state), past)


def recalled(start: Given[S, R], past: tuple[Event, ...]) -> Given[S, R]:
    """The decider after these events of its own."""
    decider, reference, state = start.decider, start.reference, start.state
    for event in past:
        if isinstance(event, Adopted):
            reference = decider.evolve_reference(reference, event)
        else:
            state = decider.evolve(state, event)
    return Given(decider, reference, state)
