"""Decisions: which rows are the outcome of which input.

A decision about one input may decide others with it. A report decides the actions that waited for
it, and a retry decides the inputs behind its parked case. Each row names the input that it follows
from as its cause.
"""

from __future__ import annotations

from collections.abc import Sequence

from eventlog.core.decider import expiry_of
from eventlog.core.row import Row
from events.catalogue import ActionWaits
from events.registry import TYPE_OF, latest

DEFERRING = frozenset(cls for cls, kind in TYPE_OF.items() if kind.defers)


def rows_of(cause: str, rows: Sequence[Row]) -> list[Row]:
    """Return the rows of a decision that follow from one input."""
    return [row for row in rows if row.cause == cause]


def waits(rows: Sequence[Row]) -> bool:
    """Tell whether an input still waits after these rows of its own.

    A retry that failed leaves its case parked, but does not wait.
    """
    if not rows:
        return False
    event = latest(rows[-1].event)
    return type(event) in DEFERRING and event.input is not None


def last_decision(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of the last decision among those of one input.

    An input may wait several times, and each time a decision says so.
    """
    start = rows[-1].position - rows[-1].step
    return [row for row in rows if row.position - row.step == start]


def expiry_cause(row: Row) -> str | None:
    """Return the timer at which a waiting input expires; None if it waits without a limit."""
    event = latest(row.event)
    if not isinstance(event, ActionWaits) or event.expires is None:
        return None
    return expiry_of(event.input, event.issue, event.expires).id
