"""Facts: what the streams say about one worker's responsibility for one case. Merging rows is commutative and associative.

Every event of `cases` and `calls` that matters here becomes one sparse row; the rows of one key are merged into one, in any
order and any grouping, with the same result. An instant is kept together with the event that it comes from, so that each
figure can list its events. An event must be merged once: its reader drops what it has read before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sys import intern
from typing import NamedTuple, TypeVar

from eventlog.core.row import Row
from events.catalogue import (
    Assignment,
    CallAnswered,
    CallRaised,
    CaseClosed,
    CaseEndedAtSource,
    CaseReopened,
    CaseRouted,
    CaseWithdrawn,
    ClockHandedOver,
    ClockStarted,
    DeadlineMissed,
    Event,
)
from events.instants import Instant

K = TypeVar("K")


class Stamp(NamedTuple):
    """An instant and the event (log, position) that it comes from. Where two meet, the earlier one stays."""

    at: Instant
    log: str
    position: int


class Key(NamedTuple):
    """One worker's responsibility for one case."""

    case: str
    episode: int
    worker: str


class Fact(NamedTuple):
    """What is known of a responsibility. None: nothing yet. `due` is the deadline itself, stamped by its clock's start.

    `raised` and `answered` are the calls of the case meanwhile, sorted; `grid` and `street` are where it lies.
    """

    grid: str
    street: str
    reported: Stamp | None = None
    due: Stamp | None = None
    missed: Stamp | None = None
    ended: Stamp | None = None
    raised: tuple[Stamp, ...] = ()
    answered: tuple[Stamp, ...] = ()


COUNTED = frozenset(
    {
        CaseRouted, CaseReopened, CaseEndedAtSource, CaseClosed, CaseWithdrawn,
        ClockStarted, ClockHandedOver, DeadlineMissed, CallRaised, CallAnswered,
    }
)  # fmt: skip

Facts = Mapping[Key, Fact]


def fact_of(row: Row) -> tuple[Key, Fact] | None:
    """The sparse row of one event; None if it says nothing about a worker's responsibility."""
    event = row.event
    if type(event) not in COUNTED:
        return None
    holder: Assignment = event.holder  # All that are counted have one.
    if holder.worker is None or (isinstance(event, ClockHandedOver) and event.due < row.time):
        return None  # Nobody's, or a deadline that was missed before this holder had the case.
    key = Key(event.case, holder.episode, intern(holder.worker))
    return key, said_of(holder, event, row)


def said_of(holder: Assignment, event: Event, row: Row) -> Fact:
    """What one event says about the responsibility of its holder."""
    grid, street, now = (
        intern(holder.grid or ""),
        intern(holder.street or ""),
        Stamp(row.time, row.log, row.position),
    )
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
    raise AssertionError(f"{event} counts nowhere")


def merged(one: Fact, other: Fact) -> Fact:
    """Two rows of one key as one."""
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
    """The earlier of two stamps."""
    return other if one is None else min(one, other)


def merge_into(facts: dict[Key, Fact], rows: Iterable[Row]) -> None:
    """Merge the facts of these rows of a log into what is known."""
    for row in rows:
        found = fact_of(row)
        if found is not None:
            merge_under(*found, facts)


def merge_under(key: K, fact: Fact, facts: dict[K, Fact]) -> None:
    """Merge a fact into what is known under its key."""
    known = facts.get(key)
    facts[key] = fact if known is None else merged(known, fact)
