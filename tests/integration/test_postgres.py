"""The log on Postgres passes the contract; its plans and its schema are pinned."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text

from assessment.tables import METADATA as ASSESSMENT
from eventlog.core.log import Log
from eventlog.core.row import Generation, Row
from eventlog.notifier import Notifier
from eventlog.postgres.generation import DatabaseCheck, cut
from eventlog.postgres.log import Fence, PostgresLog
from eventlog.postgres.migrate import open_server, run_on_sqlalchemy
from eventlog.postgres.pool import PINNED, open_database
from eventlog.postgres.statements import COMMIT, LATE, READ, WITH_TRACES, WITHOUT_TRACES
from eventlog.postgres.tables import metadata_of
from eventlog.program import open_pool
from events.catalogue import VisitMade
from events.errors import Conflict, Halted, Unavailable
from events.topology import WRITER
from gridcall.host.migrations import prepare
from intake.acceptor import AHEAD_US_MAX, Acceptor, now_us
from intake.item_codec import item_of
from intake.store import IntakeStore
from intake.tables import METADATA as INTAKE
from screen.tables import METADATA as SCREEN
from tests.contract.log_contract import (
    CONTRACT,
    SHARD,
    late_rows_are_found_by_their_cause,
    row_at,
    visit,
)
from tests.harness.postgres import execute
from tests.harness.senders import SENDER
from tests.harness.tracers import TracedLog
from tests.harness.waiting import wait_for_condition


class Forgetful(PostgresLog):
    """A log that reads its own new rows from the table, too."""

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        self._tails.clear()
        return await super().read(shard, after, limit)


@asynccontextmanager
async def open_log(
    url: str, name: str = "intake", owner: str = "a", kind: type[PostgresLog] = PostgresLog
) -> AsyncIterator[PostgresLog]:
    async with open_database(url, size=3) as database:
        yield kind(name, WRITER[name], database, Notifier(), owner)


@pytest.mark.parametrize("kind", [PostgresLog, Forgetful, TracedLog])
@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
async def test_the_log_on_postgres(
    clause: Callable[[Log], Awaitable[None]], kind: type[PostgresLog], database: str
) -> None:
    async with open_log(database, kind=kind) as log:
        await log.lease(SHARD)
        await clause(log)


async def test_the_log_on_postgres_finds_late_rows(database: str) -> None:
    async with open_log(database, "cases") as log:
        await log.lease(SHARD)
        await late_rows_are_found_by_their_cause(log, log)
        await log.database.fetch("SET enable_seqscan = off")
        statement = LATE.format(schema="routing")
        plan = await log.database.fetch(f"EXPLAIN {statement}", SHARD, "intake/city/1")
        assert "log_late" in "".join(line for (line,) in plan)


async def test_a_row_whose_fields_are_not_of_its_type_halts_its_readers(database: str) -> None:
    async with open_log(database) as log:
        await log.append(SHARD, [visit(1, 1)])
    await execute(database, "UPDATE intake.log SET data = '{}'")
    async with open_log(database) as log:
        with pytest.raises(Halted, match=r"city/1 is no gridcall.visit-made.v1 of this build"):
            await log.read(SHARD, 0, 10)


async def test_a_zombie_cannot_commit(database: str) -> None:
    async with (
        open_log(database, "cases", "a") as zombie,
        open_log(database, "cases", "b") as owner,
    ):
        assert await zombie.lease(SHARD)
        await zombie.commit(SHARD, [row_at(zombie, 1, 5)])
        await owner.database.fetch(
            "UPDATE routing.shard SET leased_until = clock_timestamp()"
        )  # It was paused.
        assert await owner.lease(SHARD)
        with pytest.raises(Conflict, match="another owner, 'b'"):
            await zombie.commit(SHARD, [row_at(zombie, 2, 6, sequence=2)])
        with pytest.raises(Conflict, match="another owner"):
            await zombie.announce(SHARD, 9)
        with pytest.raises(Conflict, match="another owner"):
            await zombie.renew(SHARD)
        await owner.commit(SHARD, [row_at(owner, 2, 6, sequence=2)])
        assert len(await owner.read(SHARD, 0, 9)) == 2


async def test_a_zombie_from_before_a_restore_cannot_commit(database: str) -> None:
    """The restored database has forgotten its lease, and the next owner is as far as it was."""
    async with (
        open_log(database, "cases", "a") as zombie,
        open_log(database, "cases", "b") as owner,
    ):
        assert await zombie.lease(SHARD)
        await owner.database.fetch("UPDATE routing.shard SET epoch = 0, leased_until = '-infinity'")
        assert await owner.lease(SHARD)
        with pytest.raises(Conflict, match="another owner, 'b'"):
            await zombie.commit(SHARD, [row_at(zombie, 1, 5)])
        await owner.commit(SHARD, [row_at(owner, 1, 5)])


async def test_a_reader_that_knows_of_a_cut_reads_nothing_that_was_cut_away(database: str) -> None:
    async with open_log(database, "cases") as log:
        assert await log.lease(SHARD)
        await log.commit(SHARD, [row_at(log, 1, 5), row_at(log, 2, 6, sequence=2)])
        await log.database.on_connection(cut_after_the_first)
        assert (await log.generation(SHARD)).number == 7
        assert [row.position for row in await log.read(SHARD, 0, 9)] == [1]


async def cut_after_the_first(connection: asyncpg.Connection[Any]) -> None:
    await cut("routing", connection, {SHARD: Generation(7, 1, 1)}, {SHARD: 6})


async def test_a_lease_is_for_one_owner_until_it_runs_out_or_is_released(database: str) -> None:
    async with open_log(database, "cases", "a") as one, open_log(database, "cases", "b") as other:
        assert await one.lease(SHARD)
        assert not await other.lease(SHARD)
        assert await one.lease(SHARD)
        await one.release(SHARD)
        assert await other.lease(SHARD)


async def test_a_lease_that_was_released_is_not_renewed(database: str) -> None:
    async with open_log(database, "cases", "a") as one, open_log(database, "cases", "b") as other:
        assert await one.lease(SHARD)
        epoch = one.epoch(SHARD)
        await one.release(SHARD)
        one._fences[SHARD] = Fence(epoch, 0)  # The renewal was sent before.
        assert await one.renew_all([SHARD]) == set()
        assert await other.lease(SHARD)


async def test_time_passes_early_only_where_a_timer_is_due(database: str) -> None:
    async with open_log(database) as log:
        for shard in ("due", "quiet"):
            await log.append(shard, [visit(1, 1)])
        store, now = IntakeStore(log.database), now_us()
        (early,) = (await store.tick(["due"], 0, now, AHEAD_US_MAX)).items()
        assert early == ("due", await log.watermark("due"))
        assert [*await store.tick(None, 0, now, AHEAD_US_MAX)] == ["due", "quiet"]


async def test_two_acceptors_give_one_order(database: str) -> None:
    async with open_log(database) as one, open_log(database) as other:
        await asyncio.gather(
            *(log.append(SHARD, [visit(n, n)]) for n in range(50) for log in (one, other))
        )
        rows = await one.read(SHARD, 0, 200)
        assert [row.position for row in rows] == list(range(1, 101))
        assert [row.time for row in rows] == sorted(row.time for row in rows)


async def test_a_reference_that_comes_again_while_commits_are_under_way_is_accepted_once(
    database: str,
) -> None:
    async with open_database(database) as db:
        await IntakeStore(db).add_district(SHARD)
        acceptor = Acceptor(db, Notifier())
        items = [
            item_of(VisitMade(action=f"{n % 70:032x}", issue="case", by="ann"), SENDER)
            for n in range(700)
        ]
        commits = []
        for start in range(0, 700, 7):
            commits.append(asyncio.create_task(acceptor.accept(SHARD, items[start : start + 7])))
            await asyncio.sleep(
                0.001
            )  # So that some ask while the commits of others are under way.
        answers = [each for task in commits for each in await task]
        assert sorted(each.position for each in answers if each.fresh) == list(range(1, 71))
        assert len({(each.id, each.position, each.time, each.code) for each in answers}) == 70
        assert all(each.same for each in answers)


def plan(lines: list[Any]) -> str:
    return "\n".join(line[0] for line in lines)


@pytest.mark.parametrize("traces", [WITHOUT_TRACES, WITH_TRACES], ids=["plain", "with traces"])
async def test_the_log_is_read_by_its_index_also_while_it_is_new(
    traces: dict[str, str], database: str
) -> None:
    statement = READ.format(schema="intake", **traces)

    async def explain(connection: asyncpg.Connection[Any]) -> str:
        await connection.execute(f"PREPARE reading AS {statement}")
        return plan(await connection.fetch("EXPLAIN EXECUTE reading('city', 5, 10)"))

    async with open_database(database) as db:
        seen = await db.on_connection(explain)
        assert "Index Scan using log_pkey" in seen
        assert "Sort" not in seen


async def test_every_connection_of_the_runtime_has_its_settings(database: str) -> None:
    async with open_database(database) as db:
        for name, value in PINNED.items():
            assert (await db.fetch(f"SHOW {name}"))[0][0] == value
        for name in ("fsync", "synchronous_commit"):
            assert (await db.fetch(f"SHOW {name}"))[0][0] == "on"


@pytest.mark.parametrize(
    ("service", "metadata"),
    [
        ("intake", INTAKE),
        ("routing", metadata_of("routing", defers=True)),
        ("escalation", metadata_of("escalation", defers=True)),
        ("assessment", ASSESSMENT),
        ("screen", SCREEN),
    ],
)
def test_the_migrations_make_the_schema(service: str, metadata: MetaData, database: str) -> None:
    def schema_differences(connection: Connection) -> list[Any]:
        options = {
            "include_schemas": True,
            "include_name": lambda name, kind, parents: kind != "schema" or name == service,
            "version_table_schema": service,
            "compare_server_default": True,
        }
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        )

    assert asyncio.run(run_on_sqlalchemy(database, schema_differences)) == []


def test_a_database_keeps_every_character_or_is_refused(postgres: str) -> None:
    url = postgres.replace("/postgres?", "/old_letters?")
    asyncio.run(
        execute(
            postgres, "CREATE DATABASE old_letters ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
        )
    )
    with pytest.raises(Halted, match=r"LATIN1.*ENCODING 'UTF8'"):
        asyncio.run(prepare(url))
    asyncio.run(prepare(url, forget=True))


def test_replicas_that_start_at_once_make_one_schema(postgres: str) -> None:
    url = postgres.replace("/postgres?", "/started_at_once?")
    with ProcessPoolExecutor(4) as processes:
        assert list(processes.map(prepared_alone, [url] * 4)) == [None] * 4


def prepared_alone(url: str) -> None:
    """In a process of its own: Alembic has one context in each."""
    asyncio.run(prepare(url))


async def test_a_session_that_is_cut_while_a_service_is_prepared_is_a_database_that_is_away(
    database: str,
) -> None:
    """A service waits for a starting database. Anything but Unavailable would end it."""
    cut = "SELECT pg_terminate_backend(pg_backend_pid())"

    with pytest.raises(Unavailable):
        await run_on_sqlalchemy(database, lambda connection: connection.execute(text(cut)))
    with pytest.raises(Unavailable):
        async with open_server(database) as (connection, _):
            await connection.execute(cut)


async def test_a_session_that_ends_before_its_connection_closes_is_an_unavailable_database(
    database: str,
) -> None:
    fields = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"

    async def end_session(connection: Any) -> None:
        connection._protocol.data_received(b"E" + (4 + len(fields)).to_bytes(4, "big") + fields)

    async with open_database(database, size=1) as db:
        await db.on_connection(end_session)
        with pytest.raises(Unavailable):
            await db.fetch("SELECT 1")
        assert (await db.fetch("SELECT 1"))[0][0] == 1


async def test_a_service_waits_for_a_database_that_ended_since_it_was_prepared(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = unquote(re.search("host=([^&]*)", database)[1])  # type: ignore[index]
    url = database.replace(quote(folder), quote(str(tmp_path / "later")))

    async def open_and_fetch() -> int:
        async with open_pool(url, DatabaseCheck(tmp_path, url, "intake")) as database:
            return int((await database.fetch("SELECT count(*) FROM intake.shard"))[0][0])

    async def waits() -> bool:
        return opening.done() or "waiting for the database" in caplog.text

    opening = asyncio.create_task(open_and_fetch())
    await wait_for_condition(waits)
    (tmp_path / "later").symlink_to(folder)
    assert await opening == 0


async def test_a_name_of_several_lines_is_written_nowhere(database: str) -> None:
    async with open_log(database, "cases") as log:
        await log.lease(SHARD)
        with pytest.raises(ValueError, match="line feed"):
            await log.commit(SHARD, [row_at(log, 1, 5), row_at(log, 2, 5, "two\nlines")])
        assert not await log.entries(SHARD, 0, 9)


def test_the_commit_is_one_statement() -> None:
    assert COMMIT.count(";") == 0
