"""The fold of a stage's own log: the state of each aggregate, and the index over their keys.

This is what a decider views. A decision is folded here before it is written: a fault while folding
is met in time, and `undo` takes all of it back. Keys and timers are computed after each event, also
amid a decision, because a replay does the same.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from eventlog.core.decider import Decider, Key, Timer
from events.errors import Halted
from events.instants import BEGINNING, Instant
from events.registry import UPCASTERS, latest
from events.stored_inputs import StoredInput

S = TypeVar("S")
R = TypeVar("R")

NOBODY: frozenset[str] = frozenset()


class NotLoaded(Halted):
    """An aggregate is to be read that may be settled and out of memory: load it, and try again.

    Nothing was changed. `name` is None if all are needed to which `decider` gives keys or timers.
    """

    def __init__(self, name: str | None, decider: Any = None) -> None:
        super().__init__(f"{name or 'a settled aggregate'} is not in memory")
        self.name = name
        self.decider = decider


class Aggregate(Generic[S]):
    """The memory of one aggregate. `deferred` are the inputs behind it while it is parked, else
    None. `parked_at` is the time of the input that parked it, or BEGINNING if a timer did.
    """

    __slots__ = ("deferred", "keys", "parked_at", "sequence", "state", "timers")

    def __init__(self, state: S) -> None:
        self.state = state
        self.keys: Sequence[Key] = ()
        self.timers: Sequence[Timer] = ()
        self.sequence = 0
        self.deferred: list[StoredInput] | None = None
        self.parked_at: Instant = BEGINNING

    @property
    def is_live(self) -> bool:
        """Tell whether the aggregate must be in memory. Otherwise it is settled."""
        return bool(self.timers or self.keys) or self.deferred is not None


# The state, keys and timers of an aggregate before a decision.
Before = tuple[Any, Sequence[Key], Sequence[Timer]]
Changes = dict[str, Before]


def set_timers(aggregate: Aggregate[S], timers: Sequence[Timer]) -> list[Timer]:
    """Take up the timers of an aggregate; return those that start."""
    before, aggregate.timers = aggregate.timers, timers
    return [timer for timer in timers if timer not in before]


class Aggregates(Generic[S, R]):
    """The aggregates of one shard, its reference data, and the index. `decider` folds them.

    `absent` has names that no store has. It is None as long as nothing has left memory.
    """

    def __init__(self, decider: Decider[S, R]) -> None:
        self.decider = decider
        self.reference: R = decider.initial_reference
        self.by_name: dict[str, Aggregate[S]] = {}
        self.absent: set[str] | None = None
        self._index: dict[Key, set[str]] = {}
        self._values: dict[str, dict[Hashable, None]] = {}  # Those of each kind in the index.

    # ── What a decider may read ───────────────────────────────────────────────────────────────────

    def state(self, subject: str) -> S:
        """Return the state of an aggregate. Raises NotLoaded."""
        aggregate = self.by_name.get(subject)
        if aggregate is None:
            self._require_absent(subject)
            return self.decider.initial_state
        return aggregate.state

    def find(self, key: Key) -> Sequence[str]:
        """Return the aggregates that have a key, in the order of their ids."""
        return sorted(self._index.get(key, NOBODY))

    def values(self, kind: str) -> Collection[Any]:
        """Return the values of a kind under which there are aggregates, in no order."""
        return self._values.get(kind, {}).keys()

    # ── What the stage does ───────────────────────────────────────────────────────────────────────

    def get(self, name: str) -> Aggregate[S]:
        """Return an aggregate; a new one if there is none. Raises NotLoaded."""
        aggregate = self.by_name.get(name)
        if aggregate is None:
            self._require_absent(name)
            aggregate = self.by_name[name] = Aggregate(self.decider.initial_state)
        return aggregate

    def fold(self, events: Iterable[tuple[str, str, Any]], changes: Changes) -> list[Timer]:
        """Fold events, each of its aggregate; return the timers that start. Changes are noted for
        `undo`, also if the decider raises.
        """
        decider = self.decider
        evolve, keys_of, timers_of = decider.evolve, decider.keys, decider.timers
        by_name = self.by_name
        started: list[Timer] = []
        for name, _, event in events:
            aggregate = by_name.get(name) or self.get(name)
            if name not in changes:
                changes[name] = (aggregate.state, aggregate.keys, aggregate.timers)
            if type(event) in UPCASTERS:
                event = latest(event)
            aggregate.state = state = evolve(aggregate.state, event)
            keys = keys_of(state)
            if keys is not aggregate.keys:
                self._set_keys(name, aggregate, keys)
            timers = timers_of(state)
            if timers is not aggregate.timers:
                started += set_timers(aggregate, timers)
        return started

    def undo(self, changes: Changes) -> None:
        """Take back changes that were folded. Timers that had started are stale by that."""
        for name, (state, keys, timers) in changes.items():
            aggregate = self.by_name[name]
            aggregate.state = state
            aggregate.timers = timers
            self._set_keys(name, aggregate, keys)

    def fold_by(self, decider: Decider[S, R]) -> list[Timer]:
        """Let another decider fold from here on; return the timers that start by that.

        Keys and timers of each aggregate become those that it gives.
        """
        self.decider = decider
        started: list[Timer] = []
        for name, aggregate in self.by_name.items():
            self._set_keys(name, aggregate, decider.keys(aggregate.state))
            started += set_timers(aggregate, decider.timers(aggregate.state))
        return started

    # ── What leaves memory ────────────────────────────────────────────────────────────────────────

    def take_up(self, name: str, aggregate: Aggregate[S]) -> Sequence[Timer]:
        """Take up an aggregate that was stored; return its timers."""
        decider, state = self.decider, aggregate.state
        self.by_name[name] = aggregate
        self._set_keys(name, aggregate, decider.keys(state))
        aggregate.timers = decider.timers(state)
        return aggregate.timers

    def forget(self, names: Collection[str]) -> None:
        """Forget settled aggregates that are stored."""
        if not names:
            return
        if self.absent is None:
            self.absent = set()
        for name in names:
            del self.by_name[name]
            self.absent.discard(name)

    def _require_absent(self, name: str) -> None:
        """Check that an aggregate which is not in memory is nowhere. Raises NotLoaded."""
        if self.absent is not None and name not in self.absent:
            raise NotLoaded(name)

    # ── The index ─────────────────────────────────────────────────────────────────────────────────

    def _set_keys(self, name: str, aggregate: Aggregate[S], keys: Sequence[Key]) -> None:
        """Bring the index up to date. Keys that cannot be indexed raise before it is changed."""
        index, before = self._index, aggregate.keys
        hash(tuple(keys))
        for key in before:
            if key not in keys:
                self._remove(name, key)
        for key in keys:
            if key not in before:
                names = index.get(key)
                (self._names_of(key) if names is None else names).add(name)
        aggregate.keys = keys

    def _names_of(self, key: Key) -> set[str]:
        """Return the aggregates of a key that was not in the index."""
        self._values.setdefault(key.kind, {})[key.value] = None
        names = self._index[key] = set[str]()
        return names

    def _remove(self, name: str, key: Key) -> None:
        """Remove an aggregate from those of a key. It is out already if it had the key twice."""
        names = self._index.get(key)
        if names is not None:
            names.discard(name)
            if not names:
                del self._index[key], self._values[key.kind][key.value]
