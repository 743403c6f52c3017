"""Decisions: what one input leads to. A decider's fault about one aggregate parks that aggregate.

Its later inputs are deferred behind it, in order, while the shard goes on; so is an input of
another aggregate that would change it. A retry decides all that it missed as one decision, timers
among it, or the aggregate stays parked. `SHARD_FAULTS` stop the shard instead, because they are no
fault of the aggregate. Nothing here knows of positions: the stage puts decisions in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappush
from typing import Any, Generic, TypeVar

from eventlog.core.aggregates import Aggregate, Aggregates, Changes, NotLoaded
from eventlog.core.decider import (
    Decider,
    Following,
    Input,
    OnItsTurn,
    ReferenceChanged,
    Timer,
    TimerFired,
)
from eventlog.core.lookups import UNANSWERED, Lookup, Unasked, look_up
from events.errors import SHARD_FAULTS
from events.instants import BEGINNING, Instant
from events.registry import UPCASTERS, latest
from events.stored_inputs import StoredInput

S = TypeVar("S")
R = TypeVar("R")

Decided = list[tuple[str, str, Any]]  # The events of a decision: aggregate, cause, event.
FAULT_CHARACTERS = 1_000  # Of a fault in a row: some have a whole state in their text.


class Waits(Exception):
    """A decision would change the parked aggregate `name`."""

    def __init__(self, name: str) -> None:
        super().__init__(f"it would change {name}, which is parked")
        self.name = name


class Decisions(Generic[S, R]):
    """The decisions of one shard, and the aggregates that they change.

    `lookup` answers the requests of the decider for what is known outside the core. `parked` has
    the names of the aggregates that are parked.
    """

    def __init__(self, decider: Decider[S, R], lookup: Lookup[R] | None) -> None:
        self.decider = decider
        self.lookup = lookup
        self.aggregates: Aggregates[S, R] = Aggregates(decider)
        self.parked: set[str] = set()
        self._timers: list[Timer] = []  # A heap. Those that run no more are still in it.

    # ── Inputs ────────────────────────────────────────────────────────────────────────────────────

    def _take(self, input_: Input) -> Decided:
        """Decide about an input, or defer it behind a parked aggregate."""
        try:
            name = self.decider.subject(input_, self.aggregates)
            if name is None:
                return []
            if name != input_.subject:
                input_ = input_.about(name)
            if name not in self.parked:
                return self._decide(input_, {})
        except SHARD_FAULTS:
            raise
        except Waits as wait:
            return self._defer(wait.name, input_)
        except Exception as fault:
            return self._park(fault, input_, input_.as_stored)
        if self.decider.retries(input_.event):
            return self._retry(input_)
        return self._defer(name, input_)

    def _decide(self, input_: Input, changes: Changes) -> Decided:
        """Decide about an input and fold the events. If folding fails, all changes are undone.

        `changes` has those of earlier inputs of the same decision, and gets those of this one.
        """
        if type(input_.answers) in UNANSWERED:
            input_ = self._look_up_now(input_)
        aggregate, id_ = self.decider.aggregate, input_.id
        decided: Decided = []
        for event in self.decider.decide(input_, self.aggregates):
            cause = id_
            if type(event) is Following:
                cause, event = event
            name = aggregate(latest(event) if type(event) in UPCASTERS else event)
            decided.append((name, cause, event))
        if self.parked:
            for name, _, _ in decided:
                if name in self.parked:
                    raise Waits(name)
        try:
            started = self.aggregates.fold(decided, changes)
            if type(input_.event) is TimerFired:
                self._check_ended(input_.event.timer)
        except BaseException:
            self.aggregates.undo(changes)
            raise
        if started:
            self._start(started)
        return decided

    def _look_up_now(self, input_: Input) -> Input:
        """Return an input with the answers that it lacks: its turn has come. Raises its fault."""
        answers = input_.answers
        if type(answers) is OnItsTurn:
            meeting = ReferenceChanged(input_.subject)
            (answers,) = look_up(self.lookup, self.aggregates, (meeting,))
        if type(answers) is Unasked:
            raise answers.fault
        return input_._replace(answers=answers)

    def _check_ended(self, timer: Timer) -> None:
        """Check that a fired timer runs no more: a new owner would fire it again."""
        if timer in self.aggregates.by_name[timer.subject].timers:
            raise RuntimeError(f"{timer.id} still runs after it fired")

    def _meet(self, input_: Input) -> Decided:
        """Decide about an input that cannot wait: if it had to, its own aggregate is parked.

        It is not stored: a timer goes on running, and reference data are in force.
        """
        try:
            return self._decide(input_, {})
        except SHARD_FAULTS:
            raise
        except Exception as fault:
            return self._park(fault, input_, None)

    def _start(self, timers: Iterable[Timer]) -> None:
        for timer in timers:
            heappush(self._timers, timer)

    # ── Parking ───────────────────────────────────────────────────────────────────────────────────

    def _park(self, fault: Exception, input_: Input, stored: StoredInput | None) -> Decided:
        """Park an aggregate whose input could not be decided, with the input as it waits."""
        sentence = f"{type(fault).__name__}: {fault}"[:FAULT_CHARACTERS]
        event = self.decider.parking.park(input_.subject, sentence, stored)
        self._put_behind(input_.subject, stored)
        return [(input_.subject, input_.id, event)]

    def _defer(self, name: str, input_: Input) -> Decided:
        """Defer an input behind a parked aggregate."""
        stored = input_.as_stored
        self._put_behind(name, stored)
        return [(name, input_.id, self.decider.parking.defer(name, stored))]

    def _put_behind(self, name: str, stored: StoredInput | None) -> None:
        """Add an input to those behind an aggregate, which is parked by that if it was not."""
        aggregate = self.aggregates.get(name)
        if aggregate.deferred is None:
            aggregate.deferred = []
            aggregate.parked_at = BEGINNING if stored is None else stored.time
            self.parked.add(name)
        if stored is not None:
            aggregate.deferred.append(stored)

    def _retry(self, retry: Input) -> Decided:
        """Decide what a parked aggregate missed, with the reference data in force now. If any of it
        fails, nothing is changed.
        """
        name, parking = retry.subject, self.decider.parking
        aggregate = self.aggregates.get(name)
        deferred, changes = aggregate.deferred, Changes()
        missed = [Input.from_stored(stored, name) for stored in deferred or ()]
        self._release(name, aggregate)
        decided: Decided = [(name, retry.id, parking.retry(name))]
        try:
            for input_ in self._list_missed(retry, missed):
                decided += self._decide_again(input_, changes)
        except NotLoaded:
            self.aggregates.undo(changes)
            self._park_again(name, deferred)
            raise
        except SHARD_FAULTS:
            raise
        except Exception as fault:
            self.aggregates.undo(changes)
            self._park_again(name, deferred)
            return self._park(fault, retry, None)
        for behind, _, event in decided:
            if isinstance(event, parking.deferred):
                self._put_behind(behind, event.input)
        return decided

    def _park_again(self, name: str, deferred: list[StoredInput] | None) -> None:
        """Take back the end of a parking."""
        self.aggregates.get(name).deferred = deferred
        self.parked.add(name)

    def _list_missed(self, retry: Input, missed: Sequence[Input]) -> Iterator[Input]:
        """Yield what a parked aggregate missed: the reference data in force, then each input at its
        own time. Timers that were due before the time of an input come before it. None comes before
        the input that parked it: those due before had fired, or its own decision had started them.
        """
        meeting = retry._replace(event=ReferenceChanged(retry.subject))
        events = [each.event for each in (meeting, *missed)]
        answers = iter(look_up(self.lookup, self.aggregates, events))
        yield meeting._replace(answers=next(answers))
        time = self.aggregates.get(retry.subject).parked_at
        for each, given in zip(missed, answers, strict=False):
            if each.time > time:  # Inputs of one instant may be one decision.
                time = each.time
                yield from self._list_due(retry, time)
            yield each._replace(answers=given)
        yield from self._list_due(retry, retry.time)

    def _list_due(self, retry: Input, time: Instant) -> Iterator[Input]:
        """Yield the timers of a retried aggregate that were due before a time. They fire now: what
        follows from one counts from the retry.
        """
        aggregate = self.aggregates.get(retry.subject)
        while due := [timer for timer in aggregate.timers if timer.due < time]:
            timer = min(due)
            yield Input(TimerFired(timer), retry.time, timer.subject, timer.id)

    def _decide_again(self, input_: Input, changes: Changes) -> Decided:
        """Decide about what an aggregate missed. An input may have to wait behind another one."""
        if type(input_.event) in (ReferenceChanged, TimerFired):
            return self._decide(input_, changes)
        name = self.decider.subject(input_, self.aggregates) or input_.subject
        try:
            if name in self.parked:
                raise Waits(name)
            return self._decide(input_.about(name), changes)
        except Waits as wait:
            stored = input_.as_stored
            return [(wait.name, input_.id, self.decider.parking.defer(wait.name, stored))]

    def _release(self, name: str, aggregate: Aggregate[S]) -> None:
        """End the parking of an aggregate."""
        aggregate.deferred = None
        self.parked.discard(name)
