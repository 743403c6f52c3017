"""The stage loop: fires what is due before an input, decides the input, and numbers the events.

The stage is the shell's only way into a decider and does no I/O: rows in, rows out. The rows out
depend on the rows in alone, for any cut into batches and for watermarks anywhere. Time passes only
with the first row of a decision, and a fired event takes its time from its timer.

A stage with a store of its aggregates has the live ones in memory. It stops before an input that
needs another one, which the shell then loads. `observe` gets the names that each decision changed.

What an input leads to, and what happens if that cannot be decided, is in decisions.py. A stage that
was stopped, or whose rows could not be committed, is thrown away: a new one replays the log. It
ends before a row that its build cannot apply (versions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from typing import Any, TypeVar

from eventlog.core.aggregates import Aggregate, NotLoaded
from eventlog.core.decider import REFERENCE, Decider, Input, ReferenceChanged, TimerFired
from eventlog.core.decisions import Decided, Decisions
from eventlog.core.log import cut_at_reference
from eventlog.core.lookups import Answers, Lookup, look_up
from eventlog.core.row import Progress, Row, make
from eventlog.core.versions import choose_decider, require_known
from events.errors import Conflict, Halted, Outdated
from events.instants import BEGINNING, Instant
from events.registry import UnknownEvent, latest, latest_of

S = TypeVar("S")
R = TypeVar("R")


class Stage(Decisions[S, R]):
    """One shard of one service: its decisions in order.

    `decider` decides until another version is adopted; `versions` are those that can be. All fold
    the same states. `lookup` answers once per batch. A stage of several logs `adopts_from` one of
    them, because each passes reference data on. `blocked` says why the stage decides no more.
    """

    def __init__(
        self,
        decider: Decider[S, R],
        shard: str,
        lookup: Lookup[R] | None = None,
        versions: Mapping[str, Decider[S, R]] | None = None,
        adopts_from: str = "",
    ) -> None:
        super().__init__(decider, lookup)
        self.shard = shard
        self.position = 0  # The last position of this stage's own log.
        self.time: Instant = BEGINNING  # The time of the row there.
        self.input = 0  # How many rows of the input order were applied.
        self.read: dict[str, int] = {}  # The last position of each input log; they add up to it.
        self.watermark: Instant = BEGINNING  # How far time has passed.
        self.blocked = ""
        self.missing: NotLoaded | None = None  # What must be loaded before it goes on.
        self.observe: Callable[[Iterable[str]], None] | None = None
        self.adoptions: dict[str, Any] = {}  # The last event of each kind of reference data.
        self._revived: Decider[S, R] | None = None
        self._versions = versions or {}
        self._adopts_from = adopts_from
        self._out: list[Row] = []
        self.aggregates.get(REFERENCE)  # It numbers the events of reference data.

    @property
    def progress(self) -> Progress:
        """The last input that was applied, and how far time has passed."""
        return Progress(self.input, self.watermark)

    @property
    def next_due(self) -> Instant | None:
        """Return the instant of the next timer, if there is any. It may run no more."""
        return self._timers[0].due if self._timers else None

    @property
    def newest_version(self) -> str:
        """The newest version of the decider that this build knows; empty without versions."""
        return (list(self._versions) or [""])[-1]

    @property
    def reference(self) -> R:
        """The reference data in force."""
        return self.aggregates.reference

    def apply(self, rows: Sequence[Row]) -> list[Row]:
        """Apply the next input rows; return the rows to append to the stage's own log.

        They end before a row that needs what is `missing`. They also end before a row that this
        build cannot apply; then any further call raises Halted.
        """
        self.missing = None
        with self._all_or_nothing():
            try:
                for batch in cut_at_reference(rows):
                    events = latest_of([row.event for row in batch])
                    answers = look_up(self.lookup, self.aggregates, events)
                    for row, event, given in zip(batch, events, answers, strict=False):
                        self._apply(row, event, given)
            except (Outdated, NotLoaded) as fault:
                if isinstance(fault, NotLoaded):
                    self.missing = fault
                else:
                    self.blocked = str(fault)
        return self._take_out()

    def advance_time(self, watermark: Instant) -> list[Row]:
        """Fire what was due before the watermark; return the rows to append to the own log.

        They end before a timer that needs what is `missing`.
        """
        self.missing = None
        with self._all_or_nothing():
            try:
                self._fire_before(watermark)
            except NotLoaded as fault:
                self.missing = fault
        return self._take_out()

    def replay(self, rows: Iterable[Row]) -> None:
        """Take up the next rows of the own log, as a new owner does: the state is their fold.

        A row that a stored aggregate contains already is passed. Raises NotLoaded before a row that
        needs another one.
        """
        self.read.clear()
        for row in rows:
            event, aggregate = latest(require_known(row).event), self.aggregates.get(row.subject)
            if row.sequence > aggregate.sequence:
                self._check_next(row, aggregate)
                self._fold_again(row, event, aggregate)
            self.position, self.time, self.input = row.position, row.time, row.input
            self.watermark = max(self.watermark, row.time)

    def _check_next(self, row: Row, aggregate: Aggregate[S]) -> None:
        """Raise Conflict if a stored aggregate lacks a row before this one."""
        if self.aggregates.absent is not None and row.sequence != aggregate.sequence + 1:
            raise Conflict(f"{row.id} does not follow the stored state of {row.subject}")

    def _fold_again(self, row: Row, event: Any, aggregate: Aggregate[S]) -> None:
        """Fold a row of the own log."""
        name, parking = row.subject, self.decider.parking
        if name == REFERENCE:
            self._require_revived(self._decider_after(event))
            self._evolve_reference(event)
        elif isinstance(event, (parking.parked, parking.deferred)):
            self._put_behind(name, event.input)
        elif isinstance(event, parking.retried):
            self._release(name, aggregate)
        else:
            self._start(self.aggregates.fold(((name, "", event),), {}))
        aggregate.sequence = row.sequence
        if self.observe:
            self.observe((name,))

    # ── What is stored ────────────────────────────────────────────────────────────────────────────

    def take_up(self, name: str, aggregate: Aggregate[S]) -> None:
        """Take up an aggregate that was stored."""
        self._start(self.aggregates.take_up(name, aggregate))
        if aggregate.deferred is not None:
            self.parked.add(name)

    def take_up_reference(self, sequence: int, adoptions: Iterable[Any]) -> None:
        """Take up the reference data that were stored: before all else, because they choose the
        decider.
        """
        self.aggregates.get(REFERENCE).sequence = sequence
        for event in adoptions:
            self._evolve_reference(latest(event))

    def forget(self, names: Collection[str]) -> None:
        """Forget settled aggregates that are stored, and the timers that ran for them."""
        by_name = self.aggregates.by_name
        self.aggregates.forget(names)
        self._timers = [timer for timer in self._timers if timer.subject in by_name]
        heapify(self._timers)

    def has_revived(self, decider: Decider[S, R]) -> None:
        """Note that all settled aggregates are loaded to which `decider` gives keys or timers."""
        self._revived = decider

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
        read = self.read.get(log)
        if read is None:  # All that was applied and is in no log yet, is in this one.
            read = self.input - sum(self.read.values())
        expected = read + 1
        if position != expected:
            what = f"expected {log} {expected}, got {position}: a gap, or a repeat"
            raise Halted(f"{self.decider.log}: {what}")
        if step == 1:
            self._fire_before(time)
        self.read[log] = expected
        self.input += 1
        try:
            if type(event) is UnknownEvent:
                require_known(row)
            id_ = f"{log}/{shard}/{position}"
            if subject == REFERENCE:
                if self._adopts_from in (log, ""):
                    self._apply_reference(event, time, id_)
                return
            input_ = make(Input, (event, time, subject, id_, answers, original))
            if decided := self._take(input_):
                self._append(time, decided)
        except (Outdated, NotLoaded):  # It is not applied.
            self.read[log], self.input = read, self.input - 1
            raise

    # ── Reference data ────────────────────────────────────────────────────────────────────────────

    def _apply_reference(self, adoption: Any, time: Instant, id_: str) -> None:
        """Adopt reference data, and let every aggregate that they affect meet them.

        An aggregate that cannot be decided is parked alone. A parked one meets them at its retry.
        """
        adoptions = self.decider.decide_reference(adoption, self.aggregates)
        for event in adoptions:
            self._require_revived(self._decider_after(event))  # Raises while nothing is changed.
        for event in adoptions:
            self._evolve_reference(latest(event))
        decided: Decided = [(REFERENCE, id_, event) for event in adoptions]
        try:
            decided += self._meet_all(adoption, time, id_) if adoptions else ()
        except NotLoaded as fault:  # Too late to load it: the reference data are in force.
            raise Halted(f"an adoption reads what it does not name: {fault}") from fault
        self._append(time, decided)

    def _meet_all(self, adoption: Any, time: Instant, id_: str) -> Decided:
        """Let every aggregate that an adoption affects meet the reference data."""
        decided: Decided = []
        affected = self.decider.find_affected(adoption, self.aggregates)
        events = [ReferenceChanged(name) for name in sorted(set(affected))]
        results = look_up(self.lookup, self.aggregates, events)
        for event, answers in zip(events, results, strict=True):
            if event.subject not in self.parked:
                decided += self._meet(Input(event, time, event.subject, id_, answers))
        return decided

    def _decider_after(self, event: Any) -> Decider[S, R]:
        """Return the decider after an adoption. Raises Outdated if this build lacks it."""
        version = self.decider.version(latest(event))
        return self.decider if version is None else choose_decider(self._versions, version)

    def _require_revived(self, decider: Decider[S, R]) -> None:
        """Check that what is settled has no keys or timers by a decider. Raises NotLoaded."""
        is_whole = self.aggregates.absent is None or decider in (self.decider, self._revived)
        if not is_whole:
            raise NotLoaded(None, decider)

    def _evolve_reference(self, event: Any) -> None:
        """Put reference data in force, or another version of the decider."""
        decider = self._decider_after(event)
        self.aggregates.reference = self.decider.evolve_reference(self.reference, event)
        kind = self.decider.replaces(event)
        self.adoptions.pop(kind, None)
        self.adoptions[kind] = event
        if decider is not self.decider:
            self.decider, self._revived = decider, None
            self._start(self.aggregates.fold_by(decider))
            if self.observe:
                self.observe(self.aggregates.by_name)

    # ── Timers ────────────────────────────────────────────────────────────────────────────────────

    def _fire_before(self, time: Instant) -> None:
        timers, parked = self._timers, self.parked
        while timers and timers[0].due < time:
            timer = heappop(timers)
            name = timer.subject
            if name not in parked and timer in self.aggregates.by_name[name].timers:
                fired = Input(TimerFired(timer), max(timer.due, self.time), name, timer.id)
                try:
                    self._fire(fired)
                except NotLoaded:
                    heappush(timers, timer)
                    raise
        if time > self.watermark:
            self.watermark = time

    def _fire(self, fired: Input) -> None:
        self._append(fired.time, self._meet(fired))

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
        if self.observe:
            self.observe([name for name, _, _ in decided])
