"""The log on Postgres. What is committed is one statement, so that nothing is ever left half-way
and no lock is held while anybody thinks.

intake (any number of replicas)  `append` runs intake.append, which gives positions and times under
the lock of the shard's row a stage (one owner per shard)    `commit` moves the shard's row and
inserts the rows, if epoch and position are what it believes

A commit whose answer was lost is looked up: the shard's position tells whether it happened.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg

from eventlog.codec import Entry, encoder, row_of, sorted_encoder
from eventlog.core.decider import REFERENCE
from eventlog.core.log import at, check_follows
from eventlog.core.row import Draft, Generation, Progress, Row, Watermark
from eventlog.notifier import Notifier
from eventlog.postgres.pool import Database
from events.errors import Conflict, Halted, Unavailable
from events.instants import BEGINNING, Instant
from events.registry import TYPE_OF

LEASE_SECONDS = 3.0
TAIL_ROWS = 8_000
READ = """
SELECT pos, ts, input, n, subject, seq, cause, type, data FROM {schema}.log WHERE shard = $1 AND pos > $2 ORDER BY pos LIMIT $3
"""
COMMIT = """
WITH fence AS (
  UPDATE {schema}.shard SET pos = $3 + $6, ts = greatest(ts, $5), input = $4,
    leased_until = clock_timestamp() + make_interval(secs => $7)
  WHERE shard = $1 AND epoch = $2 AND pos = $3 AND ts <= $8 RETURNING pos
), written AS (
  INSERT INTO {schema}.log (shard, pos, ts, input, n, subject, seq, cause, type, data)
  SELECT $1, $3 + i, row.ts, row.input, n, subject, seq, coalesce(cause, ''), type, convert_to(data, 'UTF8') FROM fence, unnest(
    $9::text::bigint[], $10::text::bigint[], $11::text::int[], $12::text::int[], string_to_array($13, E'\\n'),
    string_to_array($14, E'\\n'), string_to_array($15, E'\\n'), string_to_array($16, E'\\n')
  ) WITH ORDINALITY AS row (ts, input, n, seq, subject, cause, type, data, i)
)
SELECT pos, pg_notify('gridcall', '{log}/' || $1) FROM fence
"""
ANNOUNCE = """
WITH moved AS (
  UPDATE {schema}.shard SET ts = greatest(ts, $4), input = greatest(input, $5),
    leased_until = CASE WHEN epoch > 0 THEN clock_timestamp() + make_interval(secs => $6) ELSE leased_until END
  WHERE shard = $1 AND epoch = $2 AND pos = $3 RETURNING pos, ts
)
SELECT pos, ts, pg_notify('gridcall', '{log}/' || $1) FROM moved
"""
LEASE = """
UPDATE {schema}.shard SET epoch = epoch + 1, owner = $2, leased_until = clock_timestamp() + make_interval(secs => $3)
WHERE shard = $1 AND (owner = $2 OR leased_until < clock_timestamp())
RETURNING epoch, pos, ts, input
"""
RENEW = """
UPDATE {schema}.shard SET leased_until = clock_timestamp() + make_interval(secs => $3)
WHERE shard = $1 AND epoch = $2 RETURNING epoch
"""
RELEASE = "UPDATE {schema}.shard SET leased_until = '-infinity' WHERE shard = $1 AND epoch = $2"


APPEND = """
SELECT * FROM {schema}.append($1, $2::text::bigint[], string_to_array($3, E'\n'), string_to_array($4, E'\n'),
  ARRAY(SELECT convert_to(data, 'UTF8') FROM unnest(string_to_array($5, E'\n')) WITH ORDINALITY AS item (data, i) ORDER BY i))
"""
MAKE = "INSERT INTO {schema}.shard (shard) VALUES ($1) ON CONFLICT DO NOTHING"
HEAD = "SELECT epoch, owner, pos, ts, input, generation, before, start FROM {schema}.shard WHERE shard = $1"
FOLLOW = """
UPDATE {schema}.shard SET generation = $3, before = CASE generation WHEN 0 THEN 0 ELSE generation END,
  start = CASE generation WHEN 0 THEN 0 ELSE pos END
