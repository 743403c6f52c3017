"""The fold of a stage's own log: the state of each aggregate, and the index over their keys.

This is what a decider views. A decision is folded here before it is written: a fault while folding
is met in time, and `undo` takes all of it back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from eventlog.core.decider import Decider, Key, Timer
from events.stored_inputs import StoredInput

S = TypeVar("S")
R = TypeVar("R")

NOBODY: frozenset[str] = frozenset()


class Aggregate(Generic[S]):
    """The memory of one aggregate. `deferred` are the inputs behind it while it is parked, else
    None.
    """

    __slots__ = ("deferred", "keys", "sequence", "state")

    def __init__(self, state: S) -> None:
        self.state = state
        self.keys: Sequence[Key] = ()
        self.sequence = 0
        self.deferred: list[StoredInput] | None = None

    @property
    def is_parked(self) -> bool:
        """Tell whether its inputs are deferred and its timers wait."""
        return self.deferred is not None


class Before(NamedTuple):
    """An aggregate before a decision."""

    state: Any
    keys: Sequence[Key]


Changes = dict[str, Before]


class Aggregates(Generic[S, R]):
    """The aggregates of one shard, its reference data, and the index. `decider` folds them."""

    def __init__(self, decider: Decider[S, R]) -> None:
        self.decider = decider
        self.reference: R = decider.initial_reference
        self.by_name: dict[str, Aggregate[S]] = {}
        self._index: dict[str, dict[Hashable, set[str]]] = {}

    # ── What a decider may read ───────────────────────────────────────────────────────────────────

    def state(self, subject: str) -> S:
        """Return the state of an aggregate."""
        aggregate = self.by_name.get(subject)
        return self.decider.initial_state if aggregate is None else aggregate.state

    def find(self, key: Key) -> Sequence[str]:
        """Return the aggregates that have a key, in the order of their ids."""
        return sorted(self._index.get(key.kind, {}).get(key.value, NOBODY))

    def values(self, kind: str) -> Collection[Any]:
        """Return the values of a kind under which there are aggregates."""
        return self._index.get(kind, {}).keys()

    # ── What the stage does ───────────────────────────────────────────────────────────────────────

    def get(self, name: str) -> Aggregate[S]:
        """Return an aggregate; a new one if nothing is known of it."""
        aggregate = self.by_name.get(name)
        if aggregate is None:
            aggregate = self.by_name[name] = Aggregate(self.decider.initial_state)
        return aggregate

    def fold(self, events: Iterable[tuple[str, str, Any]], changes: Changes) -> list[Timer]:
        """Fold events, each of its aggregate; return the timers that start. Changes are noted for
        `undo`, also if the decider raises.
        """
        evolve = self.decider.evolve
        touched: dict[str, Any] = {}
        for name, _, event in events:
            aggregate = self.get(name)
            before = aggregate.state
            if name not in touched:
                touched[name] = before
                if name not in changes:
                    changes[name] = Before(before, aggregate.keys)
            aggregate.state = evolve(before, event)
        return self._settle(touched)

    def undo(self, changes: Changes) -> None:
        """Take back changes that were folded. Timers that had started are stale by that."""
        for name, (state, keys) in changes.items():
            aggregate = self.by_name[name]
            aggregate.state = state
            self._set_keys(name, aggregate, keys)

    def _settle(self, touched: dict[str, Any]) -> list[Timer]:
        """Bring the index up to date; return the timers that are new in the changed states."""
        keys_of, timers_of = self.decider.keys, self.decider.timers
        started: list[Timer] = []
        for name, before in touched.items():
            aggregate = self.by_name[name]
            running, timers = timers_of(before), timers_of(aggregate.state)
            if timers is not running:
                started += [timer for timer in timers if timer not in running]
            self._set_keys(name, aggregate, keys_of(aggregate.state))
        return started

    def _set_keys(self, name: str, aggregate: Aggregate[S], keys: Sequence[Key]) -> None:
        if keys is aggregate.keys or keys == aggregate.keys:
            return
        for kind, value in aggregate.keys:
            names = self._index[kind]
            names[value].discard(name)
            if not names[value]:
                del names[value]
        for kind, value in keys:
            self._index.setdefault(kind, defaultdict(set))[value].add(name)
        aggregate.keys = keys
