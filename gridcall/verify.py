"""verify: one thread folds intake's log again and compares what the services made of it.

Rows of the stages' logs and facts of assessment are compared byte for byte. No store is involved.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from assessment.core.facts import Fact, Key, merge_into
from assessment.store import encode_fact
from eventlog.codec import Entry, entry, entry_envelope, row_of
from eventlog.core.row import Progress, Row
from eventlog.core.stage import Stage
from events.errors import Halted
from events.topology import WRITER
from gridcall.pipeline import pipeline
from gridcall.snapshot import DOWNSTREAM, Snapshot, open_snapshot


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place at which a log differs from the fold: envelopes, None where a row is missing.

    Of facts, `position` is the place of the fact's key in the order of keys.
    """

    log: str
    position: int
    folded: bytes | None
    stored: bytes | None
    cause: str

    def __str__(self) -> str:
        sides = (("the fold has", self.folded), ("stored is", self.stored))
        lines = (f"  {name:13} {body.decode() if body else 'nothing'}" for name, body in sides)
        return "\n".join(
            (
                f"{self.log} differs at position {self.position}",
                *lines,
                f"  caused by     {self.cause}",
            )
        )

    def as_json(self) -> dict[str, Any]:
        """Return the fields for `gridcall verify --json`."""
        sides = {"folded": self.folded, "stored": self.stored}
        return {"log": self.log, "position": self.position, "cause": self.cause} | {
            name: body and json.loads(body) for name, body in sides.items()
        }


@dataclass(frozen=True, slots=True)
class Verified:
    """The comparison of a district: how much was compared, and the first difference."""

    district: str
    inputs: int
    rows: int
    facts: int
    difference: Difference | None


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
        self.difference: Difference | None = None
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

    async def _next(self) -> Entry | None:
        if not self._next_entries:
            self._next_entries = list(reversed(await anext(self._stored, [])))
        return self._next_entries.pop() if self._next_entries else None

    def _describe(self, ours: Entry | None, theirs: Entry | None) -> Difference:
        folded, stored = (
            entry_envelope(self.log, self.shard, side) if side else None for side in (ours, theirs)
        )
        either = ours or theirs
        assert either is not None
        return Difference(self.log, self.rows + 1, folded, stored, either.cause)


class DistrictComparison:
    """The fold of one district: its stages, and the logs and facts that it is compared with."""

    def __init__(self, district: str, contents: Mapping[str, bytes]) -> None:
        self.district = district
        self.routing, self.escalation = (each.make(district) for each in pipeline(contents))
        self.facts: dict[Key, Fact] = {}
        self.cases: LogComparison
        self.calls: LogComparison

    async def open(self, snapshot: Snapshot) -> None:
        """Begin to read the stored logs of the district."""
        merged = await snapshot.merged_positions(self.district)

        def observe(row: Row) -> None:
            if row.position <= merged.get(row.log, 0):
                merge_into(self.facts, (row,))

        async def comparison(log: str) -> LogComparison:
            progress, last = await snapshot.progress(log, self.district)
            stored = snapshot.entries(log, self.district)
            return LogComparison(log, self.district, progress, last, stored, observe)

        self.cases, self.calls = await comparison("cases"), await comparison("calls")

    @property
    def difference(self) -> Difference | None:
        """Return the first difference of a log."""
        return self.cases.difference or self.calls.difference

    async def apply(self, inputs: list[Entry]) -> None:
        """Fold inputs through both stages, and compare the rows."""
        folded = self.routing.apply([row_of("intake", self.district, each) for each in inputs])
        await self.cases.compare(folded)
        read = [row for row in folded if row.position <= self.calls.progress.input]
        await self.calls.compare(self.escalation.apply(read))

    async def finish(self) -> None:
        """Let time pass for both stages."""
        await self.cases.finish(self.routing)
        await self.calls.finish(self.escalation)


async def verify_district(
    snapshot: Snapshot, district: str, progress: Callable[[int], None] = lambda inputs: None
) -> Verified:
    """Fold a district's inputs again, and compare. Ends at the first difference."""
    comparison = DistrictComparison(district, await snapshot.contents())
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
    if difference:
        difference = await with_cause(snapshot, difference)
    else:
        difference = compare_facts(comparison.facts, await snapshot.facts(district))
    rows = comparison.cases.rows + comparison.calls.rows
    return Verified(district, comparison.routing.input, rows, len(comparison.facts), difference)


async def with_cause(snapshot: Snapshot, difference: Difference) -> Difference:
    """Return a difference with the envelope of its cause, if the cause is a row."""
    log, _, rest = difference.cause.partition("/")
    shard, _, position = rest.rpartition("/")
    if log in WRITER:
        async for entries in snapshot.entries(log, shard, int(position), int(position) - 1):
            return replace(difference, cause=entry_envelope(log, shard, entries[0]).decode())
    return difference


def compare_facts(folded: Mapping[Key, Fact], stored: Mapping[Key, bytes]) -> Difference | None:
    """Return the first fact that differs from the fold."""
    ours = {key: encode_fact(fact) for key, fact in folded.items()}
    for place, key in enumerate(sorted(ours.keys() | stored.keys()), start=1):
        if ours.get(key) != stored.get(key):
            cause = f"case {key.case}, episode {key.episode}, worker {key.worker}"
            return Difference("facts", place, ours.get(key), stored.get(key), cause)
    return None


async def verify(
    url: str,
    districts: tuple[str, ...] = (),
    progress: Callable[[int], None] = lambda inputs: None,
    service_databases: Mapping[str, str] = MappingProxyType({}),
) -> list[Verified]:
    """Verify districts of a database, all if none is named, as they are at one instant of it.

    `service_databases` has the URLs of services with a database of their own.
    """
    async with open_snapshot(url, service_databases) as snapshot:
        chosen = districts or await snapshot.districts()
        for name in chosen:
            if not await snapshot.has_begun(name):
                options = " ".join(f"--service-database {service}=URL" for service in DOWNSTREAM)
                raise Halted(
                    f"routing has nothing of {name} here: it has not begun, or the stages have "
                    f"databases of their own: gridcall verify {options}"
                )
        return [await verify_district(snapshot, name, progress) for name in chosen]
