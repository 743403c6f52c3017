"""The statements of a log that many districts share: commits, announcements, heads and reads.

Each call is one of a shard, and learns nothing of the others (shared_statements.py). Its fence is
judged by itself: a zombie loses its own shard, and what others commit beside it is committed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from eventlog.codec import Entry
from eventlog.core.row import Watermark
from eventlog.postgres import statements as sql
from eventlog.postgres.lease import LEASE_SECONDS
from eventlog.postgres.pool import Database
from eventlog.postgres.shared_statements import SharedStatements
from eventlog.tracing import Tracing
from events.instants import Instant

COMMIT_ROWS_MAX = 500  # In one statement of several shards. It takes some 6 ms then.
READ_ROWS_MAX = 50  # For each shard of a shared read. One that may have more is read alone.
CALLS_MAX = 1_000  # In one statement.


class Commit(NamedTuple):
    """A commit of a shard: what its fence must be, what it becomes, and the columns of its rows."""

    epoch: int
    position: int  # Before the first row.
    rows: int
    input: int
    watermark: Instant
    time: Instant  # Of the first row.
    columns: Sequence[str]


class Announcement(NamedTuple):
    """A watermark of a shard, and what its fence must be."""

    epoch: int
    position: int
    watermark: Instant
    applied: int


class Range(NamedTuple):
    """Rows of a shard: at most `limit` after a position."""

    shard: str
    after: int
    limit: int


Entries: TypeAlias = Sequence[Entry]


class LogStatements:
    """The statements of one log."""

    def __init__(
        self, name: str, schema: str, database: Database, tracing: Tracing | None = None
    ) -> None:
        traces = sql.WITH_TRACES if tracing else sql.WITHOUT_TRACES
        names = {"schema": schema, "log": name, **traces}
        self._log = name
        self._tracing = tracing
        self._database = database
        self._alone = {each: each.format(**names, lock="") for each in sql.STATEMENTS}
        self._shared = {each: each.format(**names, lock=sql.LOCK) for each in sql.STATEMENTS}
        self._commits = SharedStatements(self._commit, size_max=COMMIT_ROWS_MAX)
        self._announcements = SharedStatements(self._announce, size_max=CALLS_MAX)
        self._heads = SharedStatements(self._head, size_max=CALLS_MAX, equal=True)
        self._reads = SharedStatements(self._read, size_max=CALLS_MAX, equal=True)

    async def fetch(
        self, statement: str, *args: object, is_shared: bool = False
    ) -> list[asyncpg.Record]:
        """Return the records of a statement of `statements`."""
        texts = self._shared if is_shared else self._alone
        return await self._database.fetch(texts[statement], *args)

    async def commit(self, shard: str, commit: Commit) -> bool:
        """Commit rows. Returns False if the fence is another one."""
        return await self._commits.call(shard, commit, commit.rows)

    async def announce(self, shard: str, announcement: Announcement) -> Watermark | None:
        """Move the time of a shard. Returns None if the fence is another one."""
        return await self._announcements.call(shard, announcement)

    async def head(self, shard: str) -> asyncpg.Record | None:
        """Return the row of a shard; None if there is none."""
        return await self._heads.call(shard, None)

    async def read(self, shard: str, after: int, limit: int) -> Entries:
        """Return at most `limit` entries after a position, in order."""
        wanted = Range(shard, after, limit)
        return await self._reads.call(wanted, None)

    # ── Several calls ─────────────────────────────────────────────────────────────────────────────

    async def _commit(self, commits: Mapping[str, Commit]) -> Mapping[str, bool]:
        fences = zip(*(each[:-1] for each in commits.values()), strict=True)
        columns = zip(*(each.columns for each in commits.values()), strict=True)
        shared = len(commits) > 1
        records = await self.fetch(
            sql.COMMIT, LEASE_SECONDS, list(commits), *fences, *columns, is_shared=shared
        )
        moved = dict.fromkeys(() if shared else commits, False)
        for shard, has_moved, _ in records:
            moved[shard] = moved.get(shard, False) or has_moved
        return moved

    async def _announce(
        self, announcements: Mapping[str, Announcement]
    ) -> Mapping[str, Watermark | None]:
        fences = zip(*announcements.values(), strict=True)
        shared = len(announcements) > 1
        records = await self.fetch(
            sql.ANNOUNCE, LEASE_SECONDS, list(announcements), *fences, is_shared=shared
        )
        marks = dict[str, Watermark | None].fromkeys(() if shared else announcements)
        for shard, position, time, _ in records:
            marks[shard] = marks.get(shard) if time is None else Watermark(position, time)
        return marks

    async def _head(self, shards: Mapping[str, None]) -> Mapping[str, asyncpg.Record | None]:
        heads = dict[str, asyncpg.Record | None].fromkeys(shards)
        for record in await self.fetch(sql.HEAD, list(shards)):
            heads[record["shard"]] = record
        return heads

    async def _read(self, ranges: Mapping[Range, None]) -> Mapping[Range, Entries]:
        if len(ranges) == 1:
            (alone,) = ranges
            records = await self.fetch(sql.READ, *alone)
            return {alone: as_entries(self._without_traces(alone.shard, records))}
        bounded = [(*each[:-1], min(each.limit, READ_ROWS_MAX)) for each in ranges]
        records = await self.fetch(sql.READ_SHARED, *zip(*bounded, strict=True))
        entries = defaultdict[int, list[Entry]](list)
        shards = [each.shard for each in ranges]
        for call, *columns in records:
            if self._tracing:
                self._take_trace(shards[call - 1], columns)
            entries[call].append(Entry(*columns))
        return {
            each: sorted(entries[call])  # In their order already, as a lateral join gives them.
            for call, each in enumerate(ranges, 1)
            if len(entries[call]) < READ_ROWS_MAX or each.limit <= READ_ROWS_MAX
        }

    def _without_traces(
        self, shard: str, records: Sequence[asyncpg.Record]
    ) -> Iterable[Iterable[Any]]:
        """Return the columns of entries, without those of traces, which are remembered."""
        if not self._tracing:
            return records
        rows = [[*record] for record in records]
        for columns in rows:
            self._take_trace(shard, columns)
        return rows

    def _take_trace(self, shard: str, columns: list[Any]) -> None:
        """Remember the context of a row, which is its last column, and take that away."""
        assert self._tracing, "there is a column only with traces"
        if context := columns.pop():
            self._tracing.contexts.add(f"{self._log}/{shard}/{columns[0]}", context)


def as_entries(records: Iterable[Iterable[Any]]) -> list[Entry]:
    """Return the entries of records."""
    return [Entry(*record) for record in records]
