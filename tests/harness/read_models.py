"""A district whose logs are in memory and whose read models are in a database."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft, Row
from eventlog.notifier import Notifier
from eventlog.postgres.pool import Database, open_database
from events import catalogue as e
from events.instants import Instant
from screen.core.case_file import LOGS
from screen.follower import Follower
from screen.store import ListStore, ModelStore, PageStore, StoredModel
from screen.tracking import ScreenTracker
from tests.harness.city import DAY
from tests.harness.histories import drafts_of, run

CITY = "city"
CHANCE = random.Random(17)
NAMES = [f"{number:032x}" for number in range(12)]


@dataclass
class ScreenWorld:
    """The logs of a city, and followers of it in one database."""

    database: Database
    logs: dict[str, Any] = field(default_factory=lambda: {name: MemoryLog(name) for name in LOGS})

    def follower(self, owner: str = "a", models: ModelStore | None = None) -> Follower:
        """Return a follower as a process of its own has it."""
        models, pages = models or ModelStore(self.database, owner), PageStore(self.database)
        return Follower(CITY, self.logs, Notifier(), 60.0, models, pages)

    async def live_models(self) -> list[int]:
        """Return the models that pages read, by their ids."""
        return [model.id for model in await self.models() if model.state == "live"]

    async def models(self) -> Sequence[StoredModel]:
        """Return the models of the city."""
        return await ModelStore(self.database, "").models(CITY)

    @property
    def lists(self) -> ListStore:
        """Return the lists."""
        return ListStore(self.database)

    def tracker(self, follower: Follower) -> ScreenTracker:
        """Return the tracker of a follower."""
        return ScreenTracker({CITY: follower}, self.lists)

    async def write(self, drafts: Sequence[Draft], rows: Sequence[Row]) -> None:
        """Write inputs, and the rows that the stages made of them."""
        await self.logs["intake"].append(CITY, drafts)
        for name in LOGS[1:]:
            await self.logs[name].commit(CITY, [row for row in rows if row.log == name])

    async def cut(
        self, drafts: Sequence[Draft], rows: Sequence[Row], lengths: Mapping[str, int]
    ) -> None:
        """Cut each log back to a length, then write the rows of this history that follow."""
        for name, log in self.logs.items():
            del log._shard(CITY).rows[lengths[name] :]
        known = [row for row in rows if row.log in lengths]
        later = [row for row in known if row.position > lengths[row.log]]
        await self.write(drafts[lengths["intake"] :], later)

    async def announce(self, time: Instant) -> None:
        """Let time pass in all logs."""
        for log in self.logs.values():
            await log.announce(CITY, time)

    async def tables(self) -> dict[str, list[Any]]:
        """Return the rows of the models that are not dropped, without what differs by commits."""
        contents = {}
        for table, columns in SHOWN.items():
            records = await self.database.fetch(
                f"SELECT {columns} FROM screen.{table} WHERE model IN "
                "(SELECT id FROM screen.model WHERE state <> 'dropped') ORDER BY 1, 2, 3, 4"
            )
            contents[table] = [tuple(record) for record in records]
        return contents


FIGURES = "accepted, open, ended, overdue, calling, queued, parked, street_calls, district_calls"
SHOWN = {
    "case_file": "id, line, reference, grid, due, accepted, ended, open, running, overdue, "
    "calling, queued, parked, file",
    "call": "id, case_id, level, due",
    "tally": f"of, code, {FIGURES}",
    "event": "ts, log, pos, start, name, case_id",
    "progress": "log, pos, input, ts",
}


@asynccontextmanager
async def screen_world(url: str) -> AsyncIterator[ScreenWorld]:
    """Open a world on a database."""
    async with open_database(url) as database:
        yield ScreenWorld(database)


async def follow_to_the_end(follower: Follower) -> None:
    """Look until everything that is there is stored."""
    while await follower.look():
        pass


def drafts_of_ended(*names: str) -> list[Draft]:
    """Return inputs by which these cases are reported and end."""
    claims = (e.PlaceClaim(by="grid", code="0101"),)
    reports = [
        e.IssueReported(
            issue=name, source="s", line="hotline", reference=name, category="Rubbish",
            urgency="normal", due=9 * DAY, claims=claims, rules=(),
        )
        for name in names
    ]  # fmt: skip
    ends = [
        e.EndedAtSource(action=f"{name}#", issue=name, outcome="closed", rules=()) for name in names
    ]
    inputs: list[Any] = [*reports, *ends]
    return [
        *drafts_of([], strict=False),
        *(Draft(DAY, str(number), event) for number, event in enumerate(inputs)),
    ]


def history() -> list[Draft]:
    """Return inputs of a busy city: cases on all lines, visits, ends, and silent grids."""
    inputs: list[tuple[int, Any]] = []
    for number, name in enumerate(NAMES):
        line = e.LINES[number % len(e.LINES)]
        inputs.append((DAY // 4, report(name, line, number)))
        if number % 3 == 0:
            visit = e.VisitMade(action="x", issue=NAMES[CHANCE.randrange(number + 1)], by="ann")
            inputs.append((DAY // 8, visit))
        if number % 4 == 1:
            end = e.EndedAtSource(action="x", issue=name, outcome="closed", rules=())
            inputs.append((DAY // 8, end))
    return drafts_of(inputs, strict=False)


def report(name: str, line: Any, number: int) -> e.IssueReported:
    """Return the report of a case."""
    code = ("0101", "0102", "nowhere")[number % 3]
    due = None if number % 5 == 4 else (number + 2) * DAY // 2
    return e.IssueReported(
        issue=name, source="s", line=line, reference=f"R-{number:03}", category="Rubbish",
        urgency="normal", due=due, claims=(e.PlaceClaim(by="grid", code=code),), rules=(),
    )  # fmt: skip


DRAFTS = history()
ROWS = run(DRAFTS)
ENDED = drafts_of_ended("a")
ROWS_OF_ENDED = run(ENDED)
