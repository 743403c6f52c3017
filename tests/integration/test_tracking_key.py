"""The key of tracking codes: in every copy of the database, never another one, and never absent."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest

from eventlog.notifier import Notifier
from eventlog.postgres.pool import Database, open_database
from events.catalogue import VisitMade
from events.errors import Unusable
from gridcall.host.migrations import prepare
from intake.acceptor import Accepted, Acceptor
from intake.condition import intake_condition, intake_obstacles
from intake.item_codec import item_of
from intake.store import IntakeStore
from tests.harness.postgres import execute
from tests.harness.senders import SENDER

CITY = "city"
GONE = "DELETE FROM intake.tracking_key"
OTHER = "UPDATE intake.tracking_key SET key = sha256(key)"
TABLES = """
SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


async def accept(database: Database, number: int = 1) -> Accepted:
    """Accept one action."""
    item = item_of(VisitMade(action=f"{number:032x}", issue="case", by="ann"), SENDER)
    (accepted,) = await Acceptor(database, Notifier()).accept(CITY, [item])
    return accepted


async def test_a_copy_of_the_database_answers_the_same_codes(database: str, postgres: str) -> None:
    async with open_database(database) as db:
        await IntakeStore(db).add_district(CITY)
        accepted = await accept(db)
    name = urlsplit(database).path[1:]
    await execute(postgres, f"CREATE DATABASE copy_of_codes TEMPLATE {name}")
    async with open_database(postgres.replace("/postgres?", "/copy_of_codes?")) as db:
        identity = await IntakeStore(db).find_by_code(accepted.code)
        assert identity is not None
        assert (identity.id, identity.code) == (accepted.id, accepted.code)
        assert (await accept(db)).code == accepted.code


async def test_two_systems_have_two_keys(bare_database: str, database: str) -> None:
    keys = set()
    await prepare(bare_database)
    for url in (bare_database, database):
        async with open_database(url) as db:
            keys |= {row["key"] for row in await db.fetch("SELECT key FROM intake.tracking_key")}
    assert {len(key) for key in keys} == {32}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (GONE, "the key of tracking codes is missing: nothing is accepted"),
        (OTHER, "the key of tracking codes is not the one of city: nothing is accepted"),
    ],
    ids=["missing", "another one"],
)
async def test_without_its_key_nothing_is_accepted_and_doctor_says_why(
    harm: str, sentence: str, database: str
) -> None:
    async with open_database(database) as db:
        store = IntakeStore(db)
        await store.add_district(CITY)
        first = await accept(db)
        (saved,) = await db.fetch("SELECT key FROM intake.tracking_key")
        await execute(database, harm)
        for attempt in (
            lambda: accept(db),
            lambda: accept(db, 2),
            lambda: store.find_by_code(first.code),
            lambda: store.find_by_id(first.id),
        ):
            with pytest.raises(Unusable, match="gridcall doctor"):
                await attempt()
        findings = (await intake_condition(db)).findings
        assert [each.note for each in findings if each.sentence.startswith(sentence)] == [False]
        assert await intake_obstacles(db) != []
        assert [row["pos"] for row in await db.fetch("SELECT pos FROM intake.log")] == [1]

        await execute(database, GONE)
        await db.fetch("INSERT INTO intake.tracking_key VALUES ($1, true)", saved["key"])
        assert await intake_obstacles(db) == []
        assert (await accept(db, 2)).position == 2
        identity = await store.find_by_code(first.code)
        assert identity is not None
        assert identity.id == first.id


async def test_no_district_is_added_without_a_key(database: str) -> None:
    async with open_database(database) as db:
        await execute(database, GONE)
        with pytest.raises(asyncpg.PostgresError, match=CITY):
            await IntakeStore(db).add_district(CITY)


@pytest.mark.parametrize("single", ["true", "false"])
async def test_there_is_no_second_key(single: str, database: str) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await execute(database, f"INSERT INTO intake.tracking_key VALUES ('x', {single})")


async def test_a_code_is_stored_nowhere(database: str) -> None:
    async with open_database(database) as db:
        await IntakeStore(db).add_district(CITY)
        accepted = await accept(db)
        tables = [row["name"] for row in await db.fetch(TABLES)]
        holding = {
            text: [
                table
                for table in tables
                if await db.fetch(f"SELECT FROM {table} t WHERE t::text LIKE $1", f"%{text}%")
            ]
            for text in (accepted.code, str(UUID(accepted.code)), str(UUID(accepted.id)))
        }
        assert list(holding.values()) == [[], [], ["intake.identity"]]
