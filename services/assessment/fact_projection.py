"""The facts of a district, projected from `cases` and `calls`.

The owner of the district's lease merges the next rows of a log, and records the position of that
log in the same statement. So no row is merged twice, even if a process dies or an answer is lost.
What is merged cannot be taken out again. If a log has become another generation, all facts are
forgotten and merged again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic

from assessment.core.facts import Fact, Key, merge_into
from assessment.store import Advance, FactStore
from eventlog.core.log import Source
from eventlog.core.row import Row
from eventlog.core.versions import foldable
from eventlog.postgres.log import PostgresLog
from events.catalogue import PoliciesAdopted
from httpedge.telemetry import batch_time

FEW = 1_000  # Rows: after fewer, the projection rests,
REST_SECONDS = 0.25  # because half of what comes meanwhile speaks of the same facts.
PART = 250  # Rows merged at once, so that other services of the process are not pending up.


class FactProjection:
    """Merges the rows of the logs of a district. `sink` is assessment's own log: its lease names
    the owner.
    """

    def __init__(
        self,
        district: str,
        logs: Sequence[Source],
        sink: PostgresLog,
        store: FactStore,
        batch: int,
    ) -> None:
        self.district = district
        self.logs = {each.name: each for each in logs}
        self.sink = sink
        self.batch = batch
        self.read = dict.fromkeys(self.logs, 0)
        self._store = store
        self._rests_until = 0.0

    async def replay(self) -> None:
        """Continue after what is merged; begin again if a log has become another generation."""
        generations = {
            name: (await log.generation(self.district)).number for name, log in self.logs.items()
        }
        stored = await self._store.merged_logs(self.district)
        if {name: each.generation for name, each in stored.items()} == generations:
            self.read = {name: stored[name].position for name in self.logs}
            return
        await self._store.restart(self.district, self._epoch, generations)
        self.read = dict.fromkeys(self.logs, 0)

    async def step(self) -> int:
        """Merge the next rows of both logs; return how many the longer batch had."""
        await asyncio.sleep(max(0.0, self._rests_until - monotonic()))
        batches = {
            name: await log.read(self.district, self.read[name], self.batch)
            for name, log in self.logs.items()
        }
        if any(batches.values()):
            with batch_time(self.sink.name, "merge"):
                await self._merge({name: foldable(rows) for name, rows in batches.items() if rows})
        most = max(map(len, batches.values()))
        self._rests_until = monotonic() + REST_SECONDS if 0 < most < min(FEW, self.batch) else 0.0
        return most

    @property
    def _epoch(self) -> int:
        return self.sink.epoch(self.district)

    async def _merge(self, batches: Mapping[str, Sequence[Row]]) -> None:
        """Merge batches of rows, at most one of each log, in one statement."""
        facts: dict[Key, Fact] = {}
        for rows in batches.values():
            for start in range(0, len(rows), PART):
                merge_into(facts, rows[start : start + PART])
                await asyncio.sleep(0)
        advances = [
            Advance(name, after, batches[name][-1].position, last_zone(batches[name]))
            if name in batches
            else Advance(name, after, after, None)
            for name, after in self.read.items()
        ]
        await self._store.merge(self.district, self._epoch, advances, facts)
        self.read |= {advance.log: advance.position for advance in advances}


def last_zone(rows: Sequence[Row]) -> str | None:
    """Return the zone of the policies that these rows adopt last, if any."""
    zones = (row.event.zone for row in reversed(rows) if isinstance(row.event, PoliciesAdopted))
    return next(zones, None)
