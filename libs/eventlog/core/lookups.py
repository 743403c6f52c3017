"""Look-ups: the shell's answers to the requests of a decider, for many inputs at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice, repeat
from typing import Any, TypeVar

from eventlog.core.aggregates import Aggregates
from eventlog.core.decider import OnItsTurn
from events.errors import SHARD_FAULTS

S = TypeVar("S")
R = TypeVar("R")

Answers = Sequence[Any]
Lookup = Callable[[R, Sequence[Any]], Answers]


class Unasked(tuple[Any, ...]):
    """No answers, because the decider failed to name its requests: a fault of that input alone.
    It is empty.
    """

    fault: Exception


UNANSWERED = (Unasked, OnItsTurn)


def look_up(
    lookup: Lookup[R] | None, aggregates: Aggregates[S, R], events: Sequence[Any]
) -> Iterable[Answers]:
    """Return the answers to the requests for each of these events, looked up together.

    `Unasked` and `OnItsTurn` have none, and are returned as they are.
    """
    if lookup is None:
        return repeat((), len(events))
    requested = list_requests(aggregates, events)
    answers = iter(lookup(aggregates.reference, [one for each in requested for one in each]))
    return [tuple(islice(answers, len(each))) if each else each for each in requested]


def list_requests(aggregates: Aggregates[S, R], events: Sequence[Any]) -> Sequence[Sequence[Any]]:
    """Return the requests for each event; `Unasked` for one for which the decider raises."""
    requests, requested = aggregates.decider.requests, list[Sequence[Any]]()
    for event in events:
        try:
            requested.append(requests(event, aggregates))
        except SHARD_FAULTS:
            raise
        except Exception as fault:
            unasked = Unasked()
            unasked.fault = fault
            requested.append(unasked)
    return requested
