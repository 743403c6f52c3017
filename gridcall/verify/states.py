"""State rows beside the fold: each is the state after its event number, and none is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from eventlog.core.row import Row
from eventlog.core.stage import Stage
from eventlog.postgres.states import StoredStates
from eventlog.state_codec import StateCodec, StateRow, take
from gridcall.verify.differences import Contradiction, Difference, Finding


class StateComparison:
    """The state rows of one stage beside its states, as they come from the fold.

    State rows of another build are none of this one: an owner drops them, and folds again.
    """

    def __init__(self, log: str, stage: Stage[Any, Any], stored: StoredStates) -> None:
        self.log = log
        self.equal: dict[str, int] = {}  # The numbers of those that are equal.
        self._stage = stage
        self._codec = StateCodec(stage.decider.states)
        is_own = stored.version == self._codec.version(stage)
        self._position = stored.position if is_own else 0
        self._stored = {row.subject: row for row in stored.rows} if is_own else {}
        self._least: dict[str, int] = {}  # The number that a state row has at least.
        stage.observe = self._compare
        self._compare([*self._stored])  # Reference data have a state row before their first event.

    def note(self, row: Row) -> None:
        """Take a row of the log. Up to the recovery position a state row has it."""
        if row.position <= self._position:
            self._least[row.subject] = row.sequence

    def finish(self, last: int) -> Finding | None:
        """Return the first state row that differs. `last` is the last position of the log."""
        if self._position > last:
            because = f"its states have all rows up to {self._position}; it ends at {last}"
            return Contradiction(self.log, last, because)
        self._compare([*self._stored])
        for place, name in enumerate(sorted(self._stored.keys() | self._least.keys()), start=1):
            if self.equal.get(name, -1) < self._least.get(name, 0):
                ours, theirs = self._now(name), self._stored.get(name)
                cause = f"the state of {name} in {self.log}, which is folded otherwise"
                return Difference("states", place, show(ours), show(theirs), cause)
        return None

    def _compare(self, names: Iterable[str]) -> None:
        """Compare the states of aggregates that a decision has changed.

        A decider version may change a state row without a number: whether it is live.
        """
        for name in self._stored.keys() & names:
            stored, now = self._stored[name], self._now(name)
            if stored == now:
                self.equal[name] = stored.sequence
            elif now and now.sequence == stored.sequence and self._stage.position < self._position:
                self.equal.pop(name, None)

    def _now(self, name: str) -> StateRow | None:
        """Return the state row of an aggregate as it is now; None if there is none."""
        is_known = name in self._stage.aggregates.by_name
        return self._codec.encode(take(self._stage, name)) if is_known else None


def show(row: StateRow | None) -> bytes | None:
    """Return a state row as text."""
    return None if row is None else repr(tuple(row)).encode()
