"""The stage loop: fires what is due before an input, decides the input, and numbers the events.

The stage is the shell's only way into a decider and does no I/O: rows in, rows out. The rows out
depend on the rows in alone, for any cut into batches and for watermarks anywhere. Time passes only
with the first row of a decision, and a fired event takes its time from its timer.

A fault that a decider raises about one aggregate parks that aggregate. Its later inputs are
deferred behind it, in order, while the shard goes on; so is an input of another aggregate that
would change it. A retry decides all of them as one decision, or the aggregate stays parked; timers
that were due meanwhile fire after it. `SHARD_FAULTS` stop the shard instead, because they are no
fault of the aggregate. A stage that was stopped, or whose rows could not be committed, is thrown
away: a new one replays the log. It ends before a row that its build cannot apply (versions.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Any, Generic, TypeVar

from eventlog.core.aggregates import Aggregate, Aggregates, Changes
from eventlog.core.decider import (
    REFERENCE,
    Decider,
    Following,
    Input,
    ReferenceChanged,
    Timer,
    TimerFired,
)
from eventlog.core.log import cut_at_reference
from eventlog.core.lookups import Answers, Lookup, Unasked, look_up
from eventlog.core.row import Progress, Row
from eventlog.core.versions import choose_decider, require_known
from events.errors import SHARD_FAULTS, Halted, Outdated
from events.instants import BEGINNING, Instant
from events.registry import UPCASTERS, latest, latest_of
from events.stored_inputs import StoredInput

S = TypeVar("S")
R = TypeVar("R")

Decided = list[tuple[str, str, Any]]  # The events of a decision: aggregate, cause, event.
make = tuple.__new__  # A Row in a third of the time of `Row(...)`.
FAULT_CHARACTERS = 1_000  # Of a fault in a row: some have a whole state in their text.


class Waits(Exception):
    """A decision would change the parked aggregate `name`."""

    def __init__(self, name: str) -> None:
        super().__init__(f"it would change {name}, which is parked")
        self.name = name


class Stage(Generic[S, R]):
    """One shard of one service.

    `decider` decides until another version is adopted; `versions` are those that can be. All fold
    the same states. `lookup` answers, once per batch, the requests of the decider for what is known
    outside the core. A stage of several logs `adopts_from` one of them, because each passes
    reference data on. `blocked` says why the stage decides no more.
    """

    def __init__(
        self,
        decider: Decider[S, R],
        shard: str,
        lookup: Lookup[R] | None = None,
        versions: Mapping[str, Decider[S, R]] | None = None,
        adopts_from: str = "",
    ) -> None:
        self.decider = decider
        self.shard = shard
        self.lookup = lookup
        self.aggregates: Aggregates[S, R] = Aggregates(decider)
        self.parked: set[str] = set()  # The names of the aggregates that are parked.
        self.position = 0  # The last position of this stage's own log.
        self.time: Instant = BEGINNING  # The time of the row there.
        self.input = 0  # How many rows of the input order were applied.
        self.read: dict[str, int] = {}  # The last position of each input log; they add up to it.
        self.watermark: Instant = BEGINNING  # How far time has passed.
        self.blocked = ""
        self._versions = versions or {}
        self._adopts_from = adopts_from
        self._timers: list[Timer] = []
        self._out: list[Row] = []
        self.aggregates.get(REFERENCE)  # It numbers the events of reference data.

    @property
    def progress(self) -> Progress:
        """The last input that was applied, and how far time has passed."""
        return Progress(self.input, self.watermark)

    @property
    def reference(self) -> R:
        """The reference data in force."""
        return self.aggregates.reference

    def apply(self, rows: Sequence[Row]) -> list[Row]:
        """Apply the next input rows; return the rows to append to the stage's own log.

        They end before a row that this build cannot apply. Then any further call raises Halted.
        """
        with self._all_or_nothing():
            try:
                for batch in cut_at_reference(rows):
                    events = latest_of([row.event for row in batch])
                    answers = look_up(self.lookup, self.aggregates, events)
                    for row, event, given in zip(batch, events, answers, strict=False):
                        self._apply(row, event, given)
            except Outdated as fault:
                self.blocked = str(fault)
                self.read[row.log], self.input = self.read[row.log] - 1, self.input - 1
        return self._take_out()

    def advance_time(self, watermark: Instant) -> list[Row]:
        """Fire what was due before the watermark; return the rows to append to the own log."""
        with self._all_or_nothing():
            self._fire_before(watermark)
        return self._take_out()

    def replay(self, rows: Iterable[Row]) -> None:
        """Take up the next rows of the own log, as a new owner does: the state is their fold."""
        parking = self.decider.parking
        self.read.clear()
        for row in rows:
            name, event = row.subject, latest(require_known(row).event)
            self.position, self.time, self.input = row.position, row.time, row.input
            self.watermark = max(self.watermark, row.time)
            aggregate = self.aggregates.get(name)
            aggregate.sequence = row.sequence
            if name == REFERENCE:
                self._evolve_reference(event)
            elif isinstance(event, (parking.parked, parking.deferred)):
                self._put_behind(name, event.input)
            elif isinstance(event, parking.retried):
                self._release(name, aggregate)
            else:
                self._start(self.aggregates.fold(((name, "", event),), {}))

    def stop(self) -> None:
        """Refuse all further work, because this stage knows more than its log has."""
        self.blocked = f"{self.decider.log}/{self.shard} was stopped: replay it with a new stage"

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Stop the stage for good if the block raises: it then knows more than its log has."""
        if self.blocked:
            raise Halted(self.blocked)
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def _take_out(self) -> list[Row]:
        out, self._out = self._out, []
        return out

    # ── Inputs ────────────────────────────────────────────────────────────────────────────────────

    def _apply(self, row: Row, event: Any, answers: Answers) -> None:
        """Apply a row, whose event is `event` in its newest version."""
        log, shard, position, time, _, step, subject, _, _, original = row
        if log not in self.read:  # All that was applied and is in no log yet, is in this one.
            self.read[log] = self.input - sum(self.read.values())
        expected = self.read[log] + 1
        if position != expected:
            what = f"expected {log} {expected}, got {position}: a gap, or a repeat"
            raise Halted(f"{self.decider.log}: {what}")
        if step == 1:
            self._fire_before(time)
        self.read[log] = expected
        self.input += 1
        require_known(row)
        id_ = f"{log}/{shard}/{position}"
        if subject == REFERENCE:
            if self._adopts_from in (log, ""):
                self._apply_reference(event, time, id_)
            return
        self._append(time, self._take(Input(event, time, subject, id_, answers, original)))

    def _take(self, input_: Input) -> Decided:
        """Decide about an input, or defer it behind a parked aggregate."""
        try:
            name = self.decider.subject(input_, self.aggregates)
        except SHARD_FAULTS:
            raise
        except Exception as fault:
            return self._park(fault, input_, input_.as_stored)
        if name is None:
            return []
        if name != input_.subject:
            input_ = input_._replace(subject=name)
        if input_.subject in self.parked:
            if self.decider.retries(input_.event):
                return self._retry(input_)
            return self._defer(input_.subject, input_)
        try:
            return self._decide(input_, {})
        except SHARD_FAULTS:
            raise
        except Waits as wait:
            return self._defer(wait.name, input_)
        except Exception as fault:
            return self._park(fault, input_, input_.as_stored)

    def _decide(self, input_: Input, changes: Changes) -> Decided:
        """Decide about an input and fold the events. If folding fails, all changes are undone.

        `changes` has those of earlier inputs of the same decision, and gets those of this one.
        """
        if type(input_.answers) is Unasked:
            raise input_.answers.fault
        aggregate = self.decider.aggregate
        decided: Decided = []
        for event in self.decider.decide(input_, self.aggregates):
            cause, event = event if type(event) is Following else (input_.id, event)
            folded = latest(event) if type(event) in UPCASTERS else event
            decided.append((aggregate(folded), cause, event))
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

    def _check_ended(self, timer: Timer) -> None:
        """Check that a fired timer runs no more: a new owner would fire it again."""
        if timer in self.aggregates.by_name[timer.subject].timers:
            raise RuntimeError(f"{timer.id} still runs after it fired")

    # ── Reference data ────────────────────────────────────────────────────────────────────────────

    def _apply_reference(self, adoption: Any, time: Instant, id_: str) -> None:
        """Adopt reference data, and let every aggregate that they affect meet them.

        An aggregate that cannot be decided is parked alone. A parked one meets them at its retry.
        """
        adoptions = self.decider.decide_reference(adoption, self.aggregates)
        for event in adoptions:
            self._decider_after(event)  # Raises while nothing is changed.
        for event in adoptions:
            self._evolve_reference(latest(event))
        decided: Decided = [(REFERENCE, id_, event) for event in adoptions]
        if decided:
            affected = self.decider.find_affected(adoption, self.aggregates)
            events = [ReferenceChanged(name) for name in sorted(set(affected))]
            results = look_up(self.lookup, self.aggregates, events)
            for event, answers in zip(events, results, strict=True):
                if event.subject not in self.parked:
                    decided += self._meet(Input(event, time, event.subject, id_, answers))
        self._append(time, decided)

    def _decider_after(self, event: Any) -> Decider[S, R]:
        """Return the decider after an adoption. Raises Outdated if this build lacks it."""
        version = self.decider.version(latest(event))
        return self.decider if version is None else choose_decider(self._versions, version)

    def _evolve_reference(self, event: Any) -> None:
        """Put reference data in force, or another version of the decider."""
        decider = self._decider_after(event)
        self.aggregates.reference = self.decider.evolve_reference(self.reference, event)
        if decider is not self.decider:
            self.decider = decider
            self._start(self.aggregates.fold_by(decider))

    # ── Timers ────────────────────────────────────────────────────────────────────────────────────

    def _start(self, timers: Iterable[Timer]) -> None:
        for timer in timers:
            heappush(self._timers, timer)

    def _fire_before(self, time: Instant) -> None:
        timers, parked = self._timers, self.parked
        while timers and timers[0].due < time:
            timer = heappop(timers)
            name = timer.subject
            if name not in parked and timer in self.aggregates.by_name[name].timers:
                self._fire(Input(TimerFired(timer), max(timer.due, self.time), name, timer.id))
        if time > self.watermark:
            self.watermark = time

    def _fire(self, fired: Input) -> None:
        self._append(fired.time, self._meet(fired))

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
            self.parked.add(name)
        if stored is not None:
            aggregate.deferred.append(stored)

    def _retry(self, retry: Input) -> Decided:
        """Decide the inputs behind a parked aggregate, each at its own time, with the reference
        data in force now. If one fails, nothing is changed.
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
        except SHARD_FAULTS:
            raise
        except Exception as fault:
            self.aggregates.undo(changes)
            aggregate.deferred = deferred
            self.parked.add(name)
            return self._park(fault, retry, None)
        for behind, _, event in decided:
            if isinstance(event, parking.deferred):
                self._put_behind(behind, event.input)
        return decided

    def _list_missed(self, retry: Input, missed: Sequence[Input]) -> Iterator[Input]:
        """Yield what a parked aggregate missed: the reference data in force, then its inputs."""
        inputs = [retry._replace(event=ReferenceChanged(retry.subject)), *missed]
        answers = look_up(self.lookup, self.aggregates, [each.event for each in inputs])
        for each, given in zip(inputs, answers, strict=False):
            yield each._replace(answers=given)

    def _decide_again(self, input_: Input, changes: Changes) -> Decided:
        """Decide about what an aggregate missed. An input may have to wait behind another one."""
        if type(input_.event) is ReferenceChanged:
            return self._decide(input_, changes)
        name = self.decider.subject(input_, self.aggregates) or input_.subject
        try:
            if name in self.parked:
                raise Waits(name)
            return self._decide(input_._replace(subject=name), changes)
        except Waits as wait:
            stored = input_.as_stored
            return [(wait.name, input_.id, self.decider.parking.defer(wait.name, stored))]

    def _release(self, name: str, aggregate: Aggregate[S]) -> None:
        """End the parking of an aggregate. Its timers run again, also those that were due."""
        aggregate.deferred = None
        self.parked.discard(name)
        self._start(aggregate.timers)

    # ── Rows ──────────────────────────────────────────────────────────────────────────────────────

    def _append(self, time: Instant, decided: Decided) -> None:
        """Append the events of one decision."""
        if not decided:
            return
        assert time >= self.time, "time never goes back"
        log, shard, position, input_ = self.decider.log, self.shard, self.position, self.input
        aggregates, out = self.aggregates.by_name, self._out
        for step, (name, cause, event) in enumerate(decided, 1):
            aggregate = aggregates[name]
            aggregate.sequence = number = aggregate.sequence + 1
            position += 1
            row = (log, shard, position, time, input_, step, name, number, cause, event)
            out.append(make(Row, row))
        self.position = position
        self.time = time
