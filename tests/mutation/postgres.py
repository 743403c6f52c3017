"""A world on Postgres, for rules of SQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple

import asyncpg
import pytest

from eventlog.checkpoints import CADENCE, Cadence
from eventlog.codec import data_decoder
from eventlog.notifier import Notifier
from eventlog.postgres.faults import map_errors
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, open_database
from events.catalogue import (
    Event,
    IssueReported,
    ReferenceAdopted,
)
from events.errors import GridcallError, Unavailable
from events.instants import Instant
from events.topology import LOGS, WRITER
from gridcall.verify import verify
from intake.acceptor import Accepted, Acceptor
from intake.core.submission import Item
from intake.item_codec import item_of
from intake.store import IntakeStore
from tests.harness.city import CONTENTS
from tests.harness.senders import SENDER
from tests.mutation.inputs import CITY, REFERENCES, S
from tests.mutation.world import Owner, World
from tools.checker import examination
from tools.checker.receipts import Receipt
from tools.checker.report import Violation

AHEAD_MAX = 60 * S
LEASE_SECONDS = 3600.0  # No machine is so slow that a lease runs out by itself.


class Connection(Database):
    """A connection that can lose the answer to a statement.

    The statement itself is executed now, later, or never.
    """

    def __init__(self, whole: Database) -> None:
        super().__init__(whole._pool)
        self._lost: tuple[str, str] | None = None
        self._late: list[tuple[str, tuple[object, ...]]] = []

    def lose_answer(self, word: str, lands: Literal["now", "later", "never"]) -> None:
        """Lose the answer to the next statement that has this word."""
        self._lost = word, lands

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        if not (self._lost and self._lost[0] in sql):
            return await super().fetch(sql, *args)
        lands, self._lost = self._lost[1], None
        if lands == "now":
            await super().fetch(sql, *args)
        elif lands == "later":
            self._late.append((sql, args))
        raise Unavailable("the connection was lost")

    async def land(self) -> list[asyncpg.Record]:
        """Execute the statement that is still on its way."""
        sql, args = self._late.pop()
        return await super().fetch(sql, *args)


class OpenTransaction(Database):
    """A connection whose transaction stays open."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        with map_errors():
            return await self._connection.fetch(sql, *args)


class Submission(NamedTuple):
    """An item that a client sent, its answer, and the time on the client's watch."""

    item: Item
    answer: Accepted
    watch: Instant


WALL = """
CREATE TABLE wall (now bigint); INSERT INTO wall VALUES (0);
CREATE OR REPLACE FUNCTION intake.clock() RETURNS bigint
  LANGUAGE sql VOLATILE AS 'SELECT now FROM public.wall';
SELECT intake.add_district('city');
"""
LOCK_WAITS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
ROW_AT = "SELECT type, data, ts FROM intake.log WHERE shard = $1 AND pos = $2"