WHERE shard = $1 AND epoch = $2 AND generation <> $3 AND (generation = 0 OR (generation = $4 AND input <= $5))
"""
STATEMENTS = (READ, COMMIT, ANNOUNCE, LEASE, RENEW, RELEASE, APPEND, MAKE, HEAD, FOLLOW)


class Tail:
    """The last rows of a shard that this process wrote itself: who reads them here needs no second
    look at the table.
    """

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, rows: Sequence[Row]) -> None:
        """Keep rows that were committed. Where others wrote in between, only these are kept."""
        if self.rows and self.rows[-1].position + 1 != rows[0].position:
            self.rows.clear()
        self.rows += rows
        del self.rows[:-TAIL_ROWS]

    def after(self, position: int, limit: int) -> list[Row]:
        """The rows after a position, none if they do not begin there."""
        start = position + 1 - self.rows[0].position if self.rows else -1
        return self.rows[start : start + limit] if start >= 0 else []


def columns(rows: Sequence[Row]) -> list[str]:
    """What COMMIT writes of rows, a text for each column: at each element of an array asyncpg would
    look for long.
    """
    _, _, _, time, inputs, ns, subjects, seqs, causes, events = zip(*rows, strict=True)
    return [
        *map(numbers, (time, inputs, ns, seqs)),
        lines(subjects),
        lines(causes),
        *types_and_data(events),
    ]


def numbers(column: Sequence[int | None]) -> str:
    """An array of Postgres."""
    return f"{{{encoder.encode(column).decode()[1:-1]}}}"


def lines(column: Sequence[str]) -> str:
    """A text a line. Raises ValueError for one that has several."""
    joined = "\n".join(column)
    if joined.count("\n") != len(column) - 1:
        raise ValueError(
            f"a name with a line feed in it: {next(text for text in column if chr(10) in text)!r}"
        )
    return joined


def types_and_data(events: Sequence[Any]) -> tuple[str, str]:
    """The names of types, and events in JSON, which never has a line feed in it."""
    names = "\n".join([TYPE_OF[type(event)].name for event in events])
    return names, b"\n".join(map(sorted_encoder.encode, events)).decode()


class Head(NamedTuple):
    """What this process believes of a shard: its epoch there, and the last position."""

    epoch: int
    position: int


class PostgresLog:
    """The log of one service: the table `log` in a schema of its database. `owner` names this
    process in leases.
    """

    def __init__(
        self, name: str, schema: str, database: Database, notifier: Notifier, owner: str = ""
    ) -> None:
        self.name = name
        self.database = database
        self.notifier = notifier
        self.owner = owner
        self.schema = schema
        self._heads: dict[str, Head] = {}
        self._tails: defaultdict[str, Tail] = defaultdict(Tail)
        self._sql = {sql: sql.format(schema=self.schema, log=name) for sql in STATEMENTS}

    async def _fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        return await self.database.fetch(self._sql[sql], *args)

    # ── Readers ───────────────────────────────────────────────────────────────────────────────────

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        written = self._tails[shard].after(after, limit)
        return written or [
            row_of(self.name, shard, kept) for kept in await self._fetch(READ, shard, after, limit)
        ]

    async def entries(self, shard: str, after: int, limit: int) -> list[Entry]:
        """At most `limit` entries after a position, in order."""
        return [Entry(*record) for record in await self._fetch(READ, shard, after, limit)]

    async def row(self, shard: str, position: int) -> Row:
        """The row of a position that was read before. Raises Truncated where it is gone."""
        return at(self.name, shard, position, await self.read(shard, position - 1, 1))

    async def generation(self, shard: str) -> Generation:
        return (await self.head(shard))[1]

    async def head(self, shard: str) -> tuple[Watermark, Generation]:
        """How far the shard is, and of which generation, at one instant."""
        found = await self._fetch(HEAD, shard)
        if not found:
            return Watermark(0, BEGINNING), Generation(0)
        _, _, position, time, _, *generation = found[0]
        return Watermark(position, time), Generation(*generation)

    def last(self, shard: str) -> int:
        """The last position that this process knows of: what it wrote, or found when it took the
        lease.
        """
        return self._heads[shard].position if shard in self._heads else 0

    def epoch(self, shard: str) -> int:
        """That of the lease which this process took last; it stands in the fence of whatever is
        written beside the log.
        """
        return self._heads[shard].epoch if shard in self._heads else 0

    async def watermark(self, shard: str) -> Watermark:
        return (await self.head(shard))[0]

    async def progress(self, shard: str) -> Progress:
        """How far a stage is."""
        found = await self._fetch(HEAD, shard)
        return Progress(found[0]["input"], found[0]["ts"]) if found else Progress(0, BEGINNING)

    # ── The door ──────────────────────────────────────────────────────────────────────────────────

    async def append(self, shard: str, drafts: Sequence[Draft]) -> list[Row]:
        times, subjects, events = zip(*drafts, strict=True)
        given = await self._fetch(
            APPEND, shard, numbers(times), lines(subjects), *types_and_data(events)
        )
        rows = [
            Row(self.name, shard, position, time, 0, 1, draft.subject, sequence, "", draft.event)
            for (position, time, sequence), draft in zip(given, drafts, strict=True)
        ]
        self._written(shard, self._heads.get(shard, Head(0, 0)).epoch, rows)
        return rows

    async def adopt(self, shard: str, events: Sequence[Any]) -> None:
        """Append reference data at the door's own time. Their contents are kept before."""
        nothing = numbers([None] * len(events))  # JSON's null is Postgres's NULL.
        await self._fetch(
            APPEND, shard, nothing, lines([REFERENCE] * len(events)), *types_and_data(events)
        )
        self.notifier.notify(self.name, shard)

    # ── A stage ───────────────────────────────────────────────────────────────────────────────────

    async def lease(self, shard: str, seconds: float = LEASE_SECONDS) -> bool:
        """Become the owner of a shard, if nobody is. The epoch of the lease stands in the fence of
        every commit.
        """
        await self._fetch(MAKE, shard)
        found = await self._fetch(LEASE, shard, self.owner, seconds)
        if found:
            self._heads[shard] = Head(found[0]["epoch"], found[0]["pos"])
        return bool(found)

    def forget(self, shard: str) -> None:
        """Believe nothing of a shard any more: what this process wrote may have been cut away."""
        self._heads.pop(shard, None)
        self._tails.pop(shard, None)

    async def renew(self, shard: str, seconds: float = LEASE_SECONDS) -> None:
        """Stay the owner. Raises Conflict where somebody else is."""
        if not await self._fetch(RENEW, shard, self._heads[shard].epoch, seconds):
            raise Conflict(f"{self.name}/{shard} has another owner")

    async def release(self, shard: str) -> None:
        """Let others own a shard at once."""
        if shard in self._heads:
            await self._fetch(RELEASE, shard, self._heads.pop(shard).epoch)

    async def follow(self, shard: str, read: Generation) -> None:
        """Be of the generation of the log that this one follows from. Raises Halted where it has
        read too much.
        """
        await self._fetch(FOLLOW, shard, self._heads[shard].epoch, *read)
        found = (await self._fetch(HEAD, shard))[0]
        if read.number not in (0, found["generation"]):
            raise Halted(
                f"{self.name}/{shard} follows from {found['input']} inputs of a database that was restored or exchanged: of "
                f"those, the one in its place has {read.forked_at if read.previous == found['generation'] else 0}. "
                "Cut it back: gridcall restore accept"
            )

    async def commit(self, shard: str, rows: Sequence[Row], passed: Progress | None = None) -> None:
        if not rows:
            return
        check_follows(rows)
        head = self._heads.get(shard, Head(0, rows[0].position - 1))
        upto = passed or Progress(rows[-1].input, rows[-1].time)
        args = (
            shard,
            head.epoch,
            rows[0].position - 1,
            *upto,
            len(rows),
            LEASE_SECONDS,
            rows[0].time,
            *columns(rows),
        )
        try:
            moved = bool(await self._fetch(COMMIT, *args))
        except Unavailable:
            moved = await self._happened(shard, head.epoch, rows)
        if not moved:
            raise Conflict(f"{rows[0].id}: {await self._why(shard, head.epoch, rows[0])}")
        self._written(shard, head.epoch, rows)

    def _written(self, shard: str, epoch: int, rows: Sequence[Row]) -> None:
        self._heads[shard] = Head(epoch, rows[-1].position)
        self._tails[shard].add(rows)
        self.notifier.notify(self.name, shard)

    async def announce(self, shard: str, watermark: Instant, applied: int = 0) -> Watermark:
        head = self._heads.get(shard) or Head(0, (await self.watermark(shard)).position)
        moved = await self._fetch(
            ANNOUNCE, shard, head.epoch, head.position, watermark, applied, LEASE_SECONDS
        )
        if not moved:
            raise Conflict(
                f"{self.name}/{shard} is not at {head.position} in epoch {head.epoch}: it has another owner"
            )
        self.notifier.notify(self.name, shard)
        return Watermark(moved[0]["pos"], moved[0]["ts"])

    async def _happened(self, shard: str, epoch: int, rows: Sequence[Row]) -> bool:
        """Whether a commit whose answer was lost took place. Waits until the database
        can say so.
        """
        while True:
            try:
                found = await self._fetch(HEAD, shard)
                break
            except Unavailable:
                await asyncio.sleep(0.1)  # Nothing announces that a database is back.
        if found and found[0]["epoch"] == epoch and found[0]["pos"] == rows[0].position - 1:
            raise Unavailable("the commit did not take place: the connection was lost before it")
        return bool(found) and found[0]["epoch"] == epoch and found[0]["pos"] == rows[-1].position

    async def _why(self, shard: str, epoch: int, row: Row) -> str:
        found = await self._fetch(HEAD, shard)
        if found and found[0]["epoch"] != epoch:
            return f"the shard has another owner, {found[0]['owner']!r}, in epoch {found[0]['epoch']} after {epoch}"
        return f"it does not follow {self.name}/{shard}, which is {f'at {found[0]}' if found else 'empty'} (ts {row.time})"
