"""State rows on Postgres: their contract, their plans, and owners that begin with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from eventlog.checkpoints import Cadence, StateStore
from eventlog.core.decider import REFERENCE
from eventlog.core.row import Draft
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, open_database
from eventlog.postgres.states import LIVE, LOAD, PostgresStates
from eventlog.runner import Runner
from events.errors import Unavailable
from events.topology import WRITER
from gridcall.pipeline import pipeline
from gridcall.verify import verify
from tests.contract.states_contract import CONTRACT, LAST, SHARD, Clause, row, rows_after
from tests.harness.city import CONTENTS, MAP_ADOPTED, POLICIES_SENT, ROSTER_SENT
from tests.mutation.inputs import S, case_of, closing, reopening_of, report, subject
from tests.mutation.postgres import with_checkpoints

AT_ONCE = Cadence(rows=1, part=3)
LOGS = ("intake", "cases", "calls", "evaluations")


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
async def test_state_rows_on_postgres(clause: Clause, database: str) -> None:
    async with open_database(database, size=3) as db:
        world = StatesOnPostgres(db)
        await world.cut_and_go_on(0)
        await clause(world)


class StatesOnPostgres:
    """A shard of a log on Postgres."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def new_log(self) -> PostgresLog:
        log = PostgresLog("cases", "routing", self.database, Notifier(), "owner")
        assert await log.lease(SHARD)
        return log

    async def new_owner(self) -> StateStore:
        return (await self.new_log()).states

    async def cut_and_go_on(self, position: int) -> None:
        fetch = self.database.fetch
        await fetch("DELETE FROM routing.log WHERE pos > $1", position)
        await fetch("UPDATE routing.shard SET pos = $1", position)
        await (await self.new_log()).commit(SHARD, rows_after(position))


