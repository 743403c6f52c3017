"""Planted bugs: each rule that the logs stand on is taken away, one at a time, in the code as it is, and something must notice.

A row of PLANTED says which rule, how it is weakened, in which history, and what catches it. A history is small, and has its
crash, pause, lost answer, zombie or early input at the one place where the rule counts. docs/planted-bugs.md shows the table.
"""

from __future__ import annotations

import asyncio
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from heapq import heappush
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple

import asyncpg
import pytest

from assessment.core.facts import Key
from escalation.core.decider import Escalation
from eventlog.codec import Entry, data_decoder, entry
from eventlog.core.decider import REFERENCE, Input, Result, Timer, TimerFired
from eventlog.core.log import Log, MemoryLog
from eventlog.core.row import Draft, Progress, Row, Watermark
from eventlog.core.stage import Stage, Subject
from eventlog.notifier import Notifier
from eventlog.postgres import log as postgres
from eventlog.postgres.generation import DatabaseCheck, NewGeneration
from eventlog.postgres.log import PostgresLog, Tail
from eventlog.postgres.pool import Database, connected, reached
from eventlog.runner import Runner
from events.catalogue import (
    AnswerGiven,
    AnswerPassedOn,
    CaseParked,
    EndedAtSource,
    Event,
    IssueReported,
    PlaceClaim,
    ReferenceAdopted,
    RetryAsked,
    VisitMade,
)
from events.errors import GridcallError, Unavailable
from events.instants import Instant
from events.topology import UPSTREAM, WRITER
from gridcall.pipeline import pipeline
from gridcall.verify import Snapshot, verified, verify
from intake.acceptor import Accepted, Acceptor
from intake.core.identity import action_id, issue_id
from intake.core.submission import Item, item_of
from routing.core.decider import Routing
from tests.contract.log_contract import a_commit_that_does_not_follow_is_refused_whole
from tests.harness.city import CONTENTS, IN_0101, MAP_ADOPTED, POLICIES_SENT, ROSTER_SENT
from tools.checker import examination
from tools.checker import rows as checker_rows
from tools.checker.receipts import Receipt
from tools.checker.report import Report, Violation

CITY = "city"
STAGES = ("cases", "calls")
SOURCE_OF = {"cases": "intake", "calls": "cases"}
LOGS = ("intake", "cases", "calls")
S = 1_000_000  # A second.
ALL = 10_000
TRIES = 3
AHEAD_MAX = 60 * S
LEASE_SECONDS = 3600.0  # No machine is so slow that a lease runs out by itself.
RETRIES = count(1)
REFERENCES: dict[str, str] = {}  # Of actions, which do not carry them.


# ── What comes in ────────────────────────────────────────────────────────────────────────────────────────────────────────


def report(name: str, due: Instant | None = None, *claims: PlaceClaim) -> IssueReported:
    return IssueReported(
        issue=case_of(name),
        source="source",
        line="hotline",
        reference=name,
        category="Noise",
        urgency="normal",
        due=due,
        claims=claims,
        rules=(),
    )


def closing(name: str) -> EndedAtSource:
    return EndedAtSource(
        action=acted(f"{name} closed"), issue=case_of(name), outcome="closed", rules=()
    )


def visit(name: str) -> VisitMade:
    return VisitMade(action=acted(f"{name} visited"), issue=case_of(name), by="ann")


def retry(name: str, log: Literal["cases", "calls"]) -> RetryAsked:
    return RetryAsked(
        action=acted(f"{name} retried {next(RETRIES)}"), issue=case_of(name), log=log, by="operator"
    )


def acted(reference: str) -> str:
    """The id of an action."""
    made = action_id(CITY, "source", reference)
    REFERENCES[made] = reference
    return made


def case_of(name: str) -> str:
    return issue_id(CITY, "source", "hotline", name)


def subject(event: Event) -> str:
    """The subject of an input."""
    match event:
        case ReferenceAdopted():
            return REFERENCE
        case IssueReported():
            return event.issue
        case EndedAtSource() | VisitMade() | AnswerGiven() | RetryAsked():
            return event.action
    raise AssertionError(f"{event} is no input here")


# ── The district ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Owner:
    """A process that keeps one stage as events.runtime.ShardSupervisor does, but goes only when it is told to.

    What stops it is noticed, and what it knew is thrown away: it recalls its log anew.
    """

    def __init__(self, world: World, log: str, process: str) -> None:
        self.world = world
        self.log = log
        self.process = process
        self.runner: Runner[Any, Any] | None = None

    async def begin(self) -> None:
        """Own the shard, if nobody does, and recall."""
        if await self.world.leased(self.log, self.process):
            runner = self.world.runner(self.log, self.process)
            await runner.replay()
            self.runner = runner

    async def work(self) -> None:
        if self.runner is None:
            await self.begin()
        if self.runner:
            await self.runner.catch_up()

    async def go(self) -> None:
        await self.noticed(self.work())

    async def noticed(self, work: Awaitable[object]) -> None:
        try:
            await work
        except Exception as fault:
            self.runner = None
            self.world.notice(type(fault).__name__)

    def die(self) -> None:
        self.runner = None


class World(ABC):
    """One district with its logs and its stages, and what was noticed of it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.found: set[str] = set()
        self._owners: dict[tuple[str, str], Owner] = {}

    def notice(self, what: str) -> None:
        self.found.add(what)

    def owner(self, log: str, process: str = "a") -> Owner:
        return self._owners.setdefault((log, process), Owner(self, log, process))

    async def follow(self) -> None:
        """Everything follows from what came in, as far as nothing stops it."""
        for log in STAGES:
            await self.owner(log).go()

    def runner(self, log: str, process: str) -> Runner[Any, Any]:
        (stages,) = (each for each in pipeline(CONTENTS) if each.sink == log)
        logs = {name: self.log(name, process) for name in (stages.source, log)}
        return stages.processor(CITY, logs, ALL)

    async def judged(self) -> set[str]:
        """All that was noticed, at last by new owners, by verify, by the checker, and by whoever posted."""
        for log in STAGES:
            await self._settled(log)
        try:
            if not await self.equal():
                self.notice("verify")
        except Exception:
            self.notice("verify")  # It does not say that all is equal.
        for violation in await self.violations():
            self.notice(f"checker: {violation.kind}")
        await self.compare_with_clients()
        return self.found

    async def _settled(self, log: str) -> None:
        """All faults are over: the owner goes on to the end of what it reads; where it is stopped, a new one."""
        owner, why = self.owner(log), ""
        for _ in range(TRIES):
            if owner.runner is None:
                await self.expire(log)
                owner = Owner(self, log, "z")
            try:
                await owner.work()
            except Exception as fault:
                owner.die()
                why = type(fault).__name__
            else:
                return
        self.notice(f"stands still: {why}")

    @abstractmethod
    def log(self, name: str, process: str) -> Log: ...

    @abstractmethod
    async def come(self, at: Instant, *events: Event) -> None:
        """Inputs come in, together, when the clock shows `at`."""

    @abstractmethod
    async def announce(self, at: Instant) -> None:
        """Time passes without an input."""

    @abstractmethod
    async def leased(self, log: str, process: str) -> bool: ...

    @abstractmethod
    async def expire(self, log: str) -> None:
        """Whoever has the lease has not renewed it for too long."""

    @abstractmethod
    async def equal(self) -> bool:
        """Whether verify finds no difference."""

    @abstractmethod
    async def violations(self) -> Sequence[Violation]: ...

    @abstractmethod
    async def compare_with_clients(self) -> None:
        """Compare what was accepted with what was sent, and when."""


# ── In memory ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Faulty(MemoryLog):
    """A log in memory that fails where it is told to, and knows how far its stage is."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.applied = 0
        self.garbled: Callable[[Sequence[Row]], Sequence[Row]] | None = (
            None  # Of the next rows that are read.
        )
        self.away_at = 0  # This commit does not take place.
        self.paused: Callable[[], Awaitable[None]] | None = (
            None  # What happens before the next commit.
        )
        self._commits = 0

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        rows, garbled = await super().read(shard, after, limit), self.garbled
        if not (rows and garbled):
            return rows
        self.garbled = None
        return garbled(rows)

    async def commit(self, shard: str, rows: Sequence[Row], passed: Progress | None = None) -> None:
        if paused := self.paused:
            self.paused = None
            await paused()
        self._commits += 1
        if self._commits == self.away_at:
            raise Unavailable("the log is away")
        await super().commit(shard, rows, passed)
        self.applied = passed.input if passed else rows[-1].input

    async def announce(self, shard: str, watermark: Instant, applied: int = 0) -> Watermark:
        self.applied = max(self.applied, applied)
        return await super().announce(shard, watermark, applied)

    async def rows(self) -> Sequence[Row]:
        return await super().read(CITY, 0, ALL)


