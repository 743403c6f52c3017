"""The stage loop: takes rows of the input log in order, fires what was due before each, decides, and numbers the answers.

It is the shell's only way into a decider and has no I/O of its own: rows in, rows out. What comes out is a function of what
went in, for any cut into batches and with watermarks anywhere, because time passes only with an input's first row, and a
fired event takes its time from its clock.

Faults: whatever a decider raises about one case parks that case (CaseParked); its later inputs are held behind it, in order,
and the shard goes on. A retry decides all of them, as one decision: all of it, or the case stays parked. Clocks that ran out
meanwhile fire after it. Out of memory, a time-out, I/O and Halted are no fault of the case: they stop the shard. A stage
that was stopped, or whose rows could not be committed, is thrown away: a new one recalls the log and goes on after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Generic, TypeVar

from eventlog.core.decider import REFERENCE, Clock, ClockRanOut, Decider, Input
from eventlog.core.row import Progress, Row
from events.catalogue import CaseParked, CaseRetried, Event, InputHeld
from events.errors import Halted
from events.instants import BEGINNING, Instant

S = TypeVar("S")
R = TypeVar("R")

Answer = tuple[tuple[str, ...], ...]
NOT_THE_CASES_FAULT = (MemoryError, TimeoutError, OSError, Halted)


class Subject(Generic[S]):
    """What a stage remembers of one subject. While it is parked it hears nothing, and `held` are the inputs behind it."""

    __slots__ = ("held", "sequence", "state")

    def __init__(self, state: S) -> None:
        self.state = state
        self.sequence = 0
        self.held: list[Row] | None = None

    @property
    def parked(self) -> bool:
        """Whether it hears nothing."""
        return self.held is not None


class Stage(Generic[S, R]):
    """One shard of one service. `ask` answers, once per batch, what the decider must know from outside the core."""

    def __init__(
        self,
        decider: Decider[S, R],
        shard: str,
        ask: Callable[[R, Sequence[Row]], Sequence[Answer]] | None = None,
    ) -> None:
        self.decider = decider
        self.shard = shard
        self.ask = ask
        self.reference: R = decider.initial_reference
        self.subjects: dict[str, Subject[S]] = {}
        self.position = 0  # The last position of this stage's own log.
        self.time: Instant = BEGINNING  # The time of the row there.
        self.input = 0  # The last position of the input log that was applied.
        self.watermark: Instant = BEGINNING  # How far time has passed.
        self._reference_seq = 0
        self._stopped = False
        self._clocks: list[Clock] = []
        self._out: list[Row] = []

    def apply(self, rows: Sequence[Row]) -> list[Row]:
        """Apply the next rows of the input log; return the rows to append to this stage's own log."""
        with self._whole():
            for batch in cut_at_reference(rows):
                answers = self.ask(self.reference, batch) if self.ask else ()
                for i, row in enumerate(batch):
                    self._apply(row, answers[i] if answers else ())
        return self._taken()

    def advance_time(self, watermark: Instant) -> list[Row]:
        """Let time pass up to `w` without an input: fire what was due before it."""
        with self._whole():
            self._fire_before(watermark)
        return self._taken()

    def replay(self, rows: Iterable[Row], held: Mapping[str, Row]) -> None:
        """Take up the next rows of this stage's own log, as a new owner does: the state is their fold.

        `held` has the inputs, by id, that `held_behind` names in these rows.
        """
        for row in rows:
            event = row.event
            self.position, self.time, self.input, self.watermark = (
                row.position,
                row.time,
                row.input,
                max(self.watermark, row.time),
            )
            if row.subject == REFERENCE:
                self.reference = self.decider.evolve_reference(self.reference, event)
                self._reference_seq = row.sequence
                continue
            subject = self._subject(row.subject)
            subject.sequence = row.sequence
            if isinstance(event, CaseParked | InputHeld):
                subject.held = subject.held or []
                if row.cause in held:
                    self._hold(subject.held, held[row.cause])
            elif isinstance(event, CaseRetried):
                self._release(subject)
            else:
                self._settle(subject, self.decider.evolve(subject.state, event))

    @property
    def passed(self) -> Progress:
        """How far it is."""
        return Progress(self.input, self.watermark)

    def stop(self) -> None:
        """What this stage knows is not what its log has: it does nothing any more."""
        self._stopped = True

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """All or nothing: a stage that was stopped half-way knows what its log does not, and does nothing any more."""
        if self._stopped:
            raise Halted(
                f"{self.decider.log}/{self.shard} was stopped half-way: recall its log with a new stage"
            )
        self._stopped = True
        yield
        self._stopped = False

    def _taken(self) -> list[Row]:
        out, self._out = self._out, []
        return out

    def _apply(self, row: Row, answer: Answer) -> None:
        if row.position != self.input + 1:
            raise Halted(
                f"{self.decider.log}: expected {row.log} {self.input + 1}, got {row.position}: a gap, or a repeat"
            )
        if row.step == 1:
            self._fire_before(row.time)
        self.input = row.position
        if row.subject == REFERENCE:
            self._adopt(row)
            return
        name = self.decider.subject(row.event)
        if name is not None:
            self._hear(name, row, answer)

    def _adopt(self, row: Row) -> None:
        events = self.decider.decide_reference(row.event, self.reference)
        for event in events:
            self.reference = self.decider.evolve_reference(self.reference, event)
        self._append(row.time, REFERENCE, self._reference_seq, row.id, events)
        self._reference_seq += len(events)

    def _hear(self, name: str, row: Row, answer: Answer) -> None:
        subject = self._subject(name)
        events: Sequence[Event]
        if subject.held is None:
            events = self._decided(name, subject, (Input(row.event, row.time, answer),))
        elif self.decider.retries(row.event):
            events = self._retried(name, subject, subject.held)
        else:
            events = (InputHeld(case=name),)
        if subject.held is not None:
            self._hold(subject.held, row)
        self._append(
            row.time, name, subject.sequence, f"{row.log}/{row.shard}/{row.position}", events
        )
        subject.sequence += len(events)

    def _fire(self, name: str, heard: Input, cause: str) -> None:
        subject = self.subjects[name]
        events = self._decided(name, subject, (heard,))
        self._append(heard.time, name, subject.sequence, cause, events)
        subject.sequence += len(events)

    def _hold(self, held: list[Row], row: Row) -> None:
        """Keep an input behind a parked subject. A retry is not kept: it has done its work."""
        if not self.decider.retries(row.event):
            held.append(row)

    def _retried(self, name: str, subject: Subject[S], held: Sequence[Row]) -> Sequence[Event]:
        """Decide what was held, with what is known of the world now, each at its own time."""
        answers = self.ask(self.reference, held) if self.ask and held else [()] * len(held)
        heard = [
            Input(row.event, row.time, answer) for row, answer in zip(held, answers, strict=True)
        ]
        events = self._decided(name, subject, heard)
        if events and isinstance(events[0], CaseParked):
            return events
        self._release(subject)
        return (CaseRetried(case=name), *events)

    def _release(self, subject: Subject[S]) -> None:
        """The subject hears again. Its clocks run, those too that ran out while it heard nothing."""
        subject.held = None
        for clock in self.decider.clocks(subject.state):
            heappush(self._clocks, clock)

    def _subject(self, name: str) -> Subject[S]:
        subject = self.subjects.get(name)
        if subject is None:
            subject = self.subjects[name] = Subject(self.decider.initial_state)
        return subject

    def _decided(self, name: str, subject: Subject[S], heard: Sequence[Input]) -> Sequence[Event]:
        """One decision about these inputs; CaseParked alone where it fails, and then nothing has changed."""
        decider, state = self.decider, subject.state
        decided: list[Event] = []
        try:
            for each in heard:
                for event in decider.decide(each, state, self.reference):
                    state = decider.evolve(state, event)
                    decided.append(event)
            self._settle(subject, state)
        except NOT_THE_CASES_FAULT:
            raise
        except Exception as fault:
            subject.held = subject.held or []
            return (CaseParked(case=name, fault=f"{type(fault).__name__}: {fault}"),)
        return decided

    def _settle(self, subject: Subject[S], state: S) -> None:
        """The state of a subject from now on, and the clocks that it started."""
        started, running = self.decider.clocks(state), self.decider.clocks(subject.state)
        subject.state = state
        if started is not running:
            for clock in started:
                if clock not in running:
                    heappush(self._clocks, clock)

    def _fire_before(self, t: Instant) -> None:
        clocks = self._clocks
        while clocks and clocks[0].due < t:
            clock = heappop(clocks)
            subject = self.subjects[clock.subject]
            if not subject.parked and clock in self.decider.clocks(subject.state):
                self._fire(
                    clock.subject, Input(ClockRanOut(clock), max(clock.due, self.time)), clock.id
                )
        if t > self.watermark:
            self.watermark = t

    def _append(
        self, time: Instant, subject: str, sequence: int, cause: str, events: Sequence[Event]
    ) -> None:
        """Number the events of one decision, after the `seq` that its subject has."""
        if not events:
            return
        assert time >= self.time, "time never goes back"
        log, shard, position, input_ = self.decider.log, self.shard, self.position, self.input
        self._out += [
            Row(
                log,
                shard,
                position + step,
                time,
                input_,
                step,
                subject,
                sequence + step,
                cause,
                event,
            )
            for step, event in enumerate(events, 1)
        ]
        self.position = position + len(events)
        self.time = time


def held_behind(rows: Sequence[Row], log: str) -> Iterator[int]:
    """The positions of the inputs in `log` that these rows say are held behind a parked subject."""
    for row in rows:
        if isinstance(row.event, CaseParked | InputHeld) and row.cause.startswith(f"{log}/"):
            yield int(row.cause.rpartition("/")[2])


def cut_at_reference(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cut a batch after every adoption of reference data: what follows must be asked under the new version."""
    start = 0
    for i, row in enumerate(rows, 1):
        if row.subject == REFERENCE:
            yield rows[start:i]
            start = i
    if start < len(rows):
        yield rows[start:]
