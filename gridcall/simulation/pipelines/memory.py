"""simulate without any store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eventlog.codec import entry
from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft
from events.instants import Instant
from gridcall.pipeline import pipeline
from gridcall.simulation.driver import BATCH
from gridcall.simulation.reports.reader import LOGS
from gridcall.simulation.results import EntryReader

REPORTS = "tables"


class MemoryPipeline:
    """The pipeline in memory. A log forgets rows that all its readers have."""

    def __init__(self, district: str, reader: EntryReader, batch: int = BATCH) -> None:
        self.district = district
        self.intake = MemoryLog("intake", readers=("cases", REPORTS))
        self.cases = MemoryLog("cases", readers=("calls", "evaluations", REPORTS))
        self.calls = MemoryLog("calls", readers=("evaluations", REPORTS))
        self.evaluations = MemoryLog("evaluations")
        self._contents: dict[str, bytes] = {}
        self._logs = {
            log.name: log for log in (self.intake, self.cases, self.calls, self.evaluations)
        }
        self.runners = [
            stages.processor(district, self._logs, batch) for stages in pipeline(self._contents)
        ]
        self._reader = reader
        self._positions = dict.fromkeys(LOGS, 0)

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
        return self.runners[-1].stage.watermark

    async def describe_storage(self) -> str:
        return "nothing is committed to a disk"

    async def _follow(self) -> None:
        for runner in self.runners:
            await runner.catch_up()
            for name, position in runner.read.items():
                self._logs[name].acknowledge(runner.sink.name, self.district, position)
        for name, position in self._positions.items():
            rows = await self._logs[name].read(self.district, position, 2**63)
            self._reader.read(name, self.district, [entry(row) for row in rows])
            self._positions[name] += len(rows)
            self._logs[name].acknowledge(REPORTS, self.district, self._positions[name])