class Lists(Snapshot):
    """What verify reads, of logs in memory."""

    def __init__(self, logs: dict[str, Faulty]) -> None:
        self._logs = logs

    async def contents(self) -> dict[str, bytes]:
        return CONTENTS

    async def passed(self, log: str, shard: str) -> tuple[Progress, int]:
        position, watermark = await self._logs[log].watermark(shard)
        return Progress(self._logs[log].applied, watermark), position

    async def merged(self, shard: str) -> dict[str, int]:
        return {}  # Nobody keeps facts of them.

    async def facts(self, shard: str) -> dict[Key, bytes]:
        return {}

    async def entries(
        self, log: str, shard: str, upto: int | None = None, after: int = 0
    ) -> AsyncIterator[list[Entry]]:
        if rows := (await self._logs[log].rows())[after:upto]:
            yield [entry(row) for row in rows]


class Tables(checker_rows.Tables):
    """What the checker reads, of logs in memory."""

    def __init__(self, logs: dict[str, Faulty]) -> None:
        self._logs = logs

    async def head(self, log: str, shard: str) -> checker_rows.Head:
        position, time = await self._logs[log].watermark(shard)
        return checker_rows.Head(position, time, self._logs[log].applied)

    async def rows(self, log: str, shard: str) -> AsyncIterator[checker_rows.Row]:
        for row in await self._logs[log].rows():
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
    """For rules that live in Python. There is no lease, and nobody posts."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__(patch)
        self.logs = {name: Faulty(name) for name in ("intake", *STAGES)}

    def log(self, name: str, process: str) -> Log:
        return self.logs[name]

    async def come(self, at: Instant, *events: Event) -> None:
        await self.logs["intake"].append(
            CITY, [Draft(at, subject(event), event) for event in events]
        )

    async def announce(self, at: Instant) -> None:
        await self.logs["intake"].announce(CITY, at)

    async def leased(self, log: str, process: str) -> bool:
        return True

    async def expire(self, log: str) -> None:
        return

    async def compare_with_clients(self) -> None:
        return

    async def equal(self) -> bool:
        return (await verified(Lists(self.logs), CITY)).difference is None

    async def violations(self) -> Sequence[Violation]:
        found = Report()
        await examination.examine_shard(CITY, Tables(self.logs), {}, found)
        return found.violations


@asynccontextmanager
async def in_memory(patch: pytest.MonkeyPatch, url: str) -> AsyncIterator[InMemory]:
    yield InMemory(patch)


# ── On Postgres ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Line(Database):
    """The line to the database. The answer to one statement can be lost, which lands now, later, or never."""

    def __init__(self, whole: Database) -> None:
        super().__init__(whole._pool)
        self._lost: tuple[str, str] | None = None
        self._late: list[tuple[str, tuple[object, ...]]] = []

    def lose(self, word: str, lands: Literal["now", "later", "never"]) -> None:
        """The answer to the next statement that has this word."""
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
        """What is still on its way arrives."""
        sql, args = self._late.pop()
        return await super().fetch(sql, *args)


class Held(Database):
    """One connection, whose transaction is held open."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        with reached():
            return await self._connection.fetch(sql, *args)


class Sent(NamedTuple):
    """What a client sent, what it was answered, and what its watch showed."""

    item: Item
    answer: Accepted
    watch: Instant


WALL = """
CREATE TABLE wall (now bigint); INSERT INTO wall VALUES (0);
CREATE OR REPLACE FUNCTION intake.clock() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT now FROM public.wall';
"""
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
PLACED = "SELECT type, data, ts FROM intake.log WHERE shard = $1 AND pos = $2"


class OnPostgres(World):
    """For rules that live in SQL, with the real door. Its clock is a table; `watch` is the clock of whoever posts."""

    def __init__(self, patch: pytest.MonkeyPatch, url: str, line: Line) -> None:
        super().__init__(patch)
        self.url = url
        self.line = line
        self.sent: list[Sent] = []
        self.watch: Instant = 0
        self._processes: dict[str, dict[str, PostgresLog]] = {}
        patch.setattr("intake.acceptor.now_us", lambda: self.watch)
        patch.setattr("eventlog.postgres.log.LEASE_SECONDS", LEASE_SECONDS)

    def log(self, name: str, process: str) -> PostgresLog:
        if process not in self._processes:
            notifier = Notifier()
            self._processes[process] = {
                log: PostgresLog(log, WRITER[log], self.line, notifier, process) for log in LOGS
            }
        return self._processes[process][name]

    async def set_clock(self, watch: Instant, wall: Instant | None = None) -> None:
        """What the watches show, and what the database's clock shows, if it is another time."""
        self.watch = watch
        await self.line.fetch("UPDATE wall SET now = $1", watch if wall is None else wall)

    async def come(self, at: Instant, *events: Event) -> None:
        await self.set_clock(at)
        await self.post(Acceptor(self.line, Notifier()), *events)

    async def post(self, door: Acceptor, *events: Any) -> None:
        items = [item_of(event) for event in events]
        try:
            answers = await door.accept(CITY, items)
        except GridcallError as fault:
            self.notice(type(fault).__name__)
            return
        for item, answer in zip(items, answers, strict=True):
            if answer.same:
                self.sent.append(Sent(item, answer, self.watch))
            else:
                self.notice("409")

    async def announce(self, at: Instant) -> None:
        await self.set_clock(at)
        await Acceptor(self.line, Notifier()).tick()

    @asynccontextmanager
    async def coming(self, at: Instant, event: Event) -> AsyncIterator[None]:
        """An input whose transaction lasts as long as the block."""
        await self.set_clock(at)
        connection = await asyncpg.connect(self.url)
        try:
            async with connection.transaction():
                await self.post(Acceptor(Held(connection), Notifier()), event)
                yield
        finally:
            await connection.close()

    async def done_or_waiting(self, task: asyncio.Task[None]) -> None:
        """Until somebody waits for a lock, or need not."""
        while not (task.done() or (await self.line.fetch(WAITS))[0][0]):
            await asyncio.sleep(0.005)

    async def leased(self, log: str, process: str) -> bool:
        return await self.log(log, process).lease(CITY, LEASE_SECONDS)

    async def expire(self, log: str) -> None:
        await self.line.fetch(f"UPDATE {WRITER[log]}.shard SET leased_until = '-infinity'")

    async def head(self, log: str) -> list[asyncpg.Record]:
        return await self.line.fetch(f"SELECT pos, ts, input FROM {WRITER[log]}.shard")

    async def taken_over(self, log: str) -> Owner:
        """Another process owns the shard from now on; the first one has not noticed."""
        await self.expire(log)
        other = self.owner(log, "b")
        await other.begin()
        return other

    async def wake(self, zombie: Owner) -> None:
        """A paused owner goes on as if nothing had happened."""
        before = await self.head(zombie.log)
        await zombie.go()
        if await self.head(zombie.log) != before:
            self.notice("a zombie wrote")

    async def land(self) -> None:
        """A statement arrives whose sender has long given it up."""
        try:
            if await self.line.land():
                self.notice("a zombie wrote")
        except Exception as fault:
            self.notice(type(fault).__name__)

    async def change(self, change: str | tuple[str, str, str]) -> None:
        """Change the schema, or what one of its functions says."""
        if isinstance(change, str):
            await self.line.fetch(change)
            return
        function, says, instead = change
        (text,) = (await self.line.fetch("SELECT pg_get_functiondef($1::text::regproc)", function))[
            0
        ]
        assert says in text, f"{function} does not say {says!r}"
        await self.line.fetch(text.replace(says, instead))

    async def equal(self) -> bool:
        return all(found.difference is None for found in await verify(self.url))

    async def violations(self) -> Sequence[Violation]:
        return await examination.check(self.url, [receipt(sent) for sent in self.sent])

    async def compare_with_clients(self) -> None:
        for item, answer, watch in self.sent:
            for type_name, data, time in await self.line.fetch(PLACED, CITY, answer.position):
                if (type_name, data) != (item.type, item.data) or time > watch + AHEAD_MAX:
                    self.notice("clients")


