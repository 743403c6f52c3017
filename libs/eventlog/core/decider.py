"""The decider: the pure heart of a service. `state = fold(evolve, events)`; `decide` gives the next
events.

A decider knows one subject at a time (an aggregate) and the reference data of its shard. The stage
loop (stage.py) gives positions to its events and fires its timers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from events.instants import Instant
from events.registry import Parking, value

REFERENCE = "reference"  # The subject of reference data: one in each shard, beside the others.

S = TypeVar("S")
R = TypeVar("R")

Result = tuple[tuple[str, ...], ...]


class Timer(NamedTuple):
    """A running timer of a subject. Timers fire in the order of these fields."""

    due: Instant
    subject: str
    kind: str
    run: int

    @property
    def id(self) -> str:
        """The cause that an event of this timer names."""
        return f"clock/{self.subject}/{self.kind}/{self.run}"


@value
class TimerFired:
    """The input of the decider that started the timer, at the instant at which it fires."""

    timer: Timer


class Input(NamedTuple):
    """An input of a decider: an event or `TimerFired`, its time, and the result of the look-up for
    it.
    """

    event: Any
    time: Instant
    result: Result = ()


class Decider(Protocol[S, R]):
    """The pure heart of a stage. S is the state of a subject, R the reference data; both are
    immutable.

    `log` is the log that the decisions go to, and `parking` the events by which the stage parks a
    subject.
    """

    log: str
    parking: Parking
    initial_state: S
    initial_reference: R

    def subject(self, event: Any, /) -> str | None:
        """Return the subject of an input that is no reference data; None if it concerns nobody."""

    def decide_reference(self, event: Any, reference: R, /) -> Sequence[Any]:
        """Decide about reference data. Raises Halted if this code cannot follow it."""

    def evolve_reference(self, reference: R, event: Any, /) -> R:
        """Return the reference data after one of the events that `decide_reference` gave."""

    def retries(self, event: Any, /) -> bool:
        """Tell whether an input asks to decide a parked subject again.

        A subject that is not parked gets such an input like any other.
        """

    def decide(self, input_: Input, state: S, reference: R, /) -> Sequence[Any]:
        """Decide about one input or one timer that fired."""

    def evolve(self, state: S, event: Any, /) -> S:
        """Return the state after one of the subject's events. Those of `parking` never
        come here.
        """

    def timers(self, state: S, /) -> Sequence[Timer]:
        """Return the timers that run in this state: the same objects for as long as they run."""
