"""Parts of decisions: which rows of a decision are the outcome of which input.

A decision about one input may decide others with it. A report decides the actions that waited for
it, and a retry decides the inputs behind its parked case, all in their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from eventlog.core.row import Row
from events.catalogue import (
    ActionWaits,
    CallAcknowledged,
    CallActionDeclined,
    CallAnswered,
    CaseParked,
    CaseReported,
    CaseRetried,
    InputHeld,
)

OWN_ROWS_OF_REPORT = 2  # The case, and its place. Any other input has one row in `cases`.
CALL_OUTCOMES = (CallAcknowledged, CallAnswered, CallActionDeclined)

Parts = Mapping[int, Sequence[Row]]
"""The rows of a decision by the position of the input whose outcome they are."""


class Release(NamedTuple):
    """A retry that let a parked case go on: its own input, and those that it decided, in order."""

    input: int
    decided: tuple[int, ...]


class Deferrals(NamedTuple):
    """The inputs of a subject that had to wait.

    `waits` are the actions that came before the report. `releases` are the retries that succeeded.
    """

    waits: tuple[int, ...]
    releases: tuple[Release, ...]

    def release_of(self, position: int) -> Release | None:
        """Return the retry that decided an input; None while it waits behind a parked case."""
        return next((each for each in self.releases if position in each.decided), None)


def deferrals_of(rows: Sequence[Row]) -> Deferrals:
    """Return the inputs that had to wait, from the rows that say so, in the order of the log."""
    waits: list[int] = []
    releases: list[Release] = []
    parked: list[int] | None = None
    for row in rows:
        match row.event:
            case ActionWaits():
                waits.append(row.input)
            case CaseParked() if parked is None:
                # A clock that ran out is no input: its row names another cause.
                parked = [] if row.cause.startswith("clock/") else [row.input]
            case InputHeld() if parked is not None:
                parked.append(row.input)
            case CaseRetried():
                releases.append(Release(row.input, tuple(parked or ())))
                parked = None
    return Deferrals(tuple(waits), tuple(releases))


def parts_of(rows: Sequence[Row], inputs: Sequence[int], waits: Sequence[int]) -> Parts:
    """Return the parts in rows of `cases` that decide these inputs, and the actions that waited.

    `rows` are those behind the retry's own, if a retry decided them.
    """
    parts: dict[int, Sequence[Row]] = {}
    left = list(rows)
    for position in inputs:
        is_report = bool(left) and isinstance(left[0].event, CaseReported)
        count = OWN_ROWS_OF_REPORT if is_report else 1
        parts[position], left = left[:count], left[count:]
        for early in waits if is_report else ():
            parts[early], left = left[:1], left[1:]
    return parts


def call_parts(rows: Sequence[Row], inputs: Sequence[int]) -> Parts:
    """Return the parts in rows of `calls` that decide these actions on calls."""
    outcomes = [row for row in rows if isinstance(row.event, CALL_OUTCOMES)]
    return {position: [row] for position, row in zip(inputs, outcomes, strict=False)}