def receipt(sent: Sent) -> Receipt:
    """What the checker is told of an answer."""
    event, answer = data_decoder(sent.item.type).decode(sent.item.data), sent.answer
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
async def on_postgres(patch: pytest.MonkeyPatch, url: str) -> AsyncIterator[OnPostgres]:
    async with connected(url, size=4) as database:
        await database.on_connection(lambda connection: connection.execute(WALL))
        yield OnPostgres(patch, url, Line(database))


# ── How rules are weakened ───────────────────────────────────────────────────────────────────────────────────────────────

Plant = Callable[[pytest.MonkeyPatch], None]


class Weakening(NamedTuple):
    """A rule taken away: what was done, in words; in Python; in SQL."""

    how: str
    plant: Plant | None = None
    sql: tuple[str | tuple[str, str, str], ...] = ()


def in_statement(name: str, says: str, instead: str) -> Plant:
    """A statement of events.postgres says something else."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        text = getattr(postgres, name)
        assert says in text, f"{name} does not say {says!r}"
        other = text.replace(says, instead)
        patch.setattr(postgres, name, other)
        patch.setattr(
            postgres,
            "STATEMENTS",
            tuple(other if sql == text else sql for sql in postgres.STATEMENTS),
        )

    return plant


def method(owner: type[Any], name: str) -> Callable[[Callable[..., Any]], Plant]:
    """A method of a class is another one, which is given the real one first."""

    def decorate(instead: Callable[..., Any]) -> Plant:
        def plant(patch: pytest.MonkeyPatch) -> None:
            real = getattr(owner, name)
            patch.setattr(
                owner, name, lambda self, *args: instead(partial(real, self), self, *args)
            )

        return plant

    return decorate


def value(target: str, instead: object) -> Plant:
    return lambda patch: patch.setattr(target, instead)


# The fence

NO_EPOCH = Weakening(
    "`COMMIT` without `epoch = $2`", in_statement("COMMIT", "epoch = $2", "$2::bigint IS NOT NULL")
)
NO_POSITION = Weakening(
    "`COMMIT` without `pos = $3`",
    in_statement("COMMIT", "pos = $3 AND", "$3::bigint IS NOT NULL AND"),
)
NO_TIME = Weakening(
    "`COMMIT` without `ts <= $8`", in_statement("COMMIT", "ts <= $8", "$8::bigint IS NOT NULL")
)
NO_EPOCH_ANNOUNCED = Weakening(
    "`ANNOUNCE` without `epoch = $2`",
    in_statement("ANNOUNCE", "epoch = $2", "$2::bigint IS NOT NULL"),
)
NO_POSITION_ANNOUNCED = Weakening(
    "`ANNOUNCE` without `pos = $3`", in_statement("ANNOUNCE", "pos = $3", "$3::bigint IS NOT NULL")
)
NO_PRIMARY_KEY = Weakening(
    "no primary key of the stages' logs",
    sql=tuple(
        f"ALTER TABLE {schema}.log DROP CONSTRAINT log_pkey" for schema in ("routing", "escalation")
    ),
)
SAME_EPOCH = Weakening(
    "`LEASE` without `epoch + 1`",
    in_statement("LEASE", "epoch = epoch + 1", "epoch = greatest(epoch, 1)"),
)
LEASED_TWICE = Weakening(
    "`LEASE` also while another one has it",
    in_statement(
        "LEASE", "(owner = $2 OR leased_until < clock_timestamp())", "$2::text IS NOT NULL"
    ),
)


# Commits


@method(PostgresLog, "commit")
async def try_again(real: Callable[..., Awaitable[None]], self: PostgresLog, *args: Any) -> None:
    fetch = self._fetch

    async def twice(sql: str, *values: object) -> list[asyncpg.Record]:
        try:
            return await fetch(sql, *values)
        except Unavailable:
            return await fetch(sql, *values)

    self._fetch = twice  # type: ignore[method-assign]
    try:
        await real(*args)
    finally:
        self._fetch = fetch  # type: ignore[method-assign]


TRIED_AGAIN = Weakening("`PostgresLog.commit` is tried again without looking", try_again)


@method(PostgresLog, "_happened")
async def surely(real: object, self: PostgresLog, *args: Any) -> bool:
    return True


@method(PostgresLog, "_fetch")
async def position_first(
    real: Callable[..., Awaitable[Any]], self: PostgresLog, sql: str, *args: Any
) -> Any:
    if sql != postgres.COMMIT:
        return await real(sql, *args)
    alone = self._sql[sql].replace(
        "FROM fence, unnest", "FROM fence, (SELECT WHERE false) AS nobody, unnest"
    )
    moved = await self.database.fetch(alone.replace("written AS", "nothing AS"), *args)
    insert = (
        self._sql[sql]
        .partition("written AS (")[2]
        .rpartition(")\nSELECT")[0]
        .replace("FROM fence, ", "FROM ")
    )
    unused = "($2::bigint, $4::bigint, $5::bigint, $6::bigint, $7::float, $8::bigint) IS NOT NULL"
    await self.database.fetch(f"{insert} WHERE {unused} /* written AS */", *args)
    return moved


@method(Runner, "_commit")
async def row_by_row(
    real: Callable[..., Awaitable[None]],
    self: Runner[Any, Any],
    rows: Sequence[Row],
    passed: Progress,
) -> None:
    for row in rows:
        await real([row], passed)


# A stage after a fault


@method(Stage, "stop")
def never_stop(real: object, self: Stage[Any, Any]) -> None:
    self._is_stopped = False


@method(Runner, "replay")
async def recall_less(real: object, self: Runner[Any, Any]) -> None:
    self.stage.replay(without_last_decision(await self.sink.read(self.stage.shard, 0, ALL)), {})


@method(Stage, "replay")
def recall_numbers_only(
    real: Callable[..., None], self: Stage[Any, Any], rows: Iterable[Row], held: Mapping[str, Row]
) -> None:
    taken = list(rows)
    before = without_last_decision(taken)
    real(before, held)
    about = self._subject(taken[-1].subject)
    state = about.state
    real(taken[len(before) :], held)
    about.state = state


def without_last_decision(rows: Sequence[Row]) -> Sequence[Row]:
    return rows[: max((i for i, row in enumerate(rows) if row.step == 1), default=0)]


# Readers


@method(Stage, "_apply")
def over_gaps(real: Callable[..., None], self: Stage[Any, Any], row: Row, answer: Any) -> None:
    self.input = max(self.input, row.position - 1)
    real(row, answer)


@method(Stage, "_apply")
def again_and_again(
    real: Callable[..., None], self: Stage[Any, Any], row: Row, answer: Any
) -> None:
    self.input = min(self.input, row.position - 1)
    real(row, answer)


@method(Tail, "add")
def kept_with_a_hole(real: object, self: Tail, rows: Sequence[Row]) -> None:
    self.rows += rows


HOLED_TAIL = Weakening(
    "`Tail.add` keeps older rows where others wrote in between", kept_with_a_hole
)
NO_GAP_RULE = Weakening("`Stage` applies a row also after a gap", over_gaps)
ID_SEQUENCE = """
CREATE OR REPLACE FUNCTION intake.accept(
  a_shard text, ids text[], contents uuid[], codes uuid[], types text[], datas text[], now_us bigint, ahead_us_max bigint)
