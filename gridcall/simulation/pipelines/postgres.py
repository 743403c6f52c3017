"""simulate on Postgres: the services' own runtime, in databases of its own, which are left behind and can be gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from eventlog.core.row import Draft
from eventlog.kafka.administration import apply, remove
from eventlog.kafka.relay import count_unpublished
from eventlog.kafka.topics import Cluster, log_topics
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.migrate import database_comment, set_database_comment
from eventlog.postgres.pool import Database, listen, open_database
from eventlog.supervisor import ShardSupervisor
from events.errors import Halted
from events.instants import Instant
from events.topology import STAGES, WRITER
from gridcall.host.migrations import prepare
from gridcall.pipeline import pipeline
from gridcall.simulation.driver import BATCH
from gridcall.simulation.local_cluster import Processes, Tasks, folder_of
from gridcall.simulation.report_worker import ReportWorker
from intake.store import IntakeStore
from routing.contents import Contents

ROOM = 6  # How many batches a log may be ahead of its reader: what was written last is still at hand (TAIL_ROWS).
ROOM_APART = (
    30  # The same over Kafka, where a batch is on its way for longer than it takes to decide.
)
FINISHED = " finished"
SHOWN = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
LOGS = ("intake", "cases", "calls")
Logs = Mapping[str, PostgresLog]


class Tabled:
    """The stages follow intake's log in their own time; the tables' process reads the first three logs by itself.

    `logs`, each after the one that it follows, may lie in one database or in several, whose URLs `urls` has; `stages` are
    whoever runs the services behind intake's log; `room` is how many rows a log may be ahead of its reader.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        logs: Logs,
        district: str,
        reader: ReportWorker,
        stages: Tasks,
        room: int,
    ) -> None:
        self.district = district
        self.stages = stages
        self._urls = urls
        self._logs = logs
        self._reader = reader
        self._room = room
        self.intake, self.cases, self.calls = (logs[name] for name in LOGS)

    async def adopt(self, drafts: Sequence[Draft], contents: Mapping[str, bytes]) -> int:
        fed = (await self.intake.watermark(self.district)).position
        if fed == 0:
            await IntakeStore(self.intake.database).add_contents(contents)
            await self.intake.append(self.district, drafts)
        return max(0, fed - len(drafts))

    async def feed(self, drafts: Sequence[Draft]) -> None:
        """Accept inputs while those before them are followed."""
        await asyncio.gather(self.intake.append(self.district, drafts), self._caught_up())

    async def _caught_up(self) -> None:
        """Wait until no log is far behind the one before it, and let the tables look."""
        for log, before in ((self.cases, self.intake), (self.calls, self.cases)):
            await self._follows(log, (await before.watermark(self.district)).position)
        await self._look()

    async def announce(self, watermark: Instant) -> None:
        await self.intake.announce(self.district, watermark)

    async def settled(self) -> Instant:
        watermark = (await self.intake.watermark(self.district)).watermark
        for log in list(self._logs.values())[1:]:
            async for _ in self._moves(log):
                if (await log.progress(self.district)).watermark >= watermark:
                    break
        await self._look()
        return watermark

    async def published(self) -> None:
        """Wait until all that is committed lies on the topics too. No commit waits for its relay."""
        for log in self._logs.values():
            while await count_unpublished(log, self.district):
                self.stages.check()
                await asyncio.sleep(0.05)  # A relay tells nobody how far it is.

    async def _follows(self, log: PostgresLog, head: int) -> None:
        """Wait until a stage is not much behind the log that it reads, which ends at `head`."""
        async for _ in self._moves(log):
            if (await log.progress(self.district)).input >= head - self._room:
                break

    async def _moves(self, log: PostgresLog) -> AsyncIterator[None]:
        """Now, and whenever something moves in a log. Raises what has stopped the stages."""
        while True:
            heard = log.notifier.count(log.name, self.district)
            self.stages.check()
            yield
            await log.notifier.wait(log.name, self.district, heard, 1.0)

    async def _look(self) -> None:
        """Let the tables follow, up to what is committed: a later log is looked at first, so that it has its causes."""
        heads = {
            name: (await self._logs[name].watermark(self.district)).position
            for name in reversed(LOGS)
        }
        self._reader.read_from({name: self._urls[name] for name in LOGS}, self.district, heads)

    async def stored(self) -> str:
        """Where it is kept, under which commit settings, and what may be asked of it."""
        shown = self.intake.database.fetch
        settings = [f"{name} {(await shown(f'SHOW {name}'))[0][0]}" for name in SHOWN]
        name = (await shown("SELECT current_database()"))[0][0]
        apart = [
            f" --service-database {WRITER[log]}='{url}'"
            for log, url in self._urls.items()
            if url != self._urls["intake"]
        ]
        return f"committed to {name} with {', '.join(settings)}; check it: gridcall verify --database {name}{''.join(apart)}"


