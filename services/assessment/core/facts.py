"""Facts: what the logs say about one worker's responsibility for one case.

Each event of `cases` and `calls` that counts becomes one sparse row. Rows of a key merge into one,
with the same result in any order and any grouping. An instant is kept with the event that it comes
from, so that each figure can list its events. An event is merged once: its reader drops what it has
read before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sys import intern
from typing import NamedTuple, TypeGuard, TypeVar, assert_never, get_args

from eventlog.core.row import Row
from events.catalogue import (
    Adopted,
    CallAcknowledged,
    CallAction,
    CallActionDeclined,
    CallAnswered,
    CallEvent,
    CallRaised,
    CallWithdrawn,
    CaseClosed,
    CaseEnded,
    CaseEndedAtSource,
    CaseEvent,
    CaseProgress,
    CaseQueued,
    CaseReopened,
    CaseRouted,
    CaseWithdrawn,
    CaseWithheld,
    ClockHandedOver,
    ClockStarted,
    ClockStopped,
    DeadlineMissed,
    OutcomeEvent,
    ReopenedWithoutDeadline,
    RetryPassedOn,
)
from events.instants import Instant

K = TypeVar("K")

Counted = (
    CaseRouted | CaseReopened | CaseEnded
    | ClockStarted | ClockHandedOver | DeadlineMissed | CallRaised | CallAnswered
)  # fmt: skip
"""The events that say something about a responsibility. Each names its case and its holder."""

Uncounted = (
    CaseQueued | CaseWithheld | CaseProgress | CallAction | RetryPassedOn
    | ClockStopped | ReopenedWithoutDeadline | CallAcknowledged | CallWithdrawn
    | CallActionDeclined | OutcomeEvent | Adopted
)  # fmt: skip
"""The others: each event of `cases` and `calls` is in one of the two."""

COUNTED = frozenset(get_args(Counted))


def is_counted(event: Counted | Uncounted) -> TypeGuard[Counted]:
    """Tell whether an event says something about a responsibility."""
    return type(event) in COUNTED


class Stamp(NamedTuple):
    """An instant and the event (log, position) that it comes from. Of two, the earlier stays."""

    at: Instant
    log: str
    position: int


class Key(NamedTuple):
    """One worker's responsibility for one case."""

    case: str
    episode: int
    worker: str


class Fact(NamedTuple):
    """A responsibility as far as it is known; None where nothing is yet.

    `due` is the deadline itself, stamped by its clock's start. `raised` and `answered` are the
    calls of the case meanwhile, sorted; `grid` and `street` are its place.
    """

    grid: str
    street: str
    reported: Stamp | None = None
    due: Stamp | None = None
    missed: Stamp | None = None
    ended: Stamp | None = None
    raised: tuple[Stamp, ...] = ()
    answered: tuple[Stamp, ...] = ()


Facts = Mapping[Key, Fact]


def fact_of(row: Row) -> tuple[Key, Fact] | None:
    """Return the sparse row of an event; None if it says nothing about a worker."""
    event: CaseEvent | CallEvent | OutcomeEvent | Adopted = row.event
    if not is_counted(event) or event.holder.worker is None:
        return None
    if isinstance(event, ClockHandedOver) and event.due < row.time:
        return None  # The deadline was missed before this holder had the case.
    key = Key(event.case, event.holder.episode, intern(event.holder.worker))
    return key, sparse_fact(event, row)


def sparse_fact(event: Counted, row: Row) -> Fact:
    """Return what one event says about the responsibility of its holder."""
    grid, street = intern(event.holder.grid or ""), intern(event.holder.street or "")
    now = Stamp(row.time, row.log, row.position)
    match event:
        case CaseRouted() | CaseReopened():
            return Fact(grid, street, now)
        case CaseEndedAtSource() | CaseClosed() | CaseWithdrawn():
            return Fact(grid, street, None, None, None, now)
        case ClockStarted() | ClockHandedOver():
            return Fact(grid, street, None, now._replace(at=event.due))
        case DeadlineMissed():
            return Fact(grid, street, None, None, now._replace(at=event.due))
        case CallRaised():
            return Fact(grid, street, raised=(now,))
        case CallAnswered():
            return Fact(grid, street, answered=(now,))
        case unreachable:
            assert_never(unreachable)


def merge(one: Fact, other: Fact) -> Fact:
    """Return two facts of one key as one."""
    return Fact(
        one.grid if one.grid <= other.grid else other.grid,
        one.street if one.street <= other.street else other.street,
        one.reported if other.reported is None else earlier(one.reported, other.reported),
        one.due if other.due is None else earlier(one.due, other.due),
        one.missed if other.missed is None else earlier(one.missed, other.missed),
        one.ended if other.ended is None else earlier(one.ended, other.ended),
        tuple(sorted({*one.raised, *other.raised})) if other.raised else one.raised,
        tuple(sorted({*one.answered, *other.answered})) if other.answered else one.answered,
    )


def earlier(one: Stamp | None, other: Stamp) -> Stamp:
    """Return the earlier of two stamps."""
    return other if one is None else min(one, other)


def merge_into(facts: dict[Key, Fact], rows: Iterable[Row]) -> None:
    """Merge the facts of rows of a log into those of a dictionary."""
    for row in rows:
        keyed = fact_of(row)
        if keyed is not None:
            merge_fact(facts, *keyed)


def merge_fact(facts: dict[K, Fact], key: K, fact: Fact) -> None:
    """Merge a fact into the one of its key."""
    known = facts.get(key)
    facts[key] = fact if known is None else merge(known, fact)
