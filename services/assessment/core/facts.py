"""Facts: what the logs say about one worker's responsibility for one case.

Each event of `cases` and `calls` that counts becomes one sparse row. Rows of a key merge into one,
with the same result in any order and any grouping. An instant is kept with the event that it comes
from, so that each figure can list its events. An event is merged once: its reader drops what it has
read before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import NamedTuple, TypeGuard, TypeVar, assert_never, get_args

from eventlog.core.row import Row
from events.catalogue import (
    Adopted,
    Assignment,
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
    CaseReassigned,
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

CountedOfOne = (
    CaseRouted | CaseReopened | CaseEnded
    | ClockStarted | ClockHandedOver | DeadlineMissed | CallRaised | CallAnswered
)  # fmt: skip
"""The events that say something about the responsibility of their holder."""

Counted = CountedOfOne | CaseReassigned
"""The events that say something about a responsibility: one of them about two."""

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
    calls of the case meanwhile, sorted; `grid` and `street` are its place. `taken_over` is
    the instant at which it began after another worker's part, `handed_over` the one at which it
    ended before another's. So a case is `reported` once, until it reopens.
    """

    grid: str
    street: str
    reported: Stamp | None = None
    due: Stamp | None = None
    missed: Stamp | None = None
    ended: Stamp | None = None
    raised: tuple[Stamp, ...] = ()
    answered: tuple[Stamp, ...] = ()
    taken_over: Stamp | None = None
    handed_over: Stamp | None = None


Facts = Mapping[Key, Fact]


def facts_in(row: Row) -> Sequence[tuple[Key, Fact]]:
    """Return the sparse rows of an event; none if it says nothing about a worker."""
    event: CaseEvent | CallEvent | OutcomeEvent | Adopted = row.event
    if not is_counted(event):
        return ()
    if isinstance(event, CaseReassigned):
        return tuple(facts_of_reassignment(event, row))
    if event.holder.worker is None:
        return ()
    if isinstance(event, ClockHandedOver) and event.missed:
        return ()  # The deadline was the one of an earlier holder.
    return ((key_of(event.case, event.holder, event.holder.worker), sparse_fact(event, row)),)


def key_of(case: str, holder: Assignment, worker: str) -> Key:
    """Return the key of a worker's responsibility."""
    return Key(case, holder.episode, intern(worker))


def facts_of_reassignment(event: CaseReassigned, row: Row) -> Iterator[tuple[Key, Fact]]:
    """Yield the end of one worker's part and the beginning of another's."""
    previous, holder = event.previous, event.holder
    if previous.worker == holder.worker:
        return  # Only the place has changed.
    now = Stamp(row.time, row.log, row.position)
    if previous.worker is not None:
        fact = Fact(*place_of(previous), handed_over=now)
        yield key_of(event.case, previous, previous.worker), fact
    if holder.worker is not None:
        yield key_of(event.case, holder, holder.worker), Fact(*place_of(holder), taken_over=now)


def place_of(holder: Assignment) -> tuple[str, str]:
    """Return the grid and the street of a holder, shared by all facts there."""
    return intern(holder.grid or ""), intern(holder.street or "")


def sparse_fact(event: CountedOfOne, row: Row) -> Fact:
    """Return what one event says about the responsibility of its holder."""
    grid, street = place_of(event.holder)
    now = Stamp(row.time, row.log, row.position)
    match event:
        case CaseRouted() if event.holder.episode > 1:
            return Fact(grid, street, taken_over=now)  # From a queue, after an earlier worker.
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
        one.taken_over if other.taken_over is None else earlier(one.taken_over, other.taken_over),
        one.handed_over
        if other.handed_over is None
        else earlier(one.handed_over, other.handed_over),
    )


def earlier(one: Stamp | None, other: Stamp) -> Stamp:
    """Return the earlier of two stamps."""
    return other if one is None else min(one, other)


def merge_into(facts: dict[Key, Fact], rows: Iterable[Row]) -> None:
    """Merge the facts of rows of a log into those of a dictionary."""
    for row in rows:
        for key, fact in facts_in(row):
            merge_fact(facts, key, fact)


def merge_fact(facts: dict[K, Fact], key: K, fact: Fact) -> None:
    """Merge a fact into the one of its key."""
    known = facts.get(key)
    facts[key] = fact if known is None else merge(known, fact)
