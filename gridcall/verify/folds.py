"""The fold: intake's log through the pure stages, beside what the services have stored."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assessment.core.facts import Fact, Key, merge_into
from assessment.store import encode_fact
from eventlog.codec import NO_EVENT, Entry, entry, entry_envelope, row_of
from eventlog.core.row import Progress, Row
from eventlog.core.stage import Stage
from eventlog.core.versions import newest, require_known
from events.catalogue import PoliciesAdopted
from events.errors import Outdated
from events.instants import Instant
from events.topology import WRITER
from gridcall.pipeline import pipeline
from gridcall.snapshot import Snapshot
from gridcall.verify.differences import Contradiction, Difference, Finding
from gridcall.verify.states import StateComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """The fold of a district: how much was compared, and the first difference."""

    inputs: int
    rows: int
    facts: int
    states: int
    difference: Finding | None


class LogComparison:
    """A stored log beside the rows that are folded, as they come.

    `progress` is the stage's own, `last` its last position. Each folded row goes to `observe`.
    """

    def __init__(
        self,
        log: str,
        shard: str,
        progress: Progress,
        last: int,
        stored: AsyncIterator[list[Entry]],
        observe: Callable[[Row], None],
    ) -> None:
        self.log = log
        self.shard = shard
        self.progress = progress
        self.rows = 0
        self.difference: Finding | None = None
        self._last = last
        self._stored = stored
        self._observe = observe
        self._next_entries: list[Entry] = []

    async def compare(self, folded: list[Row]) -> None:
        """Compare the next folded rows, until there is a difference."""
        for row in folded:
            if self.difference:
                return
            ours, theirs = entry(row), await self._next()
            if ours != theirs:
                self.difference = self._describe(ours, theirs)
            self._observe(row)
            self.rows += 1

    async def finish(self, stage: Stage[Any, Any]) -> list[Row]:
        """Let time pass as far as it did for the stage; return the rows that it makes. Then nothing
        more may be stored.

        At the stage's last input, perhaps no watermark has passed yet. Clocks that were overdue
        when they started fire with the next one.
        """
        folded: list[Row] = []
        if stage.watermark < self.progress.watermark or self.rows < self._last:
            folded = stage.advance_time(self.progress.watermark)
            await self.compare(folded)
        if not self.difference and (surplus := await self._next()):
            self.difference = self._describe(None, surplus)
        self.difference = self.difference or self._end_fault(stage)
        return folded

    def _end_fault(self, stage: Stage[Any, Any]) -> Contradiction | None:
        """Return what contradicts the end of the log, as its shard's row has it."""
        if self.rows != self._last:
            because = f"the shard's row ends at {self._last}, and the log at {self.rows}"
            return Contradiction(self.log, self.rows, because)
        if self.progress.watermark < stage.time:
            because = (
                f"the time of the shard's row is {self.progress.watermark}, before the last row's"
            )
            return Contradiction(self.log, self.rows, because)
        return None

    async def _next(self) -> Entry | None:
        if not self._next_entries:
            self._next_entries = list(reversed(await anext(self._stored, [])))
        return self._next_entries.pop() if self._next_entries else None

    def _describe(self, ours: Entry | None, theirs: Entry | None) -> Difference:
        folded, stored = (show(self.log, self.shard, side) for side in (ours, theirs))
        either = ours or theirs
        assert either is not None
        return Difference(self.log, self.rows + 1, folded, stored, either.cause)


