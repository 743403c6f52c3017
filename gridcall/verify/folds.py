"""The fold: intake's log through the pure stages, beside what the services have stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
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
from events.topology import WRITER
from gridcall.pipeline import pipeline
from gridcall.snapshot import Snapshot
from gridcall.verify.differences import Contradiction, Difference, Finding


@dataclass(frozen=True, slots=True)
class Folded:
    """The fold of a district: how much was compared, and the first difference."""

    inputs: int
    rows: int
    facts: int
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

    async def finish(self, stage: Stage[Any, Any]) -> None:
        """Let time pass as far as it did for the stage. Then nothing more may be stored.

        At the stage's last input, perhaps no watermark has passed yet. Clocks that were overdue
        when they started fire with the next one.
        """
        if stage.watermark < self.progress.watermark or self.rows < self._last:
            await self.compare(stage.advance_time(self.progress.watermark))
        if not self.difference and (surplus := await self._next()):
            self.difference = self._describe(None, surplus)
        self.difference = self.difference or self._end_fault(stage)

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
        self.routing, self.escalation = (each.make(district) for each in pipeline(contents))
        self.facts: dict[Key, Fact] = {}
        self.zone: str | None = None  # In force where facts are merged up to.
        self.no_event: Contradiction | None = None
        self.cases: LogComparison
        self.calls: LogComparison

    async def open(self, snapshot: Snapshot) -> None:
        """Begin to read the stored logs of the district."""
        merged = await snapshot.merged_positions(self.district)

        def observe(folded: Row) -> None:
            row = newest(folded)
            if row.position <= merged.get(row.log, 0):
                merge_into(self.facts, (row,))
                if row.log == "cases" and isinstance(row.event, PoliciesAdopted):
                    self.zone = row.event.zone

        async def comparison(log: str) -> LogComparison:
            progress, last = await snapshot.progress(log, self.district)
            stored = snapshot.entries(log, self.district)
            return LogComparison(log, self.district, progress, last, stored, observe)

        self.cases, self.calls = await comparison("cases"), await comparison("calls")

    @property
    def difference(self) -> Finding | None:
        """Return the first difference of a log."""
        return self.no_event or self.cases.difference or self.calls.difference

    async def apply(self, inputs: list[Entry]) -> None:
        """Fold inputs through both stages, and compare the rows."""
        rows = []
        for each in inputs:
            try:
                rows.append(require_known(row_of("intake", self.district, each)))
            except (*NO_EVENT, Outdated) as fault:
                because = f"no event of gridcall is there: {fault}"
                self.no_event = Contradiction("intake", each.position, because)
                return
        folded = self.routing.apply(rows)
        await self.cases.compare(folded)
        read = [row for row in folded if row.position <= self.calls.progress.input]
        await self.calls.compare(self.escalation.apply(read))
        if sentence := self.routing.blocked or self.escalation.blocked:
            raise Outdated(sentence)

    async def finish(self) -> None:
        """Let time pass for both stages."""
        await self.cases.finish(self.routing)
        await self.calls.finish(self.escalation)


async def fold_district(
    snapshot: Snapshot,
    district: str,
    contents: Mapping[str, bytes],
    progress: Callable[[int], None] = lambda inputs: None,
) -> Folded:
    """Fold a district's inputs again, and compare. Ends at the first difference."""
    comparison = DistrictComparison(district, contents)
    await comparison.open(snapshot)
    last_input = comparison.cases.progress.input
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
    difference = difference or await facts_difference(snapshot, comparison)
    rows = comparison.cases.rows + comparison.calls.rows
    return Folded(comparison.routing.input, rows, len(comparison.facts), difference)


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