class Keepers(Tasks):
    """Routing and escalation in this process."""

    def __init__(self, logs: Logs, district: str, batch: int) -> None:
        super().__init__()
        contents = Contents(IntakeStore(logs["intake"].database).contents)
        self.keepers = [
            ShardSupervisor(
                district,
                logs[stages.sink],
                logs[stages.sink].notifier,
                partial(stages.processor, district, logs, batch),
            )
            for stages in pipeline(contents, contents.fetch)
        ]
        for keeper in self.keepers:
            self.start(keeper.run())

    def check(self) -> None:
        super().check()
        for keeper in self.keepers:
            if keeper.halted_because:
                raise Halted(keeper.halted_because)


@asynccontextmanager
async def tabled(
    url: str, name: str, district: str, reader: ReportWorker, batch: int = BATCH
) -> AsyncIterator[Tabled]:
    """The pipeline in a database, which goes on where a run of this name was stopped, and begins anew for any other."""
    urls = dict.fromkeys(LOGS, url)
    await prepare(url, anew=await database_comment(url) != name)
    async with named(url, name), open_database(url) as database:
        notifier = Notifier()
        logs = {log: PostgresLog(log, WRITER[log], database, notifier, "simulate") for log in LOGS}
        async with Keepers(logs, district, batch) as keepers:
            yield Tabled(urls, logs, district, reader, keepers, ROOM * batch)


@asynccontextmanager
async def over_kafka(
    urls: Mapping[str, str],
    cluster: Cluster,
    replicas: int,
    name: str,
    district: str,
    reader: ReportWorker,
    batch: int = BATCH,
) -> AsyncIterator[Tabled]:
    """The pipeline in a process and a database for each service, `urls`, and its replicas; they read each other over Kafka."""
    anew = await database_comment(urls["intake"]) != name
    for service in WRITER.values():
        await prepare(urls[service], services=(service,), anew=anew)
    topics = log_topics(cluster, LOGS, 1)
    if anew:
        await remove(cluster, topics)
    await apply(cluster, topics)
    notifier = Notifier()
    async with named(urls["intake"], name), AsyncExitStack() as stack:
        logs: dict[str, PostgresLog] = {}
        for log in (*LOGS, "evaluations"):
            database: Database = await stack.enter_async_context(open_database(urls[WRITER[log]]))
            logs[log] = PostgresLog(log, WRITER[log], database, notifier, "simulate")
        processes = await stack.enter_async_context(
            Processes(folder_of(cluster.prefix, anew), cluster, urls, replicas)
        )
        for stage in STAGES:
            processes.start(listen(urls[stage.name], notifier))
        pipeline = Tabled(
            {log: urls[WRITER[log]] for log in logs},
            logs,
            district,
            reader,
            processes,
            ROOM_APART * batch,
        )
        yield pipeline
        await pipeline.published()


@asynccontextmanager
async def named(url: str, name: str) -> AsyncIterator[None]:
    """A database that says which run is in it, and in the end that it is finished."""
    await set_database_comment(url, name)
    yield
    await set_database_comment(url, name + FINISHED)
