"""The stage loop: fires what is due before an input, decides the input, and numbers the events.

The stage is the shell's only way into a decider and does no I/O: rows in, rows out. The rows out
depend on the rows in alone, for any cut into batches and for watermarks anywhere. Time passes only
with the first row of a decision, and a fired event takes its time from its timer.

A fault that a decider raises about one subject parks that subject. Its later inputs are deferred
behind it, in order, while the shard goes on. A retry decides all of them as one decision, or the
subject stays parked; timers that were due meanwhile fire after it. `SHARD_FAULTS` stop the shard
instead, because they are no fault of the subject. A stage that was stopped, or whose rows could not
be committed, is thrown away: a new one replays the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Any, Generic, TypeVar

from eventlog.core.decider import REFERENCE, Decider, Input, Result, Timer, TimerFired
from eventlog.core.row import Progress, Row
from events.errors import Halted
from events.instants import BEGINNING, Instant
from events.registry import Parking

S = TypeVar("S")
R = TypeVar("R")

Lookup = Callable[[R, Sequence[Row]], Sequence[Result]]
SHARD_FAULTS = (MemoryError, TimeoutError, OSError, Halted)


class Subject(Generic[S]):
    """The memory of one subject. `deferred` are the inputs behind it while it is
    parked, else None.
    """

    __slots__ = ("deferred", "sequence", "state")

    def __init__(self, state: S) -> None:
        self.state = state
        self.sequence = 0
        self.deferred: list[Row] | None = None

    @property
    def is_parked(self) -> bool:
        """Tell whether its inputs are deferred and its timers wait."""
        return self.deferred is not None


class Stage(Generic[S, R]):
    """One shard of one service.

    `lookup` finds, once per batch, what the decider must know from outside the core: a result for
    each row.
    """

    def __init__(self, decider: Decider[S, R], shard: str, lookup: Lookup[R] | None = None) -> None:
        self.decider = decider
        self.shard = shard
        self.lookup = lookup
        self.reference: R = decider.initial_reference
        self.subjects: dict[str, Subject[S]] = {}
        self.parked: set[str] = set()  # The names of the subjects that are parked.
        self.position = 0  # The last position of this stage's own log.
        self.time: Instant = BEGINNING  # The time of the row there.
        self.input = 0  # The last position of the input log that was applied.
        self.watermark: Instant = BEGINNING  # How far time has passed.
        self._reference_sequence = 0
        self._is_stopped = False
        self._timers: list[Timer] = []
        self._out: list[Row] = []

    @property
    def progress(self) -> Progress:
        """The last input that was applied, and how far time has passed."""
        return Progress(self.input, self.watermark)

    def apply(self, rows: Sequence[Row]) -> list[Row]:
        """Apply the next rows of the input log; return the rows to append to this
        stage's own log.
        """
        with self._all_or_nothing():
            for batch in cut_at_reference(rows):
                results = self.lookup(self.reference, batch) if self.lookup else ()
                for i, row in enumerate(batch):
                    self._apply(row, results[i] if results else ())
        return self._take_out()

    def advance_time(self, watermark: Instant) -> list[Row]:
        """Fire what was due before the watermark; return the rows to append to this stage's own
        log.
        """
        with self._all_or_nothing():
            self._fire_before(watermark)
        return self._take_out()

    def replay(self, rows: Iterable[Row], inputs: Mapping[str, Row]) -> None:
        """Take up the next rows of this stage's own log, as a new owner does: the state is their
        fold.

        `inputs` has, by id, the input rows whose positions `deferred_positions` gives for these
        rows.
        """
        parking = self.decider.parking
        for row in rows:
            event = row.event
            self.position, self.time, self.input = row.position, row.time, row.input
            self.watermark = max(self.watermark, row.time)
            if row.subject == REFERENCE:
                self.reference = self.decider.evolve_reference(self.reference, event)
                self._reference_sequence = row.sequence
                continue
            subject = self._subject(row.subject)
            subject.sequence = row.sequence
            if isinstance(event, (parking.parked, parking.deferred)):
                subject.deferred = subject.deferred or []
                self.parked.add(row.subject)
                if row.cause in inputs:
                    self._defer(subject.deferred, inputs[row.cause])
            elif isinstance(event, parking.retried):
                self._release(row.subject, subject)
            else:
                self._settle(subject, self.decider.evolve(subject.state, event))

    def stop(self) -> None:
        """Refuse all further work, because this stage knows more than its log has."""
        self._is_stopped = True

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Stop the stage for good if the block raises: it then knows more than its log has."""
        if self._is_stopped:
            raise Halted(
                f"{self.decider.log}/{self.shard} was stopped half-way: "
                "replay its log with a new stage"
            )
        self._is_stopped = True
        yield
        self._is_stopped = False

    def _take_out(self) -> list[Row]:
        out, self._out = self._out, []
        return out

    def _apply(self, row: Row, result: Result) -> None:
        if row.position != self.input + 1:
            raise Halted(
                f"{self.decider.log}: expected {row.log} {self.input + 1}, got {row.position}: "
                "a gap, or a repeat"
            )
        if row.step == 1:
            self._fire_before(row.time)
        self.input = row.position
        if row.subject == REFERENCE:
            self._apply_reference(row)
            return
        name = self.decider.subject(row.event)
        if name is not None:
            self._apply_to_subject(name, row, result)

    def _apply_reference(self, row: Row) -> None:
        events = self.decider.decide_reference(row.event, self.reference)
        for event in events:
            self.reference = self.decider.evolve_reference(self.reference, event)
        self._append(row.time, REFERENCE, self._reference_sequence, row.id, events)
        self._reference_sequence += len(events)

    def _apply_to_subject(self, name: str, row: Row, result: Result) -> None:
        subject = self._subject(name)
        if subject.deferred is None:
            events = self._decide(name, subject, (Input(row.event, row.time, result),))
        elif self.decider.retries(row.event):
            events = self._retry(name, subject, subject.deferred)
        else:
            events = (self.decider.parking.defer(name),)
        if subject.deferred is not None:
            self._defer(subject.deferred, row)
        cause = f"{row.log}/{row.shard}/{row.position}"
        self._append(row.time, name, subject.sequence, cause, events)
        subject.sequence += len(events)

    def _defer(self, deferred: list[Row], row: Row) -> None:
        """Add an input to those behind a parked subject, unless it is a retry: that has done its
        work.
        """
        if not self.decider.retries(row.event):
            deferred.append(row)

    def _retry(self, name: str, subject: Subject[S], deferred: Sequence[Row]) -> Sequence[Any]:
        """Decide the deferred inputs with the reference data in force now, each at its own time."""
        results: Sequence[Result] = [()] * len(deferred)
        if self.lookup and deferred:
            results = self.lookup(self.reference, deferred)
        inputs = [
            Input(row.event, row.time, result)
            for row, result in zip(deferred, results, strict=True)
        ]
        events = self._decide(name, subject, inputs)
        parking = self.decider.parking
        if events and isinstance(events[0], parking.parked):
            return events
        self._release(name, subject)
        return (parking.retry(name), *events)

    def _release(self, name: str, subject: Subject[S]) -> None:
        """End the parking of a subject. Its timers run again, those too that were due meanwhile."""
        subject.deferred = None
        self.parked.discard(name)
        for timer in self.decider.timers(subject.state):
            heappush(self._timers, timer)

    def _subject(self, name: str) -> Subject[S]:
        subject = self.subjects.get(name)
        if subject is None:
            subject = self.subjects[name] = Subject(self.decider.initial_state)
        return subject

    def _decide(self, name: str, subject: Subject[S], inputs: Sequence[Input]) -> Sequence[Any]:
        """Make one decision about inputs. If it fails, change nothing and return the
        parking alone.
        """
        decider, state = self.decider, subject.state
        decided: list[Any] = []
        try:
            for each in inputs:
                for event in decider.decide(each, state, self.reference):
                    state = decider.evolve(state, event)
                    decided.append(event)
            self._settle(subject, state)
        except SHARD_FAULTS:
            raise
        except Exception as fault:
            subject.deferred = subject.deferred or []
            self.parked.add(name)
            return (decider.parking.park(name, f"{type(fault).__name__}: {fault}"),)
        return decided

    def _settle(self, subject: Subject[S], state: S) -> None:
        """Set the state of a subject and start the timers that are new in it."""
        started, running = self.decider.timers(state), self.decider.timers(subject.state)
        subject.state = state
        if started is not running:
            for timer in started:
                if timer not in running:
                    heappush(self._timers, timer)

    def _fire_before(self, time: Instant) -> None:
        timers = self._timers
        while timers and timers[0].due < time:
            timer = heappop(timers)
            subject = self.subjects[timer.subject]
            if not subject.is_parked and timer in self.decider.timers(subject.state):
                fired = Input(TimerFired(timer), max(timer.due, self.time))
                self._fire(timer.subject, fired, timer.id)
        if time > self.watermark:
            self.watermark = time

    def _fire(self, name: str, fired: Input, cause: str) -> None:
        subject = self.subjects[name]
        events = self._decide(name, subject, (fired,))
        self._append(fired.time, name, subject.sequence, cause, events)
        subject.sequence += len(events)

    def _append(
        self, time: Instant, subject: str, sequence: int, cause: str, events: Sequence[Any]
    ) -> None:
        """Append the events of one decision, after the `sequence` that its subject has."""
        if not events:
            return
        assert time >= self.time, "time never goes back"
        log, shard, position, input_ = self.decider.log, self.shard, self.position, self.input
        self._out += [
            Row(log, shard, position + i, time, input_, i, subject, sequence + i, cause, event)
            for i, event in enumerate(events, 1)
        ]
        self.position = position + len(events)
        self.time = time


def deferred_positions(rows: Sequence[Row], log: str, parking: Parking) -> Iterator[int]:
    """Yield the positions in `log` of the inputs that these rows put behind a parked subject."""
    kinds = (parking.parked, parking.deferred)
    for row in rows:
        if isinstance(row.event, kinds) and row.cause.startswith(f"{log}/"):
            yield int(row.cause.rpartition("/")[2])


def cut_at_reference(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cut a batch after every adoption, because the next look-ups need the new reference data."""
    start = 0
    for i, row in enumerate(rows, 1):
        if row.subject == REFERENCE:
            yield rows[start:i]
            start = i
    if start < len(rows):
        yield rows[start:]
