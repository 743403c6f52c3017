"""The log on Postgres. Each commit is one statement: nothing is left half-way, no lock is held
long.

Intake (any number of replicas): `append` runs the function `append` of the schema, which gives
positions and times under the lock of the shard's row. A stage (one owner per shard): `commit` moves
the shard's row and inserts the rows, if epoch and position are what the stage believes.

A commit whose answer was lost is looked up: the shard's position tells whether it happened.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import asyncpg

from eventlog.checkpoints import CADENCE, Cadence
from eventlog.codec import Entry, stored_row
from eventlog.core.decider import REFERENCE
from eventlog.core.log import check_follows, row_at
from eventlog.core.row import Draft, Generation, Head, Progress, Row, Sender, Watermark
from eventlog.notifier import Notifier
from eventlog.postgres import statements as sql
from eventlog.postgres.columns import event_columns, number_array, row_columns, text_lines
from eventlog.postgres.lease import LEASE_SECONDS
from eventlog.postgres.log_statements import Announcement, Commit, LogStatements, as_entries
from eventlog.postgres.pool import Database
from eventlog.postgres.states import PostgresStates
from eventlog.retry import retry
from eventlog.tracing import Tracing
from events.errors import Conflict, Halted, Unavailable
from events.instants import BEGINNING, Instant

MANY = 5_000  # Rows of one commit: an adoption that moves many cases.
TAIL_ROWS = 8_000


class Tail:
    """The last rows of a shard that this process wrote: readers here need not ask the database.

    They are of one epoch. The next one begins with a lease or a cut: others may have written, or
    rows may have been cut away. Who knows of it reads none of these rows.
    """

    __slots__ = ("epoch", "rows")

    def __init__(self) -> None:
        self.epoch = 0
        self.rows: list[Row] = []

    def begin(self, epoch: int) -> None:
        """Learn of an epoch. Rows of an earlier one are forgotten."""
        if epoch > self.epoch:
            self.epoch = epoch
            self.rows.clear()

    def add(self, epoch: int, rows: Sequence[Row]) -> None:
        """Add rows that were committed in an epoch, unless a later one is known."""
        self.begin(epoch)
        if epoch == self.epoch:
            self.rows += rows
            del self.rows[:-TAIL_ROWS]

    def rows_after(self, position: int, limit: int) -> list[Row]:
        """Return the rows after a position; none if they do not begin there."""
        start = position + 1 - self.rows[0].position if self.rows else -1
        return self.rows[start : start + limit] if start >= 0 else []


class Fence(NamedTuple):
    """The epoch and the last position of a shard, as this process believes them."""

    epoch: int
    position: int


NO_FENCE = Fence(0, 0)
NO_SENDER = Sender("nobody", "none")


class PostgresLog:
    """The log of one service: the table `log` in a schema of its database.

    `owner` names this process in leases. `states` are the state rows of the stage that writes it.
    With `tracing` the contexts of rows are read and written beside them.
    """

    def __init__(
        self,
        name: str,
        schema: str,
        database: Database,
        notifier: Notifier,
        owner: str = "",
        cadence: Cadence = CADENCE,
        tracing: Tracing | None = None,
    ) -> None:
        self.name = name
        self.database = database
        self.notifier = notifier
        self.owner = owner
        self.schema = schema
        self.states = PostgresStates(name, schema, database, self.epoch, cadence)
        self._fences: dict[str, Fence] = {}
        self._tails: defaultdict[str, Tail] = defaultdict(Tail)
        self.tracing = tracing
        self._statements = LogStatements(name, schema, database, tracing)
        self._fetch = self._statements.fetch

    # ── Readers ───────────────────────────────────────────────────────────────────────────────────

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        """Return at most `limit` rows after a position, in order."""
        written = self._tails[shard].rows_after(after, limit)
        if written:
            return written
        entries = await self._statements.read(shard, after, limit)
        return [stored_row(self.name, shard, entry) for entry in entries]

    async def entries(self, shard: str, after: int, limit: int) -> Sequence[Entry]:
        """Return at most `limit` entries after a position, in order."""
        return await self._statements.read(shard, after, limit)

    async def late(self, shard: str, cause: str) -> list[Row]:
        """Return the late rows of a cause, in order."""
        entries = await self.late_entries(shard, cause)
        return [stored_row(self.name, shard, each) for each in entries]

    async def late_entries(self, shard: str, cause: str) -> list[Entry]:
        """Return the entries of those rows. The log of a stage has an index of them."""
        return as_entries(await self._fetch(sql.LATE, shard, cause))

    async def row(self, shard: str, position: int) -> Row | None:
        """Return the row at a position; None if there is none."""
        return await row_at(self, shard, position)

    async def generation(self, shard: str) -> Generation:
        """Return the generation of the shard; number 0 while there is none."""
        return (await self.head(shard)).generation

    async def head(self, shard: str) -> Head:
        """Return the end of the shard's log, at one instant."""
        record = await self._head(shard)
        if record is None:
            return Head(Watermark(0, BEGINNING), Generation(0), b"")
        _, _, _, position, time, _, *generation, digest = record
        return Head(Watermark(position, time), Generation(*generation), digest)

    def last(self, shard: str) -> int:
        """Return the last position that this process wrote, or that the lease began with."""
        return self._fences.get(shard, NO_FENCE).position

    def epoch(self, shard: str) -> int:
        """Return the epoch of this process's lease, for fences of what is written
        beside the log.
        """
        return self._fences.get(shard, NO_FENCE).epoch

    async def watermark(self, shard: str) -> Watermark:
        """Return the last position, and the instant before which no more rows come."""
        return (await self.head(shard)).mark

    async def progress(self, shard: str) -> Progress:
        """Return the progress of the stage that writes this log."""
        record = await self._head(shard)
        return Progress(record["input"], record["ts"]) if record else Progress(0, BEGINNING)

    async def _head(self, shard: str) -> asyncpg.Record | None:
        """Return the row of a shard, if there is one."""
        record = await self._statements.head(shard)
        if record:
            self._tails[shard].begin(record["epoch"])
        return record

    # ── Intake ────────────────────────────────────────────────────────────────────────────────────

    async def append(
        self, shard: str, drafts: Sequence[Draft], sender: Sender = NO_SENDER
    ) -> list[Row]:
        """Append drafts; return them as rows, with the positions, times and sequences given."""
        times, subjects, events = zip(*drafts, strict=True)
        given = await self._append(shard, number_array(times), subjects, events, sender)
        self._fences[shard] = Fence(self.epoch(shard), given[-1]["pos"])
        self.notifier.notify(self.name, shard)
        return [
            Row(self.name, shard, position, time, 0, 1, draft.subject, sequence, "", draft.event)
            for (position, time, sequence), draft in zip(given, drafts, strict=True)
        ]

    async def append_reference(
        self, shard: str, events: Sequence[Any], sender: Sender
    ) -> list[int]:
        """Append reference data at the time of the database; return the positions.

        Contents are stored before.
        """
        no_times = number_array([None] * len(events))  # JSON's null is Postgres's NULL.
        given = await self._append(shard, no_times, [REFERENCE] * len(events), events, sender)
        self.notifier.notify(self.name, shard)
        return [position for position, _, _ in given]

    async def _append(
        self,
        shard: str,
        times: str,
        subjects: Sequence[str],
        events: Sequence[Any],
        sender: Sender,
    ) -> list[asyncpg.Record]:
        """Return the position, time and sequence of each appended event."""
        columns = (text_lines(subjects), *event_columns(events))
        return await self._fetch(sql.APPEND, shard, times, *columns, *sender)

    # ── The lease of a stage ──────────────────────────────────────────────────────────────────────

    async def lease(self, shard: str, seconds: float = LEASE_SECONDS) -> bool:
        """Become the owner of a shard, if it has none. Each lease has an epoch of its own."""
        await self._fetch(sql.MAKE, shard)
        records = await self._fetch(sql.LEASE, shard, self.owner, seconds)
        if records:
            self._fences[shard] = Fence(records[0]["epoch"], records[0]["pos"])
        return bool(records)

    async def renew(self, shard: str, seconds: float = LEASE_SECONDS, *, folded: int = 0) -> None:
        """Stay the owner, who has replayed up to `folded`. Raises Conflict if there is another
        one.
        """
        if not await self._fetch(sql.RENEW, shard, self._fences[shard].epoch, seconds, folded):
            raise Conflict(f"{self.name}/{shard} has another owner")

    async def renew_all(self, shards: Collection[str]) -> set[str]:
        """Stay the owner of several shards. Returns those whose leases are renewed.

        A shard that another transaction holds is left out.
        """
        epochs = {shard: self._fences[shard].epoch for shard in shards if shard in self._fences}
        leases = [*epochs], [*epochs.values()]
        renewed = await self._fetch(sql.RENEW_ALL, LEASE_SECONDS, *leases, is_shared=True)
        return {record["shard"] for record in renewed}

    async def release(self, shard: str) -> None:
        """Let others own a shard at once."""
        if shard in self._fences:
            await self._fetch(sql.RELEASE, shard, self._fences.pop(shard).epoch)

    def forget(self, shard: str) -> None:
        """Forget the memory of a shard, because rows may have been cut away."""
        self._fences.pop(shard, None)
        self._tails.pop(shard, None)

    async def follow(self, shard: str, read: Generation) -> None:
        """Take the generation of the log that this one reads. Raises Halted if it read too much."""
        await self._fetch(sql.FOLLOW, shard, self._fences[shard].epoch, *read)
        head = await self._head(shard)
        assert head is not None, "a shard with an owner has a row"
        if read.number not in (0, head["generation"]):
            common = read.forked_at if read.previous == head["generation"] else 0
            raise Halted(
                f"{self.name}/{shard} follows from {head['input']} inputs of a database that was "
                f"restored or exchanged: of those, the one in its place has {common}. "
                "Cut it back: gridcall restore accept"
            )

    # ── The commits of a stage ────────────────────────────────────────────────────────────────────

    async def commit(
        self, shard: str, rows: Sequence[Row], progress: Progress | None = None
    ) -> None:
        """Append rows that a stage has numbered. Raises Conflict if they do not follow."""
        if not rows:
            return
        check_follows(rows)
        last = self._fences.get(shard, Fence(0, rows[0].position - 1))
        input_, watermark = progress or Progress(rows[-1].input, rows[-1].time)
        fence, first = Fence(last.epoch, rows[0].position - 1), rows[0].time
        columns = await encode_columns(rows)
        if self.tracing:
            columns.append(self._trace_column(self.tracing, rows))
        commit = Commit(*fence, len(rows), input_, watermark, first, columns)
        try:
            moved = await self._statements.commit(shard, commit)
        except Unavailable as fault:
            moved = await self._is_committed(shard, last.epoch, rows, fault)
        if not moved:
            raise Conflict(f"{rows[0].id}: {await self._reason(shard, last.epoch, rows[0])}")
        self._remember(shard, last.epoch, rows)

    def _trace_column(self, tracing: Tracing, rows: Sequence[Row]) -> str:
        """Return a line for each row with its context; empty if none has one."""
        known = tracing.contexts.of_rows(rows)
        return text_lines([known.get(row.id, "") for row in rows]) if known else ""

    async def announce(self, shard: str, watermark: Instant, applied: int = 0) -> Watermark:
        """Let time pass up to a watermark, without a row, and notify the readers."""
        last = self._fences.get(shard) or Fence(0, (await self.watermark(shard)).position)
        mark = await self._statements.announce(shard, Announcement(*last, watermark, applied))
        if mark is None:
            raise Conflict(
                f"{self.name}/{shard} is not at {last.position} in epoch {last.epoch}: "
                "it has another owner"
            )
        self.notifier.notify(self.name, shard)
        return mark

    def _remember(self, shard: str, epoch: int, rows: Sequence[Row]) -> None:
        """Remember rows that are committed, and notify the readers."""
        self._fences[shard] = Fence(epoch, rows[-1].position)
        self._tails[shard].add(epoch, rows)
        self.notifier.notify(self.name, shard)

    async def _is_committed(
        self, shard: str, epoch: int, rows: Sequence[Row], fault: Unavailable
    ) -> bool:
        """Look up a commit whose answer was lost, as soon as the database can be asked.

        Raises Unavailable if the commit did not take place, because of `fault`.
        """
        head = await retry(lambda: self._head(shard))
        if head is None or head["epoch"] != epoch:
            return False
        if head["pos"] == rows[0].position - 1:
            raise Unavailable(f"the commit did not take place: {fault}") from fault
        return bool(head["pos"] == rows[-1].position)

    async def _reason(self, shard: str, epoch: int, row: Row) -> str:
        """Return why a commit was refused."""
        head = await self._head(shard)
        if head and head["epoch"] != epoch:
            owner, now = head["owner"], head["epoch"]
            return f"the shard has another owner, {owner!r}, in epoch {now} after {epoch}"
        state = f"at {head}" if head else "empty"
        return f"it does not follow {self.name}/{shard}, which is {state} (ts {row.time})"


async def encode_columns(rows: Sequence[Row]) -> list[str]:
    """Return the columns of rows. Many are encoded in a thread, so that the event loop goes on."""
    return row_columns(rows) if len(rows) < MANY else await asyncio.to_thread(row_columns, rows)
