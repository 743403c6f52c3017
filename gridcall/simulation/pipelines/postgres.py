"""simulate on Postgres: the stages follow logs in a database that can be continued and verified."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from eventlog.core.row import Draft, Sender
from eventlog.leases import SharedLeases
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.migrate import database_comment, set_database_comment
from eventlog.postgres.pool import open_database
from eventlog.supervisor import ShardSupervisor
from events.errors import Halted
from events.instants import Instant
from events.topology import LOGS, STAGES, WRITER
from gridcall.host.migrations import prepare
from gridcall.pipeline import SIMULATE, pipeline
from gridcall.simulation.background_tasks import BackgroundTasks
from gridcall.simulation.driver import BATCH
from gridcall.simulation.report_worker import ReportWorker
from gridcall.simulation.reports.reader import LOGS as REPORTED
from intake.store import IntakeStore
from routing.contents import Contents

BATCHES_AHEAD = 6  # Of a log before its reader: rows written last are still at hand (TAIL_ROWS).
LOOK_SECONDS = 1.0
FINISHED = " finished"
COMMIT_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
SENDER = Sender(SIMULATE, SIMULATE)  # Of all inputs: their events name the city's source.
Logs = Mapping[str, PostgresLog]


class StoredPipeline:
    """The stages follow intake's log in their own time. A worker reads the logs by itself.

    `logs`, each after the one that it follows, are in one database or in several, whose URLs are
    in `urls`. `stages` are the tasks that run the stages. A log may be `rows_ahead` of its reader.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        logs: Logs,
        district: str,
        reader: ReportWorker,
        stages: BackgroundTasks,
        rows_ahead: int,
    ) -> None:
        self.district = district
        self.stages = stages
        self._urls = urls
        self._logs = logs
        self._reader = reader
        self._rows_ahead = rows_ahead
        self.intake = logs["intake"]

    async def begin(self, drafts: Sequence[Draft], contents: Mapping[str, bytes]) -> int:
        fed = (await self.intake.watermark(self.district)).position
        if fed == 0:
            store = IntakeStore(self.intake.database)
            await store.add_district(self.district)
            await store.add_contents(contents)
            await self.intake.append(self.district, drafts, SENDER)
        return max(0, fed - len(drafts))

    async def feed(self, drafts: Sequence[Draft]) -> None:
        """Accept inputs while the stages follow the earlier ones."""
        accepting = self.intake.append(self.district, drafts, SENDER)
        await asyncio.gather(accepting, self._wait_for_stages())

    async def _wait_for_stages(self) -> None:
        """Wait until no log is far behind the one that it reads, and let the reports follow.

        A log that is merged from several is not waited for: its last rows need a later input.
        """
        for stage in STAGES:
            if len(stage.inputs) == 1:
                head = (await self._logs[stage.inputs[0]].watermark(self.district)).position
                await self._wait_for(self._logs[stage.log or ""], head)
        await self._read_reports()

    async def announce(self, watermark: Instant) -> None:
        await self.intake.announce(self.district, watermark)

    async def settle(self) -> Instant:
        watermark = (await self.intake.watermark(self.district)).watermark
        for log in list(self._logs.values())[1:]:
            async for _ in self._changes(log):
                if (await log.progress(self.district)).watermark >= watermark:
                    break
        await self._read_reports()
        return watermark

    async def _wait_for(self, log: PostgresLog, head: int) -> None:
        """Wait until a stage is not far behind the log that it reads, which ends at `head`."""
        async for _ in self._changes(log):
            if (await log.progress(self.district)).input >= head - self._rows_ahead:
                break

    async def _changes(self, log: PostgresLog) -> AsyncIterator[None]:
        """Yield now and at each change of a log. Raises the fault that stopped the stages."""
        while True:
            count = log.notifier.count(log.name, self.district)
            self.stages.check()
            yield
            await log.notifier.wait(log.name, self.district, count, LOOK_SECONDS)

    async def _read_reports(self) -> None:
        """Let the reports follow. A later head is read first, so that its causes are there."""
        heads = {
            name: (await self._logs[name].watermark(self.district)).position
            for name in reversed(REPORTED)
        }
        self._reader.read_from({name: self._urls[name] for name in REPORTED}, self.district, heads)

    async def describe_storage(self) -> str:
        fetch = self.intake.database.fetch
        settings = [f"{name} {(await fetch(f'SHOW {name}'))[0][0]}" for name in COMMIT_SETTINGS]
        name = (await fetch("SELECT current_database()"))[0][0]
        options = [
            f" --service-database {WRITER[log]}='{url}'"
            for log, url in self._urls.items()
            if url != self._urls["intake"]
        ]
        return (
            f"committed to {name} with {', '.join(settings)}; "
            f"check it: gridcall verify --database {name}{''.join(options)}"
        )


class StageTasks(BackgroundTasks):
    """The stages in this process."""

    def __init__(self, logs: Logs, district: str, batch: int) -> None:
        super().__init__()
        contents = Contents(IntakeStore(logs["intake"].database).contents)
        self.supervisors: list[ShardSupervisor] = []
        for stages in pipeline(contents, contents.fetch):
            sink, make = logs[stages.sink], partial(stages.processor, district, logs, batch)
            leases = SharedLeases(sink, sink.notifier)
            supervisor = ShardSupervisor(district, sink, sink.notifier, make, leases)
            self.supervisors.append(supervisor)
            self.start(leases.run())
            self.start(supervisor.run())

    def check(self) -> None:
        super().check()
        for supervisor in self.supervisors:
            if supervisor.halted_because:
                raise Halted(supervisor.halted_because)


@asynccontextmanager
async def open_stored_pipeline(
    url: str, run: str, district: str, reader: ReportWorker, batch: int = BATCH
) -> AsyncIterator[StoredPipeline]:
    """Open the pipeline in a database, which continues a stopped run of the same name."""
    urls = dict.fromkeys(LOGS, url)
    await prepare(url, forget=await database_comment(url) != run)
    async with remark_run(url, run), open_database(url) as database:
        notifier = Notifier()
        logs = {log: PostgresLog(log, WRITER[log], database, notifier, SIMULATE) for log in LOGS}
        async with StageTasks(logs, district, batch) as stages:
            yield StoredPipeline(urls, logs, district, reader, stages, BATCHES_AHEAD * batch)


@asynccontextmanager
async def remark_run(url: str, run: str) -> AsyncIterator[None]:
    """Remark on a database which run is in it, and at the end that the run is finished."""
    await set_database_comment(url, run)
    yield
    await set_database_comment(url, run + FINISHED)