class District:
    """A district on Postgres, whose stages write a checkpoint after each batch."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.logs = self.new_logs()

    def new_logs(self) -> dict[str, PostgresLog]:
        notifier = Notifier()
        return {
            name: PostgresLog(name, WRITER[name], self.database, notifier, "owner", AT_ONCE)
            for name in LOGS
        }

    async def come(self, at: int, *events: Any) -> None:
        drafts = [Draft(at * S, subject(event), event) for event in events]
        await self.logs["intake"].append(SHARD, drafts)
        await self.logs["intake"].announce(SHARD, at * S)

    async def take_over(self) -> list[Runner[Any, Any]]:
        """Let new owners begin, and apply all that there is."""
        self.logs = self.new_logs()
        runners = []
        for stages in pipeline(CONTENTS):
            assert await self.logs[stages.sink].lease(SHARD)
            runner = stages.processor(SHARD, self.logs)
            await runner.replay()
            await runner.catch_up()
            runners.append(runner)
        return runners

    async def states_of(self, service: str) -> dict[str, tuple[int, bool]]:
        """Return number and liveness of each state row."""
        records = await self.database.fetch(f"SELECT subject, seq, live FROM {service}.state")
        return {record["subject"]: (record["seq"], record["live"]) for record in records}


@asynccontextmanager
async def open_district(url: str) -> AsyncIterator[District]:
    async with open_database(url, size=3) as database:
        await database.fetch("SELECT intake.add_district($1)", SHARD)
        district = District(database)
        await district.come(1, MAP_ADOPTED, ROSTER_SENT, POLICIES_SENT)
        await district.come(2, report("a", 99 * S), report("b", 50 * S), closing("a"))
        yield district


async def test_a_settled_case_is_in_its_state_row_alone_until_it_reopens(database: str) -> None:
    a, b = case_of("a"), case_of("b")
    async with open_district(database) as district:
        await district.take_over()
        assert (await district.states_of("routing"))[a][1] is False
        routing, escalation, _ = await district.take_over()
        for runner in (routing, escalation):
            assert runner.stage.aggregates.by_name.keys() & {a, b} == {b}
        await district.come(60, reopening_of("a"))
        routing, escalation, _ = await district.take_over()
        assert routing.stage.aggregates.by_name.keys() >= {a, b}
        assert (await district.states_of("routing"))[a][1] is True
        rows = await district.logs["cases"].read(SHARD, 0, 99)
        assert [type(row.event).__name__ for row in rows if row.subject == a][-1] == "CaseReopened"


async def test_state_rows_that_were_dropped_are_folded_again(database: str) -> None:
    async with open_district(database) as district:
        await district.take_over()
        stored = await district.states_of("routing"), await district.states_of("escalation")
        await district.database.fetch("TRUNCATE routing.state, escalation.state")
        await district.take_over()
        assert stored == (
            await district.states_of("routing"),
            await district.states_of("escalation"),
        )


class CountedDatabase:
    """A database that ends after some statements."""

    def __init__(self, database: Database, statements: int) -> None:
        self.database = database
        self.left = statements

    async def fetch(self, sql: str, /, *args: object) -> list[asyncpg.Record]:
        if not self.left:
            raise Unavailable("the database ended")
        self.left -= 1
        return await self.database.fetch(sql, *args)


async def test_state_rows_are_dropped_in_parts_and_are_invalid_after_the_first(
    database: str,
) -> None:
    async with open_database(database, size=3) as db:
        world = StatesOnPostgres(db)
        await world.cut_and_go_on(0)
        log = await world.new_log()
        await log.states.claim(SHARD, "v")
        rows = [row(f"a{i}", live=i % 2 == 0) for i in range(8)]
        await log.states.write(SHARD, rows, LAST, LAST)
        ending = CountedDatabase(db, statements=2)
        states = PostgresStates("cases", "routing", ending, log.epoch, AT_ONCE)
        with pytest.raises(Unavailable):
            await states.drop(SHARD)
        assert [each.subject for each in await log.states.page(SHARD, "", 9)] == ["a6", "a7"]
        assert await log.states.claim(SHARD, "v") == 0
        ending.left = 2
        await states.drop(SHARD)
        assert not await log.states.page(SHARD, "", 9)


async def test_a_log_that_was_made_again_begins_without_its_old_states(database: str) -> None:
    """An operator may take out what stages made, so that they make it again."""
    async with open_district(database) as district:
        for _ in range(3):
            await district.take_over()
        for schema in ("assessment", "escalation", "routing"):
            await district.database.fetch(f"TRUNCATE {schema}.log, {schema}.shard")
        await district.take_over()
        await district.come(3, closing("b"))
        await district.take_over()
        assert not any(live for _, live in await live_cases(district))


async def live_cases(district: District) -> list[tuple[int, bool]]:
    states = await district.states_of("routing")
    return [states[case_of(name)] for name in "ab"]


@pytest.mark.parametrize(
    ("statement", "args"),
    [
        (LIVE, "('city')"),
        (LOAD, "('city', 'a')"),
    ],
)
async def test_state_rows_are_read_by_an_index(statement: str, args: str, database: str) -> None:
    async def explain(connection: asyncpg.Connection[Any]) -> str:
        await connection.execute(f"PREPARE reading AS {statement.format(schema='routing')}")
        records = await connection.fetch(f"EXPLAIN EXECUTE reading{args}")
        return "\n".join(record[0] for record in records)

    async with open_database(database) as db:
        plan = await db.on_connection(explain)
    assert "Index Scan using state_" in plan
    assert "Seq Scan" not in plan


TAMPERED = {
    "changed": "UPDATE routing.state SET data = "
    "convert_to(replace(convert_from(data, 'UTF8'), 'Noise', 'Music'), 'UTF8') WHERE subject = $1",
    "of a later number": "UPDATE routing.state SET seq = seq + 1 WHERE subject = $1",
    "of an earlier number": "UPDATE routing.state SET seq = seq - 1 WHERE subject = $1",
    "called settled": "UPDATE routing.state SET live = NOT live WHERE subject = $1",
    "removed": "DELETE FROM routing.state WHERE subject = $1",
    "added": "INSERT INTO routing.state SELECT shard, subject || '0', seq, live, data "
    "FROM routing.state WHERE subject = $1",
    "of a later position": "UPDATE routing.checkpoint SET pos = pos + 1 WHERE $1 <> ''",
}


@pytest.mark.parametrize(
    ("how", "name"),
    [(how, name) for how in TAMPERED for name in ("a", "b", "") if name or how != "changed"],
)
async def test_verify_finds_a_state_row_that_is_not_the_fold(
    how: str, name: str, database: str
) -> None:
    subject_ = case_of(name) if name else REFERENCE
    with pytest.MonkeyPatch.context() as patch:
        async with with_checkpoints(patch, database) as world:
            await world.come(10 * S, MAP_ADOPTED, report("a", 99 * S), report("b", 99 * S))
            await world.come(11 * S, closing("a"))
            await world.follow()
            (before,) = await verify(database, patience_seconds=0)
            assert (before.difference, before.states) == (None, 6)
            await world.connection.fetch(TAMPERED[how], subject_)
            (after,) = await verify(database, patience_seconds=0)
    assert after.difference
    assert str(after.difference).startswith(("states differs", "cases is contradicted"))