RETURNS TABLE (id uuid, pos bigint, ts bigint, code uuid, content uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  INSERT INTO intake.shard (shard) SELECT a_shard WHERE NOT EXISTS (SELECT FROM intake.shard WHERE shard = a_shard);
  INSERT INTO intake.log (shard, pos, ts, input, n, subject, seq, cause, type, data)
    SELECT a_shard, nextval('positions'), intake.clock(), 0, 1, subject, 1, '', type, convert_to(data, 'UTF8')
    FROM unnest(ids, types, datas) AS item (subject, type, data);
  UPDATE intake.shard s SET pos = greatest(s.pos, currval('positions')), ts = greatest(s.ts, intake.clock())
    WHERE s.shard IN (SELECT shard FROM intake.shard WHERE shard = a_shard FOR UPDATE SKIP LOCKED);
  INSERT INTO intake.identity (id, shard, pos, ts, content, code)
    SELECT id, a_shard, currval('positions'), intake.clock(), content, code
    FROM unnest(ids::uuid[], contents, codes) AS item (id, content, code);
  RETURN QUERY SELECT NULL::uuid, currval('positions'), intake.clock(), NULL::uuid, NULL::uuid;
END $$
"""
FROM_A_SEQUENCE = Weakening(
    "`intake.accept` takes positions from an id sequence, without the lock",
    sql=("CREATE SEQUENCE positions", ID_SEQUENCE),
)


# Time

LATER = 1000 * S


@method(Stage, "_fire_before")
def by_wall_clock(real: Callable[..., None], self: Stage[Any, Any], t: Instant) -> None:
    real(max(t, LATER))


@method(Stage, "_fire_before")
def at_it_too(real: Callable[..., None], self: Stage[Any, Any], t: Instant) -> None:
    watermark = max(self.watermark, t)
    real(t + 1)
    self.watermark = watermark


@method(Stage, "advance_time")
def at_a_watermark_too(
    real: Callable[..., list[Row]], self: Stage[Any, Any], watermark: Instant
) -> list[Row]:
    return real(watermark + 1)


@method(Stage, "_apply")
def inside_a_decision(
    real: Callable[..., None], self: Stage[Any, Any], row: Row, answer: Any
) -> None:
    real(row._replace(step=1), answer)


def let_pass(self: Stage[Any, Any], t: Instant) -> None:
    """Remember what lets time pass."""
    self.__dict__["lets_pass"] = t


def of_what_let_it_pass(changed: Callable[[Input, str, Instant], tuple[Input, str]]) -> Plant:
    """What a fired event takes from what let time pass."""

    @method(Stage, "_fire_before")
    def fire(real: Callable[..., None], self: Stage[Any, Any], t: Instant) -> None:
        let_pass(self, t)
        real(t)

    @method(Stage, "_fire")
    def hear(
        real: Callable[..., None], self: Stage[Any, Any], name: str, heard: Input, cause: str
    ) -> None:
        real(name, *changed(heard, cause, self.__dict__["lets_pass"]))

    def plant(patch: pytest.MonkeyPatch) -> None:
        fire(patch)
        hear(patch)

    return plant


class Untied(Timer):
    """A clock that knows no order but the due time."""

    def __lt__(self, other: object) -> bool:
        return isinstance(other, Timer) and self.due < other.due


def untied(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "eventlog.core.stage.heappush", lambda clocks, clock: heappush(clocks, Untied(*clock))
    )


# Watermarks


@method(PostgresLog, "watermark")
async def unlocked(
    real: Callable[..., Awaitable[Watermark]], self: PostgresLog, shard: str
) -> Watermark:
    position, watermark = await real(shard)
    return Watermark(
        position,
        max(watermark, (await self.database.fetch("SELECT intake.clock()"))[0][0])
        if self.name == "intake"
        else watermark,
    )


@method(PostgresLog, "watermark")
async def unwritten(
    real: Callable[..., Awaitable[Watermark]], self: PostgresLog, shard: str
) -> Watermark:
    mark = await real(shard)
    if self.name != "intake":
        return mark
    (said,) = (
        await self.database.fetch(
            "SELECT max(w) FROM said WHERE shard = $1 AND pos = $2", shard, mark.position
        )
    )[0]
    return Watermark(mark.position, max(mark.watermark, said or mark.watermark))


@method(Runner, "advance_time")
async def believe_at_once(real: object, self: Runner[Any, Any]) -> None:
    await self._commit(*self._taken())
    mark = await self.source.watermark(self.stage.shard)
    await self._commit(self.stage.advance_time(mark.watermark), self.stage.progress)
    await self.sink.announce(self.stage.shard, mark.watermark, self.stage.input)


@method(Runner, "_commit")
async def announce_first(
    real: Callable[..., Awaitable[None]],
    self: Runner[Any, Any],
    rows: Sequence[Row],
    passed: Progress,
) -> None:
    mark = await self.source.watermark(self.stage.shard)
    if mark.position == self.stage.input:
        await self.sink.announce(self.stage.shard, mark.watermark)
    await real(rows, passed)


UNLOCKED = Weakening("intake's watermark is the clock, without the lock", unlocked)
NOT_WRITTEN = Weakening(
    "`intake.tick` locks the row and tells the time, but does not write it",
    unwritten,
    (
        "CREATE TABLE said (shard text, pos bigint, w bigint)",
        (
            "intake.tick",
            "UPDATE intake.shard s SET ts = greatest(s.ts, intake.clock()) FROM idle WHERE s.shard = idle.shard\n"
            "    RETURNING s.shard, s.pos, s.ts",
            "INSERT INTO said AS s SELECT shard, pos, now FROM intake.shard JOIN idle USING (shard) "
            "RETURNING s.shard, s.pos, s.w AS ts",
        ),
    ),
)


# The door

NOT_MONOTONE = Weakening(
    "`intake.accept` without `greatest(old.ts, …)`",
    sql=(("intake.accept", "greatest(old.ts, intake.clock())", "intake.clock()"),),
)
NOT_REMEMBERED = Weakening(
    "`intake.accept` does not look for known identities",
    sql=(("intake.accept", "k.id = ANY (names)", "false"),),
)
NO_IDENTITY_KEY = Weakening(
    "no primary key of identities",
    sql=("ALTER TABLE intake.identity DROP CONSTRAINT identity_pkey",),
)
ANY_CLOCK = Weakening(
    "`intake.check_clock` finds nothing",
    sql=(("intake.check_clock", "IF ahead > ahead_us_max", "IF false AND ahead > ahead_us_max"),),
)


@method(Acceptor, "_answer")
def any_body(real: Callable[..., Accepted], self: Acceptor, *args: Any) -> Accepted:
    return real(*args)._replace(same=True)


@method(DatabaseCheck, "check")
async def any_database(real: object, self: DatabaseCheck, connection: object) -> None:
    return


# Poison


@method(Stage, "_apply_to_subject")
def held_inputs_are_dropped(
    real: Callable[..., None], self: Stage[Any, Any], name: str, row: Row, result: Result
) -> None:
    if not self._subject(name).is_parked:
        real(name, row, result)


@method(Stage, "_decide")
def parked_in_memory_only(
    real: Callable[..., Sequence[Event]],
    self: Stage[Any, Any],
    name: str,
    about: Subject[Any],
    heard: Sequence[Input],
) -> Sequence[Event]:
    events = real(name, about, heard)
    return [event for event in events if not isinstance(event, CaseParked)]


@method(Runner, "_deferred_inputs")
async def forgetting_what_is_held(
    real: object, self: Runner[Any, Any], rows: Sequence[Row]
) -> dict[str, Row]:
    return {}


@method(Stage, "_release")
def without_clocks(real: object, self: Stage[Any, Any], subject: Subject[Any]) -> None:
    subject.deferred = None


@method(Routing, "_report")
def forgetting(
    real: Callable[..., Sequence[Event]],
    self: Routing,
    issue: Any,
    heard: Input,
    state: Any,
    reference: Any,
) -> Any:
    return real(issue, heard, self.initial_state, reference)


# ── Histories ────────────────────────────────────────────────────────────────────────────────────────────────────────────

Opened = Callable[[pytest.MonkeyPatch, str], AbstractAsyncContextManager[Any]]


class History(NamedTuple):
    """A small history, and what is noticed of it when all rules hold."""

    name: str
    tells: Callable[[Any], Awaitable[None]]
    world: Opened
    usual: tuple[str, ...]

    @property
    def stored(self) -> bool:
        return self.world is on_postgres


HISTORIES: dict[str, History] = {}


def history(world: Opened, *usual: str) -> Callable[[Callable[[Any], Awaitable[None]]], History]:
    def enter(tells: Callable[[Any], Awaitable[None]]) -> History:
        name = getattr(tells, "__name__", "")
        made = HISTORIES[name] = History(name, tells, world, usual)
        return made

    return enter


# Owners: a case is reported, and its deadline is far.


@history(on_postgres, "Conflict")
async def a_zombie_wakes_with_rows(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    zombie = world.owner("cases")
    await zombie.begin()
    await world.taken_over("cases")
    await world.wake(zombie)
    await world.follow()


@history(on_postgres, "Conflict")
async def a_zombie_wakes_with_a_watermark(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    await world.follow()
    await world.taken_over("calls")
    await world.announce(30 * S)
    await world.owner("cases").go()
    await world.wake(world.owner("calls"))


@history(on_postgres)
async def a_second_process_wants_the_shard(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    await world.owner("cases").begin()
    await world.owner("cases", "b").begin()
    await world.follow()


@history(on_postgres, "Unavailable")
async def a_commit_lands_after_its_retry(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    world.line.lose("WITH fence", "later")
    await world.follow()
    await world.follow()
    await world.land()


@history(on_postgres, "Unavailable")
async def a_watermark_lands_after_its_retry(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    await world.follow()
    await world.announce(20 * S)
    world.line.lose("WITH moved", "later")
    await world.follow()
    await world.follow()
    await world.come(25 * S, closing("a"))
    await world.follow()
    await world.land()


@history(on_postgres)
async def the_contract(world: OnPostgres) -> None:
    log = world.log("cases", "a")
    await log.lease(CITY)
    try:
        await a_commit_that_does_not_follow_is_refused_whole(log)
    except (Exception, pytest.fail.Exception):
        world.notice("contract")
    await world.line.fetch("TRUNCATE routing.log, routing.shard")


@history(on_postgres)
async def an_answer_is_lost_after_the_commit(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    world.line.lose("WITH fence", "now")
    await world.follow()
    await world.come(20 * S, closing("a"))
    await world.follow()


@history(on_postgres, "Unavailable")
async def an_answer_is_lost_before_the_commit(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    world.line.lose("written", "never")
    await world.follow()
    await world.come(20 * S, closing("a"))
    await world.follow()


@history(in_memory, "Unavailable", "Halted")
async def a_commit_fails_and_its_stage_goes_on(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    world.logs["cases"].away_at = 1
    owner = world.owner("cases")
    await owner.begin()
    runner = owner.runner
    await owner.go()
    owner.runner = runner
    await owner.go()


@history(in_memory, "Unavailable")
async def the_second_commit_fails(world: InMemory) -> None:
    world.logs["cases"].away_at = 2
    await world.come(10 * S, report("a", 20 * S))
    await world.follow()
    await world.come(15 * S, closing("a"))
    await world.follow()


@history(in_memory)
async def an_owner_dies_after_its_commit(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.follow()
    world.owner("calls").die()
    await world.announce(30 * S)
    await world.follow()


# Readers


@history(in_memory, "Halted")
async def a_row_is_lost_on_the_way(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S), closing("a"), report("b", 99 * S))
    world.logs["intake"].garbled = lambda rows: [row for row in rows if row.position != 2]
    await world.follow()


@history(in_memory, "Halted")
async def a_row_comes_twice(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S), visit("a"))
    world.logs["intake"].garbled = lambda rows: [*rows, *rows[1:]]
    await world.follow()


@history(on_postgres)
async def a_shard_comes_back_to_its_first_owner(world: OnPostgres) -> None:
    for number, process in enumerate(("a", "b", "a")):
        await world.come((number + 1) * 10 * S, report(process + str(number), 99 * S))
        await world.expire("cases")
        world.owner("cases", process).die()
        await world.owner("cases", process).go()
    await world.owner("calls").go()


@history(on_postgres)
async def two_commits_cross(world: OnPostgres) -> None:
    await world.come(5 * S, report("before", 99 * S))
    async with world.coming(10 * S, report("a", 99 * S)):
        other = asyncio.create_task(
            world.post(Acceptor(world.line, Notifier()), report("b", 99 * S))
        )
        await world.done_or_waiting(other)
        await world.follow()
    await other
    await world.come(20 * S, report("after", 99 * S))
    await world.follow()


# Time


@history(in_memory)
async def escalation_was_away_for_a_while(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.come(20 * S, closing("a"))
    await world.announce(30 * S)
    await world.follow()


@history(on_postgres)
async def the_clock_steps_back(world: OnPostgres) -> None:
    await world.come(20 * S, report("a", 99 * S))
    await world.follow()
    await world.set_clock(21 * S, wall=10 * S)
    await world.post(Acceptor(world.line, Notifier()), closing("a"))
    await world.follow()


@history(in_memory)
async def a_deadline_between_two_watermarks(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    for watermark in (25, 40):
        await world.announce(watermark * S)
        await world.follow()


@history(in_memory)
async def a_case_is_closed_when_it_is_due(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.announce(20 * S)
    await world.follow()
    await world.come(20 * S, closing("a"))
    await world.announce(30 * S)
    await world.follow()


@history(in_memory)
async def three_cases_are_due_together(world: InMemory) -> None:
    await world.come(10 * S, report("soon", 15 * S))
    await world.come(10 * S, report("c", 30 * S))
    await world.announce(20 * S)
    await world.follow()
    await world.come(21 * S, report("b", 30 * S), report("a", 30 * S))
    await world.follow()
    world.owner("calls").die()
    await world.announce(40 * S)
    await world.follow()


@history(in_memory)
async def an_early_ending_meets_a_deadline_that_is_past(world: InMemory) -> None:
    await world.come(10 * S, closing("a"))
    await world.come(12 * S, report("a", 5 * S))
    await world.announce(30 * S)
    await world.follow()


@history(on_postgres)
async def time_is_told_while_an_input_is_on_its_way(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.follow()
    async with world.coming(20 * S, closing("a")):
        await world.announce(30 * S)
        await world.follow()
    await world.follow()


@history(on_postgres)
async def the_clock_steps_back_after_time_was_told(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.announce(30 * S)
    await world.follow()
    await world.set_clock(31 * S, wall=20 * S)
    await world.post(Acceptor(world.line, Notifier()), closing("a"))
    await world.follow()


@history(in_memory)
async def half_of_the_rows_are_read(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.come(20 * S, closing("a"))
    await world.announce(30 * S)
    await world.owner("cases").go()
    owner = world.owner("calls")
    await owner.begin()
    assert owner.runner
    owner.runner.batch = 2
    await owner.runner.step()
    await owner.noticed(owner.runner.advance_time())
    await world.follow()


@history(in_memory)
async def a_pause_before_a_commit(world: InMemory) -> None:
    await world.come(10 * S, report("a", 20 * S))
    await world.follow()
    await world.come(20 * S, closing("a"))
    await world.announce(30 * S)
    world.logs["cases"].paused = world.owner("calls").go
    await world.follow()


@history(in_memory)
async def a_map_is_adopted_between_two_reports(world: InMemory) -> None:
    for event in (
        report("a", 99 * S, IN_0101),
        MAP_ADOPTED,
        ROSTER_SENT,
        report("b", 99 * S, IN_0101),
    ):
        await world.come(10 * S, event)
        await world.follow()


# The door


@history(on_postgres, "Unavailable")
async def a_reference_comes_again(world: OnPostgres) -> None:
    world.line.lose("intake.accept", "later")
    for _ in range(3):
        await world.come(10 * S, report("a", 99 * S))
    try:
        await world.line.land()
    except asyncpg.PostgresError as fault:
        world.notice(type(fault).__name__)
    await world.follow()


@history(on_postgres, "409")
async def a_reference_comes_again_with_another_body(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    await world.come(11 * S, report("a", 20 * S))
    await world.follow()


@history(on_postgres, "ClockLeapt")
async def the_clock_leaps_for_a_moment(world: OnPostgres) -> None:
    await world.come(10 * S, report("a", 99 * S))
    await world.set_clock(11 * S, wall=3611 * S)
    await world.post(Acceptor(world.line, Notifier()), report("b", 99 * S))
    await world.come(12 * S, report("b", 99 * S))
    await world.follow()


@history(on_postgres, "NewGeneration")
async def a_backup_of_intake_is_restored(world: OnPostgres) -> None:
    """The stages have databases of their own. Every process begins anew."""
    with tempfile.TemporaryDirectory() as folder:
        await world.come(10 * S, report("a", 99 * S))
        await world.come(11 * S, report("b", 99 * S))
        await world.follow()
        check = DatabaseCheck(Path(folder), world.url, "intake")
        await world.line.on_connection(check.announce)
        for table in ("log", "identity"):
            await world.line.fetch(f"DELETE FROM intake.{table} WHERE pos = 2")
        await world.line.fetch("UPDATE intake.shard SET pos = 1, ts = $1", 10 * S)
        del world.sent[1:]
        try:
            await world.line.on_connection(check.check)
        except NewGeneration as fault:
            world.notice(type(fault).__name__)
            await world.line.on_connection(partial(check.accept, upstream=UPSTREAM))
        await world.come(12 * S, report("c", 99 * S))
        for log in STAGES:
            await world.owner(log, "begun anew").go()


# Poison


@history(in_memory)
async def a_case_is_poison(world: InMemory) -> None:
    poison(world.patch, "bad", KeyError("surprise"), times=99)
    await world.come(10 * S, report("bad", 99 * S), report("good", 99 * S))
    await world.follow()
    world.owner("cases").die()
    await world.come(11 * S, closing("bad"))
    await world.follow()


@history(in_memory, "MemoryError")
async def memory_is_short_for_a_moment(world: InMemory) -> None:
    poison(world.patch, "a", MemoryError(), times=1)
    await world.come(10 * S, report("a", 99 * S))
    await world.follow()


def poison(patch: pytest.MonkeyPatch, name: str, fault: Exception, times: int) -> None:
    """Deciding about one report raises this, so many times."""
    decide, left = Routing.decide, [fault] * times

    def decided(self: Routing, heard: Input, state: Any, reference: Any) -> Sequence[Event]:
        if left and isinstance(heard.event, IssueReported) and heard.event.reference == name:
            raise left.pop()
        return decide(self, heard, state, reference)

    patch.setattr(Routing, "decide", decided)


@history(in_memory)
async def parked_cases_are_retried(world: InMemory) -> None:
    """One that routing cannot decide without a map, one that escalation cannot decide without policies."""
    poison_until(world.patch, Routing, "bad", "map_digest")
    poison_until(world.patch, Escalation, "worse", "policies")
    await world.come(10 * S, report("bad", 99 * S), report("worse", 13 * S))
    await world.come(11 * S, visit("bad"), retry("bad", "cases"))
    await world.follow()
    await world.come(12 * S, closing("bad"), MAP_ADOPTED, POLICIES_SENT)
    await world.follow()
    for log in STAGES:
        world.owner(log).die()
    await world.come(14 * S, retry("bad", "cases"), retry("worse", "calls"), retry("good", "cases"))
    await world.come(15 * S, report("good", 99 * S))
    await world.follow()
    await world.announce(16 * S)
    await world.follow()


@history(in_memory)
async def clocks_ran_out_behind_a_parked_case(world: InMemory) -> None:
    poison_until(world.patch, Escalation, "a", "policies", AnswerPassedOn)
    await world.come(10 * S, report("a", 13 * S))
    await world.come(
        11 * S,
        AnswerGiven(action=acted("a answered"), issue=case_of("a"), call="call", by="officer"),
    )
    await world.come(14 * S, POLICIES_SENT, retry("a", "calls"))
    await world.follow()
    await world.announce(16 * S)
    await world.follow()


def poison_until(
    patch: pytest.MonkeyPatch, service: type[Any], name: str, adopted: str, kind: type[Any] = object
) -> None:
    """Deciding about one case fails before something is adopted."""
    decide = service.decide

    def decided(self: Any, heard: Input, state: Any, reference: Any) -> Sequence[Event]:
        event = heard.event
        ready = (
            getattr(reference, adopted)
            or isinstance(event, TimerFired)
            or not isinstance(event, kind)
        )
        if not ready and self.subject(event) == case_of(name):
            raise KeyError(adopted)
        found: Sequence[Event] = decide(self, heard, state, reference)
        return found

    patch.setattr(service, "decide", decided)


# ── The table ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Planted(NamedTuple):
    """A rule, how it is weakened, in which history, and what catches it: verify and the checker are named where they do.

    `masked_by`: nothing changes, because another rule stands behind this one; another row weakens both.
    """

    name: str
    rule: str
    weakened: tuple[Weakening, ...]
    history: History
    caught_by: tuple[str, ...] = ()
    masked_by: str = ""

    @property
    def line(self) -> str:
        """Its line in docs/planted-bugs.md."""
        how = "; ".join(weakening.how for weakening in self.weakened)
        found = ", ".join(self.caught_by) or f"nothing: masked by {self.masked_by}"
        return f"| {self.rule} | {how} | {self.history.name.replace('_', ' ')} | {found} |"


PLANTED = (
    # The fence
    Planted(
        "an epoch in the fence of a commit",
        "A commit names the epoch of its lease.",
        (NO_EPOCH,),
        a_zombie_wakes_with_rows,
        ("a zombie wrote",),
    ),
    Planted(
        "an epoch in the fence of a watermark",
        "A watermark that is passed on names the epoch of its lease.",
        (NO_EPOCH_ANNOUNCED,),
        a_zombie_wakes_with_a_watermark,
        ("a zombie wrote",),
    ),
    Planted(
        "a new epoch",
        "Each lease has an epoch of its own.",
        (SAME_EPOCH,),
        a_zombie_wakes_with_rows,
        ("a zombie wrote",),
    ),
    Planted(
        "one lease",
        "A shard is leased to one owner at a time.",
        (LEASED_TWICE,),
        a_second_process_wants_the_shard,
        ("Conflict",),
    ),
    Planted(
        "a position in the fence of a commit",
        "A commit names the position that it follows.",
        (NO_POSITION,),
        the_contract,
        ("contract",),
    ),
    Planted(
        "a position in the fence of a commit, late",
        "The same, where a commit in doubt lands after its retry.",
        (NO_POSITION,),
        a_commit_lands_after_its_retry,
        masked_by="the epoch: whoever tries again has a new lease",
    ),
    Planted(
        "epoch and position in the fence of a commit",
        "A commit names epoch and position.",
        (NO_POSITION, NO_EPOCH),
        a_commit_lands_after_its_retry,
        ("UniqueViolationError",),
    ),
    Planted(
        "epoch, position and key",
        "A commit names epoch and position, and a position is there once.",
        (NO_POSITION, NO_EPOCH, NO_PRIMARY_KEY),
        a_commit_lands_after_its_retry,
        ("a zombie wrote", "verify", "checker: gap"),
    ),
    Planted(
        "a position in the fence of a watermark",
        "A watermark that is passed on names the position that it follows.",
        (NO_POSITION_ANNOUNCED,),
        a_watermark_lands_after_its_retry,
        masked_by="the epoch: whoever tries again has a new lease",
    ),
    Planted(
        "epoch and position in the fence of a watermark",
        "A watermark that is passed on names epoch and position.",
        (NO_POSITION_ANNOUNCED, NO_EPOCH_ANNOUNCED),
        a_watermark_lands_after_its_retry,
        ("a zombie wrote",),
    ),
    Planted(
        "a time in the fence of a commit",
        "A commit names a time that is not before what was announced.",
        (NO_TIME,),
        the_contract,
        ("contract",),
    ),
    # Commits in doubt, and stages after a fault
    Planted(
        "looking after a lost answer",
        "A commit whose answer was lost is looked up.",
        (TRIED_AGAIN,),
        an_answer_is_lost_after_the_commit,
        ("Conflict",),
    ),
    Planted(
        "looking after a lost answer, without position",
        "The same, without the fence's position.",
        (TRIED_AGAIN, NO_POSITION),
        an_answer_is_lost_after_the_commit,
        ("UniqueViolationError",),
    ),
    Planted(
        "looking after a lost answer, without position and key",
        "The same, without the primary key as well.",
        (TRIED_AGAIN, NO_POSITION, NO_PRIMARY_KEY),
        an_answer_is_lost_after_the_commit,
        ("verify", "checker: gap"),
    ),
    Planted(
        "not taking a commit for granted",
        "A commit whose answer was lost may not have happened.",
        (Weakening("`PostgresLog._happened` says yes", surely),),
        an_answer_is_lost_before_the_commit,
        ("Conflict",),
    ),
    Planted(
        "one transaction",
        "Position and rows are one transaction.",
        (
            Weakening(
                "`COMMIT` moves the position first, and writes the rows after", position_first
            ),
        ),
        an_answer_is_lost_before_the_commit,
        ("verify", "checker: gap"),
    ),
    Planted(
        "a batch whole",
        "A batch is one commit: no decision is torn.",
        (Weakening("`Runner._commit` commits row by row", row_by_row),),
        the_second_commit_fails,
        ("verify", "checker: state"),
    ),
    Planted(
        "stopping after a failed commit",
        "A stage whose commit failed does nothing any more.",
        (Weakening("`Stage.stop` does nothing", never_stop),),
        a_commit_fails_and_its_stage_goes_on,
        ("verify", "checker: outcome"),
    ),
    Planted(
        "recalling all",
        "A new owner recalls its whole log.",
        (Weakening("`Runner.replay` leaves out the last decision", recall_less),),
        an_owner_dies_after_its_commit,
        ("Conflict", "stands still: Conflict"),
    ),
    Planted(
        "recalling all that was decided",
        "A new owner's state is the fold of its whole log.",
        (
            Weakening(
                "`Stage.recall` numbers the last decision, and does not evolve it",
                recall_numbers_only,
            ),
        ),
        an_owner_dies_after_its_commit,
        ("verify", "checker: deadline"),
    ),
    # Readers
    Planted(
        "no gap",
        "A reader accepts the next position only.",
        (NO_GAP_RULE,),
        a_row_is_lost_on_the_way,
        ("verify", "checker: outcome"),
    ),
    Planted(
        "no repeat",
        "A reader refuses a position that it has.",
        (Weakening("`Stage` applies a row again", again_and_again),),
        a_row_comes_twice,
        ("verify", "checker: outcome"),
    ),
    Planted(
        "a tail without a hole",
        "What a process keeps of a log that it writes has no gap.",
        (HOLED_TAIL,),
        a_shard_comes_back_to_its_first_owner,
        ("Halted",),
    ),
    Planted(
        "a tail without a hole, read over gaps",
        "The same, without the rule about gaps.",
        (HOLED_TAIL, NO_GAP_RULE),
        a_shard_comes_back_to_its_first_owner,
        ("verify", "checker: clock"),
    ),
    Planted(
        "positions in the order of commits",
        "Positions are given under the lock of the shard's row.",
        (FROM_A_SEQUENCE,),
        two_commits_cross,
        ("Halted",),
    ),
    Planted(
        "positions in the order of commits, read over gaps",
        "The same, without the rule about gaps.",
        (FROM_A_SEQUENCE, NO_GAP_RULE),
        two_commits_cross,
        ("verify", "checker: outcome"),
    ),
    # Time
    Planted(
        "the time of the log",
        "A stage's clock is the time of what it reads.",
        (Weakening("`Stage._fire_before` goes by a wall clock that is later", by_wall_clock),),
        escalation_was_away_for_a_while,
        ("checker: deadline",),
    ),
    Planted(
        "time never goes back",
        "The door's time never goes back.",
        (NOT_MONOTONE,),
        the_clock_steps_back,
        ("AssertionError", "stands still: AssertionError", "checker: time"),
    ),
    Planted(
        "the time of a fired event",
        "A fired event takes its time from its clock.",
        (
            Weakening(
                "a fired event's `ts` is that of what let time pass",
                of_what_let_it_pass(lambda heard, cause, t: (heard._replace(time=t), cause)),
            ),
        ),
        a_deadline_between_two_watermarks,
        ("verify", "checker: deadline"),
    ),
    Planted(
        "the cause of a fired event",
        "A fired event's cause is its clock.",
        (
            Weakening(
                "a fired event's cause is what let time pass",
                of_what_let_it_pass(lambda heard, cause, t: (heard, f"watermark/{t}")),
            ),
        ),
        a_deadline_between_two_watermarks,
        ("verify", "checker: cause"),
    ),
    Planted(
        "before a watermark",
        "A watermark w fires what was due before w.",
        (Weakening("`Stage.advance_time` fires what was due at w, too", at_a_watermark_too),),
        a_case_is_closed_when_it_is_due,
        ("verify", "checker: deadline"),
    ),
    Planted(
        "before an input",
        "An input of time t fires what was due before t.",
        (Weakening("`Stage._fire_before` fires what was due at t, too", at_it_too),),
        a_case_is_closed_when_it_is_due,
        ("checker: deadline",),
    ),
    Planted(
        "an order below the due time",
        "Clocks fire in the order (due, case, kind, run).",
        (Weakening("`Timer` is ordered by its due time alone", untied),),
        three_cases_are_due_together,
        ("verify",),
    ),
    Planted(
        "decisions whole",
        "Only a decision's first event lets time pass.",
        (Weakening("`Stage._apply` takes every row for a first one", inside_a_decision),),
        an_early_ending_meets_a_deadline_that_is_past,
        ("checker: deadline",),
    ),
    Planted(
        "asked under the map in force",
        "A batch is cut where a map is adopted.",
        (
            Weakening(
                "`cut_at_reference` does not cut",
                value("eventlog.core.stage.cut_at_reference", lambda rows: [rows] if rows else []),
            ),
        ),
        a_map_is_adopted_between_two_reports,
        ("verify",),
    ),
    # Watermarks
    Planted(
        "time told under the lock",
        "A watermark is told under the lock that gives times.",
        (UNLOCKED,),
        time_is_told_while_an_input_is_on_its_way,
        ("Conflict", "stands still: Conflict", "checker: lag"),
    ),
    Planted(
        "time told under the lock, and no fence",
        "The same, without the time in the fence of commits.",
        (UNLOCKED, NO_TIME),
        time_is_told_while_an_input_is_on_its_way,
        ("verify", "checker: deadline"),
    ),
    Planted(
        "time told by a commit",
        "A watermark is a committed update.",
        (NOT_WRITTEN,),
        the_clock_steps_back_after_time_was_told,
        ("Conflict", "stands still: Conflict", "checker: lag"),
    ),
    Planted(
        "time told by a commit, and no fence",
        "The same, without the time in the fence of commits.",
        (NOT_WRITTEN, NO_TIME),
        the_clock_steps_back_after_time_was_told,
        ("verify", "checker: deadline"),
    ),
    Planted(
        "believed after reading",
        "A watermark is believed when its position was read.",
        (Weakening("`Runner.advance_time` believes every watermark", believe_at_once),),
        half_of_the_rows_are_read,
        ("Conflict", "stands still: Conflict", "checker: lag"),
    ),
    Planted(
        "passed on after the commit",
        "A stage passes a watermark on after its own commit.",
        (Weakening("`Runner._commit` announces first", announce_first),),
        a_pause_before_a_commit,
        ("Conflict", "stands still: Conflict", "verify", "checker: lag"),
    ),
    # The door
    Planted(
        "references remembered",
        "A reference is accepted once.",
        (NOT_REMEMBERED,),
        a_reference_comes_again,
        ("UniqueViolationError",),
    ),
    Planted(
        "references remembered, and no key",
        "The same, where identities have no primary key.",
        (NOT_REMEMBERED, NO_IDENTITY_KEY),
        a_reference_comes_again,
        ("checker: twice", "checker: position"),
    ),
    Planted(
        "another body refused",
        "A reference with another body is refused.",
        (Weakening("`Door._answer` does not compare contents", any_body),),
        a_reference_comes_again_with_another_body,
        ("clients",),
    ),
    Planted(
        "clock leaps",
        "A clock that leaps ahead is confirmed before it is followed.",
        (ANY_CLOCK,),
        the_clock_leaps_for_a_moment,
        ("clients",),
    ),
    Planted(
        "generations",
        "A database that lies behind what was announced is another one.",
        (Weakening("`DatabaseCheck.check` finds nothing", any_database),),
        a_backup_of_intake_is_restored,
        ("verify", "checker: outcome"),
    ),
    # Poison, and what comes early
    Planted(
        "poison parks its case alone",
        "A fault of one case does not stop the shard.",
        (
            Weakening(
                "every fault stops the shard",
                value("eventlog.core.stage.NOT_THE_CASES_FAULT", (Exception,)),
            ),
        ),
        a_case_is_poison,
        ("stands still: KeyError", "checker: lag"),
    ),
    Planted(
        "what is no fault of a case",
        "Out of memory and the like stop the shard, and park nothing.",
        (
            Weakening(
                "every fault parks its case", value("eventlog.core.stage.NOT_THE_CASES_FAULT", ())
            ),
        ),
        memory_is_short_for_a_moment,
        ("verify",),
    ),
    Planted(
        "later inputs are held",
        "Later inputs of a parked case are held behind it.",
        (
            Weakening(
                "`Stage._apply_to_subject` drops the inputs of a parked case",
                held_inputs_are_dropped,
            ),
        ),
        a_case_is_poison,
        ("checker: outcome",),
    ),
    Planted(
        "parked is an event",
        "That a case is parked is an event.",
        (Weakening("`Stage._decide` parks in memory only", parked_in_memory_only),),
        a_case_is_poison,
        ("verify", "checker: outcome"),
    ),
    Planted(
        "a new owner finds what is held",
        "A new owner finds what waits behind a parked case.",
        (Weakening("`Runner.replay` forgets it", forgetting_what_is_held),),
        parked_cases_are_retried,
        ("verify", "checker: case", "checker: clock"),
    ),
    Planted(
        "overdue clocks fire after a retry",
        "The clocks of a retried case run on.",
        (Weakening("`Stage._release` starts no clock", without_clocks),),
        clocks_ran_out_behind_a_parked_case,
        ("checker: deadline",),
    ),
    Planted(
        "what came early applies at the report",
        "Waiting actions apply at the report, in that decision.",
        (Weakening("`Routing._report` forgets what waits", forgetting),),
        an_early_ending_meets_a_deadline_that_is_past,
        ("checker: outcome",),
    ),
)


HEAD = "| rule | weakened | history | caught by |\n|---|---|---|---|"


async def outcome(told: History, weakened: Sequence[Weakening], url: str) -> set[str]:
    """What is noticed of a history."""
    with pytest.MonkeyPatch.context() as patch:
        for weakening in weakened:
            if weakening.plant:
                weakening.plant(patch)
        async with told.world(patch, url) as world:
            for weakening in weakened:
                for change in weakening.sql:
                    await world.change(change)
            await told.tells(world)
            return set(await world.judged())


if __name__ == "__main__":
    print(HEAD, *(planted.line for planted in PLANTED), sep="\n")