class OnPostgres(World):
    """A world for rules of SQL, with the real acceptor.

    The clock of the database is a table, and `watch` is the clock of clients.
    """

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        url: str,
        connection: Connection,
        cadence: Cadence = CADENCE,
    ) -> None:
        super().__init__(patch)
        self.url = url
        self.cadence = cadence
        self.connection = connection
        self.submissions: list[Submission] = []
        self.watch: Instant = 0
        self._processes: dict[str, dict[str, PostgresLog]] = {}
        patch.setattr("intake.acceptor.now_us", lambda: self.watch)
        patch.setattr("eventlog.postgres.log_statements.LEASE_SECONDS", LEASE_SECONDS)

    def log(self, name: str, process: str) -> PostgresLog:
        if process not in self._processes:
            notifier = Notifier()
            self._processes[process] = {
                log: PostgresLog(log, WRITER[log], self.connection, notifier, process, self.cadence)
                for log in LOGS
            }
        return self._processes[process][name]

    async def set_clock(self, watch: Instant, wall: Instant | None = None) -> None:
        """Set the watches of clients, and the clock of the database if it shows another time."""
        self.watch = watch
        await self.connection.fetch("UPDATE wall SET now = $1", watch if wall is None else wall)

    async def come(self, at: Instant, *events: Event) -> None:
        await self.set_clock(at)
        adoptions = [event for event in events if isinstance(event, ReferenceAdopted)]
        if adoptions:
            await IntakeStore(self.connection).add_contents(CONTENTS)
            await self.log("intake", "a").append_reference(CITY, adoptions, SENDER)
        if items := [event for event in events if not isinstance(event, ReferenceAdopted)]:
            await self.post(Acceptor(self.connection, Notifier()), *items)

    async def post(self, acceptor: Acceptor, *events: Any) -> None:
        items = [item_of(event, SENDER) for event in events]
        try:
            answers = await acceptor.accept(CITY, items)
        except GridcallError as fault:
            self.notice(type(fault).__name__)
            return
        for item, answer in zip(items, answers, strict=True):
            if answer.same:
                self.submissions.append(Submission(item, answer, self.watch))
            else:
                self.notice("409")

    async def announce(self, at: Instant) -> None:
        await self.set_clock(at)
        await Acceptor(self.connection, Notifier()).tick()

    @asynccontextmanager
    async def open_input(self, at: Instant, event: Event) -> AsyncIterator[None]:
        """Accept an input in a transaction that lasts as long as the block."""
        await self.set_clock(at)
        connection = await asyncpg.connect(self.url)
        try:
            async with connection.transaction():
                await self.post(Acceptor(OpenTransaction(connection), Notifier()), event)
                yield
        finally:
            await connection.close()

    async def wait_until_locked(self, task: asyncio.Task[None]) -> None:
        """Wait until the task waits for a lock or is done."""
        while not (task.done() or (await self.connection.fetch(LOCK_WAITS))[0][0]):
            await asyncio.sleep(0.005)

    async def try_lease(self, log: str, process: str) -> bool:
        return await self.log(log, process).lease(CITY, LEASE_SECONDS)

    async def expire(self, log: str) -> None:
        await self.connection.fetch(f"UPDATE {WRITER[log]}.shard SET leased_until = '-infinity'")

    async def head(self, log: str) -> list[asyncpg.Record]:
        return await self.connection.fetch(f"SELECT pos, ts, input FROM {WRITER[log]}.shard")

    async def take_over(self, log: str) -> Owner:
        """Let another process lease the shard. The first one does not notice."""
        await self.expire(log)
        other = self.owner(log, "b")
        await other.begin()
        return other

    async def wake(self, zombie: Owner) -> None:
        """Let a paused owner go on as if nothing had happened."""
        before = await self.head(zombie.log)
        await zombie.go()
        if await self.head(zombie.log) != before:
            self.notice("a zombie wrote")

    async def land(self) -> None:
        """Execute a statement whose sender has given it up."""
        try:
            if any(record["notified"] is not None for record in await self.connection.land()):
                self.notice("a zombie wrote")
        except Exception as fault:
            self.notice(type(fault).__name__)

    async def change(self, change: str | tuple[str, str, str]) -> None:
        """Change the schema, or the text of one of its functions."""
        if isinstance(change, str):
            await self.connection.fetch(change)
            return
        function, says, instead = change
        (text,) = (
            await self.connection.fetch("SELECT pg_get_functiondef($1::text::regproc)", function)
        )[0]
        assert says in text, f"{function} does not say {says!r}"
        await self.connection.fetch(text.replace(says, instead))

    async def is_equal(self) -> bool:
        return all(
            result.difference is None for result in await verify(self.url, patience_seconds=0)
        )

    async def violations(self) -> Sequence[Violation]:
        return await examination.check(self.url, [receipt(each) for each in self.submissions])

    async def compare_with_clients(self) -> None:
        for item, answer, watch in self.submissions:
            for type_name, data, time in await self.connection.fetch(ROW_AT, CITY, answer.position):
                if (type_name, data) != (item.type, item.data) or time > watch + AHEAD_MAX:
                    self.notice("clients")


def receipt(submission: Submission) -> Receipt:
    """Return the receipt of an answer, for the checker."""
    event, answer = (
        data_decoder(submission.item.type).decode(submission.item.data),
        submission.answer,
    )
    known = {
        "district": CITY,
        "status": 202 if answer.fresh else 200,
        "id": answer.id,
        "pos": answer.position,
    }
    if isinstance(event, IssueReported):
        return {
            **known,
            "kind": "issue",
            "source": event.source,
            "line": event.line,
            "reference": event.reference,
        }
    return {**known, "kind": "action", "source": "source", "reference": REFERENCES[answer.id]}


@asynccontextmanager
async def on_postgres(
    patch: pytest.MonkeyPatch, url: str, cadence: Cadence = CADENCE
) -> AsyncIterator[OnPostgres]:
    async with open_database(url, size=4) as database:
        await database.on_connection(lambda connection: connection.execute(WALL))
        yield OnPostgres(patch, url, Connection(database), cadence)


@asynccontextmanager
async def with_checkpoints(patch: pytest.MonkeyPatch, url: str) -> AsyncIterator[OnPostgres]:
    """Open a world whose stages write a checkpoint whenever they are idle."""
    async with on_postgres(patch, url, Cadence(rows=1, part=1)) as world:
        yield world
