"""A world in memory, for rules of Python code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from assessment.core.facts import Key
from eventlog.codec import Entry, entry
from eventlog.core.log import Log, MemoryLog
from eventlog.core.row import Draft, Progress, Row, Watermark
from eventlog.postgres.states import StoredStates
from events.catalogue import (
    Event,
)
from events.errors import Unavailable
from events.instants import Instant
from gridcall.snapshot import Snapshot
from gridcall.verify.folds import fold_district
from tests.harness.city import CONTENTS
from tests.mutation.inputs import CITY, subject
from tests.mutation.world import ALL, STAGES, World
from tools.checker import examination
from tools.checker import rows as checker_rows
from tools.checker.report import Report, Violation


class FailingLog(MemoryLog):
    """A log in memory that fails on request, and knows the progress of its stage."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.applied = 0
        self.garble: Callable[[Sequence[Row]], Sequence[Row]] | None = None
        self.failing_commit = 0
        self.before_commit: Callable[[], Awaitable[None]] | None = None
        self._commits = 0

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        rows, garble = await super().read(shard, after, limit), self.garble
        if not (rows and garble):
            return rows
        self.garble = None
        return garble(rows)

    async def commit(self, shard: str, rows: Sequence[Row], passed: Progress | None = None) -> None:
        if before_commit := self.before_commit:
            self.before_commit = None
            await before_commit()
        self._commits += 1
        if self._commits == self.failing_commit:
            raise Unavailable("the log is away")
        await super().commit(shard, rows, passed)
        self.applied = passed.input if passed else rows[-1].input

    async def announce(self, shard: str, watermark: Instant, applied: int = 0) -> Watermark:
        self.applied = max(self.applied, applied)
        return await super().announce(shard, watermark, applied)

    async def all_rows(self) -> Sequence[Row]:
        return await super().read(CITY, 0, ALL)


class MemorySnapshot(Snapshot):
    """A snapshot of logs in memory, for verify."""

    def __init__(self, logs: dict[str, FailingLog]) -> None:
        self._logs = logs

    async def contents(self) -> dict[str, bytes]:
        return CONTENTS

    async def progress(self, log: str, shard: str) -> tuple[Progress, int]:
        position, watermark = await self._logs[log].watermark(shard)
        return Progress(self._logs[log].applied, watermark), position

    async def zone(self, shard: str) -> str | None:
        return None

    async def merged_positions(self, shard: str) -> dict[str, int]:
        return {}

    async def facts(self, shard: str) -> dict[Key, bytes]:
        return {}

    async def states(self, log: str, shard: str) -> StoredStates:
        return StoredStates(0, "", ())

    async def entries(
        self, log: str, shard: str, upto: int | None = None, after: int = 0
    ) -> AsyncIterator[list[Entry]]:
        if rows := (await self._logs[log].all_rows())[after:upto]:
            yield [entry(row) for row in rows]


class MemoryTables(checker_rows.Tables):
    """Tables of logs in memory, for the checker."""

    def __init__(self, logs: dict[str, FailingLog]) -> None:
        self._logs = logs

    async def head(self, log: str, shard: str) -> checker_rows.Head:
        position, time = await self._logs[log].watermark(shard)
        return checker_rows.Head(position, time, self._logs[log].applied)

    async def rows(self, log: str, shard: str) -> AsyncIterator[checker_rows.Row]:
        for row in await self._logs[log].all_rows():
            *columns, type_name, data = entry(row)
            yield checker_rows.Row._make(
                (
                    log,
                    shard,
                    *columns,
                    checker_rows.kind_of(type_name),
                    checker_rows.parse_data(data),
                )
            )


class InMemory(World):
    """A world for rules of Python code. It has no lease and no client."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__(patch)
        self.logs = {name: FailingLog(name) for name in ("intake", *STAGES)}

    def log(self, name: str, process: str) -> Log:
        return self.logs[name]

    async def come(self, at: Instant, *events: Event) -> None:
        await self.logs["intake"].append(
            CITY, [Draft(at, subject(event), event) for event in events]
        )

    async def announce(self, at: Instant) -> None:
        await self.logs["intake"].announce(CITY, at)

    async def try_lease(self, log: str, process: str) -> bool:
        return True

    async def expire(self, log: str) -> None:
        return

    async def compare_with_clients(self) -> None:
        return

    async def is_equal(self) -> bool:
        snapshot = MemorySnapshot(self.logs)
        return (await fold_district(snapshot, CITY, CONTENTS)).difference is None

    async def violations(self) -> Sequence[Violation]:
        report = Report()
        await examination.examine_shard(CITY, MemoryTables(self.logs), {}, report)
        return report.violations


@asynccontextmanager
async def in_memory(patch: pytest.MonkeyPatch, url: str) -> AsyncIterator[InMemory]:
    yield InMemory(patch)
