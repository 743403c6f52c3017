"""simulate on Postgres: the services' own runtime, in a database of its own, which is left behind and can be gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from escalation.decider import Escalation
from events.bell import Bell
from events.catalogue import Instant
from events.database import Database, connected, remark, remark_on
from events.errors import CannotGoOn
from events.postgres import PostgresLog
from events.row import Draft
from events.runtime import Keeper, Runner
from events.stage import Stage
from gridcall.apart import TablesApart
from gridcall.contents import Contents, keep, stored
from gridcall.services import prepare
from gridcall.simulate import BATCH
from routing.decider import Routing
from routing.library import ContentLibrary
from routing.locate import Locator

ROOM = 8  # How many batches a log may be ahead of its reader.
FINISHED = " finished"
SHOWN = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")


class Tabled:
    """Routing and escalation follow intake's log in their own time; the tables' process reads the three logs by itself."""

    def __init__(self, url: str, database: Database, district: str, reader: TablesApart, batch: int) -> None:
        self.district = district
        self.contents = Contents(stored(database))
        self._url = url
        self._database = database
        self._reader = reader
        self._bell = Bell()
        self._batch = batch
        self.intake, self.cases, self.calls = (
            PostgresLog(name, database, self._bell, "simulate") for name in ("intake", "cases", "calls")
        )
        library = ContentLibrary(self.contents)
        locator = Locator(library)
        self._routing = Keeper(
            district,
            self.cases,
            self._bell,
            lambda: Runner(
                Stage(Routing(district, library), district, locator), self.intake, self.cases, batch, self.contents.fetch
            ),
        )
        self._escalation = Keeper(
            district, self.calls, self._bell, lambda: Runner(Stage(Escalation(), district), self.cases, self.calls, batch)
        )
        self._tasks = [asyncio.create_task(self._routing.run()), asyncio.create_task(self._escalation.run())]

    async def adopt(self, drafts: Sequence[Draft], contents: Mapping[str, bytes]) -> int:
        fed = (await self.intake.watermark(self.district)).pos
        if fed == 0:
            await keep(self._database, contents)
            await self.intake.append(self.district, drafts)
        return max(0, fed - len(drafts))

    async def feed(self, drafts: Sequence[Draft]) -> None:
        rows = await self.intake.append(self.district, drafts)
        await self._until(self._routing, rows[-1].pos - ROOM * self._batch)
        await self._until(self._escalation, self.cases.last(self.district) - ROOM * self._batch)
        self._look()

    async def announce(self, w: Instant) -> None:
        await self.intake.announce(self.district, w)

    async def settled(self) -> Instant:
        w = (await self.intake.watermark(self.district)).w
        await self._passed(self.cases, w)
        await self._passed(self.calls, w)
        self._look()
        return w

    async def _passed(self, log: PostgresLog, w: Instant) -> None:
        """Wait until time has passed in a log up to `w`."""
        heard = self._bell.count(log.name, self.district)
        while (await log.watermark(self.district)).w < w:
            self._check()
            await self._bell.wait(log.name, self.district, heard, 1.0)
            heard = self._bell.count(log.name, self.district)

    async def _until(self, keeper: Keeper[Any, Any], pos: int) -> None:
        """Wait until a stage has read up to a position."""
        while True:
            heard = self._bell.count(keeper.sink.name, self.district)
            self._check()
            if keeper.runner and keeper.runner.stage.input >= pos:
                return
            await self._bell.wait(keeper.sink.name, self.district, heard, 1.0)

    def _check(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()
        if because := self._routing.stopped_because or self._escalation.stopped_because:
            raise CannotGoOn(because)

    def _look(self) -> None:
        """Let the tables follow, up to what is committed: a later log is looked at first, so that it has its causes."""
        heads = {log.name: log.last(self.district) for log in (self.calls, self.cases, self.intake)}
        self._reader.look(self._url, self.district, heads)

    async def stored(self) -> str:
        """Where it is kept, under which commit settings, and what may be asked of it."""
        settings = [f"{name} {(await self._database.fetch(f'SHOW {name}'))[0][0]}" for name in SHOWN]
        name = (await self._database.fetch("SELECT current_database()"))[0][0]
        return f"committed to database {name} with {', '.join(settings)}; check it: gridcall verify --database {name}"

    async def close(self) -> None:
        """Stop the stages, and let their shards go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def tabled(url: str, name: str, district: str, reader: TablesApart, batch: int = BATCH) -> AsyncIterator[Tabled]:
    """The pipeline in a database, which goes on where a run of this name was stopped, and begins anew for any other."""
    said = await remark_on(url)
    await prepare(url, anew=said != name)
    await remark(url, name)
    async with connected(url) as database:
        pipeline = Tabled(url, database, district, reader, batch)
        try:
            yield pipeline
            await remark(url, name + FINISHED)
        finally:
            await pipeline.close()
