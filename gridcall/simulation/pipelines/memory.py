"""simulate without any store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eventlog.codec import entry
from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft
from events.instants import Instant
from gridcall.pipeline import pipeline
from gridcall.simulation.driver import BATCH
from gridcall.simulation.results import EntryReader

REPORTS = "tables"


class MemoryPipeline:
    """The pipeline in memory. A log forgets rows that all its readers have."""

    def __init__(self, district: str, reader: EntryReader, batch: int = BATCH) -> None:
        self.district = district
        self.intake = MemoryLog("intake", readers=("cases", REPORTS))
        self.cases = MemoryLog("cases", readers=("calls", REPORTS))
        self.calls = MemoryLog("calls", readers=(REPORTS,))
        self._contents: dict[str, bytes] = {}
        self._logs = {log.name: log for log in (self.intake, self.cases, self.calls)}
        self.routing, self.escalation = (
            stages.processor(district, self._logs, batch) for stages in pipeline(self._contents)
        )
        self._reader = reader
        self._positions = dict.fromkeys(self._logs, 0)

    async def begin(self, drafts: Sequence[Draft], contents: Mapping[str, bytes]) -> int:
        self._contents.update(contents)
        await self.feed(drafts)
        return 0

    async def feed(self, drafts: Sequence[Draft]) -> None:
        await self.intake.append(self.district, drafts)
        await self._follow()

    async def announce(self, watermark: Instant) -> None:
        await self.intake.announce(self.district, watermark)
        await self._follow()

    async def settle(self) -> Instant:
        return self.escalation.stage.watermark

    async def _follow(self) -> None:
        await self.routing.catch_up()
        await self.escalation.catch_up()
        self.intake.acknowledge("cases", self.district, self.routing.stage.input)
        self.cases.acknowledge("calls", self.district, self.escalation.stage.input)
        for log in self._logs.values():
            rows = await log.read(self.district, self._positions[log.name], 2**63)
            self._reader.read(log.name, self.district, [entry(row) for row in rows])
            self._positions[log.name] += len(rows)
            log.acknowledge(REPORTS, self.district, self._positions[log.name])