class DistrictComparison:
    """The fold of one district: its stages, and the logs and facts that it is compared with."""

    def __init__(self, district: str, contents: Mapping[str, bytes]) -> None:
        self.district = district
        self.stages = {stages.sink: stages.make(district) for stages in pipeline(contents)}
        self.facts: dict[Key, Fact] = {}
        self.zone: str | None = None  # In force where facts are merged up to.
        self.no_event: Contradiction | None = None
        self.logs: dict[str, LogComparison] = {}
        self.states: dict[str, StateComparison] = {}
        self._waiting: list[tuple[Instant, int, int, Row]] = []  # In the order of `evaluations`.

    async def open(self, snapshot: Snapshot) -> None:
        """Begin to read the stored logs of the district."""
        merged = await snapshot.merged_positions(self.district)

        def observe(folded: Row) -> None:
            row = newest(folded)
            self.states[row.log].note(row)
            if row.position <= merged.get(row.log, 0):
                merge_into(self.facts, (row,))
                if row.log == "cases" and isinstance(row.event, PoliciesAdopted):
                    self.zone = row.event.zone

        for log in self.stages:
            progress, last = await snapshot.progress(log, self.district)
            stored = snapshot.entries(log, self.district)
            self.logs[log] = LogComparison(log, self.district, progress, last, stored, observe)
            states = await snapshot.states(log, self.district)
            self.states[log] = StateComparison(log, self.stages[log], states)

    @property
    def difference(self) -> Finding | None:
        """Return the first difference of a log."""
        differences = [each.difference for each in self.logs.values() if each.difference]
        return self.no_event or (differences[0] if differences else None)

    @property
    def rows(self) -> int:
        """The number of rows that were compared."""
        return sum(comparison.rows for comparison in self.logs.values())

    @property
    def state_rows(self) -> int:
        """The number of state rows that are equal."""
        return sum(len(comparison.equal) for comparison in self.states.values())

    def states_difference(self) -> Finding | None:
        """Return the first state row that differs from the fold."""
        ends = {log: comparison.rows for log, comparison in self.logs.items()}
        differences = [each.finish(ends[log]) for log, each in self.states.items()]
        return next((each for each in differences if each), None)

    async def apply(self, inputs: list[Entry]) -> None:
        """Fold inputs through all stages, and compare the rows."""
        rows = []
        for each in inputs:
            try:
                rows.append(require_known(row_of("intake", self.district, each)))
            except (*NO_EVENT, Outdated) as fault:
                because = f"no event of gridcall is there: {fault}"
                self.no_event = Contradiction("intake", each.position, because)
                return
        cases = await self._fold("cases", rows)
        calls = await self._fold("calls", cases)
        await self._assess(cases, calls, [self.stages["cases"], self.stages["calls"]])

    async def finish(self) -> None:
        """Let time pass for all stages, each behind those that it reads."""
        cases = await self.logs["cases"].finish(self.stages["cases"])
        calls = await self._fold("calls", cases)
        calls += await self.logs["calls"].finish(self.stages["calls"])
        await self._assess(cases, calls, [self.logs["cases"].progress, self.logs["calls"].progress])
        await self.logs["evaluations"].finish(self.stages["evaluations"])
        self._check_applied()

    async def _fold(self, log: str, rows: list[Row]) -> list[Row]:
        """Fold the rows that the stage of a log has applied; compare and return those it makes."""
        stage, comparison = self.stages[log], self.logs[log]
        folded = stage.apply(rows[: max(0, comparison.progress.input - stage.input)])
        await comparison.compare(folded)
        if stage.blocked:
            raise Outdated(stage.blocked)
        return folded

    async def _assess(
        self, cases: list[Row], calls: list[Row], ends: Sequence[Stage[Any, Any] | Progress]
    ) -> None:
        """Fold the rows of both logs in their merged order, as far as time has passed in both."""
        stage, progress = self.stages["evaluations"], self.logs["evaluations"].progress
        if stage.input == progress.input:
            return
        for number, rows in enumerate((cases, calls)):
            self._waiting += [(row.time, number, row.position, row) for row in rows]
        self._waiting.sort(key=lambda waiting: waiting[:3])
        until = min(end.watermark for end in ends)
        ready = bisect_left(self._waiting, until, key=lambda waiting: waiting[0])
        released, self._waiting = self._waiting[:ready], self._waiting[ready:]
        await self._fold("evaluations", [waiting[-1] for waiting in released])

    def _check_applied(self) -> None:
        """Check that the stage of two logs has applied no row before both had passed it."""
        applied, comparison = self.stages["evaluations"].input, self.logs["evaluations"]
        if applied < comparison.progress.input and not self.difference:
            because = (
                f"it has applied {comparison.progress.input} rows of cases and calls, and both "
                f"were past {applied}"
            )
            comparison.difference = Contradiction("evaluations", comparison.rows, because)


async def fold_district(
    snapshot: Snapshot,
    district: str,
    contents: Mapping[str, bytes],
    progress: Callable[[int], None] = lambda inputs: None,
) -> Folded:
    """Fold a district's inputs again, and compare. Ends at the first difference."""
    comparison = DistrictComparison(district, contents)
    await comparison.open(snapshot)
    last_input = comparison.logs["cases"].progress.input
    async for inputs in snapshot.entries("intake", district, last_input):
        await comparison.apply(inputs)
        progress(len(inputs))
        if comparison.difference:
            break
    else:
        await comparison.finish()
    difference = comparison.difference
    if isinstance(difference, Difference):
        difference = await with_cause(snapshot, difference)
    difference = difference or comparison.states_difference()
    difference = difference or await facts_difference(snapshot, comparison)
    return Folded(
        inputs=comparison.stages["cases"].input,
        rows=comparison.rows,
        facts=len(comparison.facts),
        states=comparison.state_rows,
        difference=difference,
    )


def show(log: str, shard: str, stored: Entry | None) -> bytes | None:
    """Return the envelope of an entry, or its bare text if it was changed beyond that."""
    try:
        return entry_envelope(log, shard, stored) if stored else None
    except KeyError:  # No event has its type.
        return repr(stored).encode()


async def with_cause(snapshot: Snapshot, difference: Difference) -> Difference:
    """Return a difference with the envelope of its cause, if the cause is a row."""
    log, _, rest = difference.cause.partition("/")
    shard, _, position = rest.rpartition("/")
    if log in WRITER and position.isdecimal():
        async for entries in snapshot.entries(log, shard, int(position), int(position) - 1):
            cause = show(log, shard, entries[0]) or b""
            return replace(difference, cause=cause.decode())
    return difference


async def facts_difference(snapshot: Snapshot, comparison: DistrictComparison) -> Finding | None:
    """Return the first fact that differs from the fold, or what contradicts their time zone."""
    district = comparison.district
    zone = await snapshot.zone(district)
    if comparison.zone and zone != comparison.zone:
        because = f"months are counted in {zone}; the policies in force say {comparison.zone}"
        return Contradiction("facts", 0, because)
    return compare_facts(comparison.facts, await snapshot.facts(district))


def compare_facts(folded: Mapping[Key, Fact], stored: Mapping[Key, bytes]) -> Difference | None:
    """Return the first fact that differs from the fold."""
    ours = {key: encode_fact(fact) for key, fact in folded.items()}
    for place, key in enumerate(sorted(ours.keys() | stored.keys()), start=1):
        if ours.get(key) != stored.get(key):
            cause = f"case {key.case}, episode {key.episode}, worker {key.worker}"
            return Difference("facts", place, ours.get(key), stored.get(key), cause)
    return None
