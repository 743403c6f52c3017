"""Sentences about a decider: `given(routing, CASE_ROUTED).when(VISIT_MADE).then(CASE_VISITED)`.

Events are given and events are expected; the states are what their fold makes of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from eventlog.core.aggregates import Aggregates
from eventlog.core.decider import Decider, Following, Input, ReferenceChanged, TimerFired
from events.instants import Instant
from events.registry import TYPE_OF, latest

S = TypeVar("S")
R = TypeVar("R")


class Given(Generic[S, R]):
    """A decider with a past."""

    def __init__(self, decider: Decider[S, R], past: tuple[Any, ...]) -> None:
        self.decider = decider
        self.past = past
        self.aggregates: Aggregates[S, R] = Aggregates(decider)
        for event in map(latest, past):
            if is_reference(event):
                reference = decider.evolve_reference(self.aggregates.reference, event)
                self.aggregates.reference = reference
            else:
                self.aggregates.fold(((decider.aggregate(event), "", event),), {})

    @property
    def state(self) -> S:
        """Return the state of the one aggregate that the past is about."""
        states = [each.state for each in self.aggregates.by_name.values()]
        assert len(states) < 2, "several aggregates have a past: ask for `aggregates.state`"
        return states[0] if states else self.decider.initial_state

    def when(
        self, what: Any, at: Instant = 0, answers: Sequence[Any] = (), id_: str = ""
    ) -> When[S, R]:
        """Decide about an input at an instant; `answers` are those to the requests for it."""
        if is_reference(what):
            return When(self, tuple(self.decider.decide_reference(what, self.aggregates)))
        input_ = Input(what, at, "", id_, answers)
        input_ = input_._replace(subject=self._subject(input_))
        decided = self.decider.decide(input_, self.aggregates)
        return When(self, tuple(each[1] if type(each) is Following else each for each in decided))

    def _subject(self, input_: Input) -> str:
        what = input_.event
        if isinstance(what, TimerFired):
            return what.timer.subject
        if isinstance(what, ReferenceChanged):
            return what.subject
        return self.decider.subject(input_, self.aggregates) or ""


class When(Generic[S, R]):
    """A decision."""

    def __init__(self, given: Given[S, R], events: tuple[Any, ...]) -> None:
        self._given = given
        self.events = events

    def then(self, *expected: Any) -> Given[S, R]:
        """Expect exactly these events. Returns the decider with them in its past, to go on from."""
        assert self.events == expected, f"expected {expected}, got {self.events}"
        return Given(self._given.decider, (*self._given.past, *self.events))


def given(decider: Decider[S, R], *past: Any) -> Given[S, R]:
    """Return a decider with a past: events of reference data and of aggregates."""
    return Given(decider, past)


def is_reference(event: Any) -> bool:
    """Tell whether an event adopts reference data. `TimerFired` is in no catalogue."""
    return type(event) in TYPE_OF and TYPE_OF[type(event)].reference
