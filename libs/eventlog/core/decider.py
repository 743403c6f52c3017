"""The decider: the pure heart of a service. `state = fold(evolve, events)`; `decide` gives the next
events.

A decider may read every aggregate of its shard, the index over them and the reference data; one
decision may change several. The stage loop (stage.py) gives positions to its events and fires its
timers.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from eventlog.core.row import CLOCK, EXPIRY, make
from events.instants import Instant
from events.registry import Parking, latest, value
from events.stored_inputs import StoredInput, original_of, store

REFERENCE = "reference"  # The subject of reference data: one in each shard, beside the others.

S = TypeVar("S")
R = TypeVar("R")
S_co = TypeVar("S_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)


class Timer(NamedTuple):
    """A running timer of an aggregate. Timers fire in the order of these fields.

    `origin` is the number of the aggregate's origin that it is for, 0 if it is for all of them.
    """

    due: Instant
    subject: str
    kind: str
    run: int
    origin: int = 0

    @property
    def id(self) -> str:
        """The cause that an event of this timer names."""
        of_origin = f"/{self.origin}" if self.origin else ""
        return f"{CLOCK}{self.subject}/{self.kind}/{self.run}{of_origin}"


def expiry_of(stored: StoredInput, subject: str, due: Instant) -> Timer:
    """Return the timer at which an input that waits for a subject expires.

    Its run is the position of the input, so that no other one ever has its id.
    """
    return Timer(due, subject, EXPIRY, stored.position)


@value
class TimerFired:
    """The input of the decider that started the timer, at the instant at which it fires."""

    timer: Timer


@value
class ReferenceChanged:
    """The input by which an aggregate meets the reference data in force: they were adopted a moment
    ago, or while the aggregate was parked.
    """

    subject: str


class Key(NamedTuple):
    """A key under which the index has an aggregate: a kind, and a value of that kind."""

    kind: str
    value: Hashable


class Input(NamedTuple):
    """An input of a decider: an event, `TimerFired` or `ReferenceChanged`, and its time.

    `subject` is its aggregate; while that is still to be named, the subject of its row. `id` is the
    cause that its events name, and `answers` are those to the requests for it. An event is in its
    newest version; `original` is it as its row has it.
    """

    event: Any
    time: Instant
    subject: str
    id: str = ""
    answers: Sequence[Any] = ()
    original: Any = None

    @classmethod
    def from_stored(cls, stored: StoredInput, subject: str) -> Input:
        """Return an input that waited, for an aggregate. Raises Outdated if its type is unknown."""
        original = original_of(stored)
        return cls(latest(original), stored.time, subject, stored.id, (), original)

    def about(self, subject: str) -> Input:
        """Return the input with its aggregate."""
        event, time, _, id_, answers, original = self
        return make(Input, (event, time, subject, id_, answers, original))

    @property
    def as_stored(self) -> StoredInput:
        """Return the input as it waits inside an event: as it was written, so that all builds store
        the same.
        """
        return store(self.id, self.time, self.event if self.original is None else self.original)


class OnItsTurn(tuple[Any, ...]):
    """The requests for an input that depend on what earlier inputs of its batch do."""


ON_ITS_TURN = OnItsTurn()


class Following(NamedTuple):
    """An event of a decision that follows from another input: one that waited for this decision.
    `cause` is the id of that input.
    """

    cause: str
    event: Any


class View(Protocol[S_co, R_co]):
    """The fold of a stage's own log, as its decider may read it."""

    @property
    def reference(self) -> R_co:
        """Return the reference data in force."""

    def state(self, subject: str, /) -> S_co:
        """Return the state of an aggregate."""

    def find(self, key: Key, /) -> Sequence[str]:
        """Return the aggregates that have a key, in the order of their ids."""

    def values(self, kind: str, /) -> Collection[Any]:
        """Return the values of a kind under which there are aggregates, in no order."""


class Decider(Protocol[S, R]):
    """The pure heart of a stage. S is the state of an aggregate, R the reference data; both are
    immutable.

    `log` is the log that the decisions go to, and `parking` the events by which the stage parks an
    aggregate. `states` are the classes of S in which a decision may leave an aggregate, so that a
    store can read them. Their names differ.
    """

    log: str
    parking: Parking
    states: tuple[type[Any], ...]
    initial_state: S
    initial_reference: R

    def subject(self, input_: Input, view: View[S, R], /) -> str | None:
        """Return the aggregate that an input of the log concerns; None if it concerns nobody.

        Which case is the same matter may depend on the time and the place of the input. A fault
        here parks the subject of the input's own row.
        """

    def names(self, event: Any, /) -> Collection[str]:
        """Return the aggregates that an input or reference data name: those of a batch are loaded
        together. One that a decision reads besides is loaded alone, when its turn comes. But an
        adoption reads none besides those that have a key.
        """

    def requests(self, event: Any, view: View[S, R], /) -> Sequence[Any]:
        """Return what the shell must look up before an input is decided.

        For an event it follows from that event alone, for `ReferenceChanged` also from the
        aggregate's state. Several inputs are looked up together, before the first one is decided.
        An event that needs its aggregate's state returns `ON_ITS_TURN`. The stage then asks for
        `ReferenceChanged` of that aggregate, just before it decides the event.
        """

    def decide(self, input_: Input, view: View[S, R], /) -> Sequence[Any]:
        """Decide about an input. Each event that it returns names its aggregate."""

    def aggregate(self, event: Any, /) -> str:
        """Return the aggregate that one of the decider's own events changes."""

    def evolve(self, state: S, event: Any, /) -> S:
        """Return the state of an aggregate after one of its events. Those of `parking` never
        come here.
        """

    def keys(self, state: S, /) -> Sequence[Key]:
        """Return the keys of an aggregate: the same objects for as long as it has them.

        Keys and timers are asked for after every event, also amid a decision. The initial state has
        none.
        """

    def timers(self, state: S, /) -> Sequence[Timer]:
        """Return the timers that run in this state: the same objects for as long as they run.

        A timer that has fired runs no more after the decision about it.
        """

    def retries(self, event: Any, /) -> bool:
        """Tell whether an input asks to decide a parked aggregate again.

        An aggregate that is not parked gets such an input like any other.
        """

    def decide_reference(self, event: Any, view: View[S, R], /) -> Sequence[Any]:
        """Decide about reference data. The events are of the reference data themselves."""

    def evolve_reference(self, reference: R, event: Any, /) -> R:
        """Return the reference data after one of the events that `decide_reference` gave."""

    def replaces(self, event: Any, /) -> str:
        """Return the kind of reference data that an event of `decide_reference` replaces.

        The reference data are the fold of the last event of each kind, in the order of the log.
        """

    def find_affected(self, event: Any, view: View[S, R], /) -> Collection[str]:
        """Return the aggregates that must meet reference data which this event has just put in
        force: each gets `ReferenceChanged`, in the order of their ids.
        """

    def version(self, event: Any, /) -> str | None:
        """Return the decider version that an event of `decide_reference` puts in force, if any."""
