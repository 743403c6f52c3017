"""What a service is at heart: a decider. `state = fold(evolve, its events)`, `decide(heard, state) → events`, both pure.

A decider knows one subject at a time (in routing and escalation: a case) and the reference data of its shard. The loop around
it, which gives positions and lets clocks run out, is stage.py; sentences about it are written with spec.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

from events.catalogue import Event
from events.instants import Instant
from events.registry import value

REFERENCE = "reference"  # The subject of reference data: one per shard, beside the cases.
NOT_PARKED = "This case is not parked: there is nothing to decide again."

S = TypeVar("S")
R = TypeVar("R")


class Clock(NamedTuple):
    """A running clock of a subject. Clocks run out in the order of these fields."""

    due: Instant
    subject: str
    kind: str
    run: int

    @property
    def id(self) -> str:
        """What a fired event names as its cause."""
        return f"clock/{self.subject}/{self.kind}/{self.run}"


@value
class ClockRanOut:
    """Heard by the decider that started the clock, at the instant at which it fires."""

    clock: Clock


class Input(NamedTuple):
    """An input as a decider hears it: what, when, and what was asked outside for it (routing: the map)."""

    event: Event | ClockRanOut
    time: Instant
    answer: tuple[tuple[str, ...], ...] = ()


class Decider(Protocol[S, R]):
    """The pure heart of a stage. S is the state of a subject, R the reference data; both are immutable."""

    log: str
    initial_state: S  # The state of a subject of which nothing was heard.
    initial_reference: R  # The reference data before any was adopted.

    def subject(self, event: Event) -> str | None:
        """Whom an input concerns that is no reference data; None: nobody, it passes unheard."""

    def decide_reference(self, event: Event, reference: R) -> Sequence[Event]:
        """Decide about reference data. Raises Halted where it cannot be followed."""

    def evolve_reference(self, reference: R, event: Event) -> R:
        """Evolve the reference data."""

    def retries(self, event: Event) -> bool:
        """Whether an input asks to decide a parked subject again. One that is not parked hears it like any input."""

    def decide(self, heard: Input, state: S, reference: R) -> Sequence[Event]:
        """Decide about one input, or one clock that ran out."""

    def evolve(self, state: S, event: Event) -> S:
        """The state after one of the subject's own events. Those about parking are the loop's and never come here."""

    def clocks(self, state: S) -> Sequence[Clock]:
        """The clocks that run in this state, the same objects as long as they run."""
