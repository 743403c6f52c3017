"""verify notices what was changed behind the services' back, in any table that is evidence.

Each tampering is made in a transaction that verify reads and that is then rolled back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from gridcall.snapshot import Snapshot
from gridcall.verify import KnownHead, Verified, verify, verify_district
from gridcall.verify.district import written_rows
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import execute
from tests.harness.tamperings import AGAINST_A_HEAD, NOT_EVIDENCE, TAMPERINGS
from tests.harness.waiting import wait_until

DISTRICT = "exampleville"
SERVICES = ("intake", "routing", "escalation", "assessment", "screen")
OVERDUE = "2020-01-01T00:00:00Z"


# Every link again, as an attacker with all rights would compute it.
@pytest.fixture(scope="module")
def city(postgres: str) -> tuple[str, Verified]:
    """Return a database in which a city has lived, and what verify says of it."""
    asyncio.run(execute(postgres, "CREATE DATABASE lived TEMPLATE empty"))
    url = postgres.replace("/postgres?", "/lived?")
    key = adopt_exampleville(url)
    process = Process(url)
    with client(process.url, key) as api:
        wait = {"prefer": "wait=10"}
        for number in range(4):
            due = OVERDUE if number % 2 else "2030-01-01T00:00:00Z"
            answer = api.post("/issues/grid", json=issue(f"T-{number}", due=due), headers=wait)
            assert answer.status_code == 200
        action = {
            "reference": "T-v",
            "type": "visit_made",
            "by": "w7",
            "issue": {"line": "grid", "reference": "T-0"},
        }
        assert api.post("/actions", json=action, headers=wait).status_code == 200
    wait_until(lambda: is_settled(asyncio.run(verify(url))[0]))
    assert process.end() == 0
    (verified,) = asyncio.run(verify(url))
    assert is_settled(verified)
    return url, verified


def is_settled(verified: Verified) -> bool:
    is_equal = verified.difference is None and not verified.behind
    return is_equal and verified.facts == verified.cases == 4


@pytest.fixture
async def connection(city: tuple[str, Verified]) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection whose transaction is rolled back."""
    connection = await asyncpg.connect(city[0], server_settings={"enable_seqscan": "off"})
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def findings(
    connection: asyncpg.Connection[Any], heads: tuple[KnownHead, ...] = ()
) -> list[Verified]:
    snapshot = Snapshot(dict.fromkeys(SERVICES, connection))
    districts = sorted(await snapshot.districts() | {head.district for head in heads})
    written = await written_rows(snapshot, districts)
    return [
        await verify_district(snapshot, district, heads, written=written) for district in districts
    ]


def are_equal(results: Sequence[Verified]) -> bool:
    """Return True if verify would exit with 0."""
    return not any(each.difference or each.behind for each in results)


@pytest.mark.parametrize("sql", TAMPERINGS.values(), ids=TAMPERINGS.keys())
async def test_what_was_tampered_with_is_noticed(
    sql: str, connection: asyncpg.Connection[Any]
) -> None:
    await connection.execute(sql)
    results = await findings(connection)
    assert not are_equal(results)
    assert all(str(each.difference) for each in results)
    assert all(each.difference.as_json() for each in results if each.difference)


@pytest.mark.parametrize("sql", AGAINST_A_HEAD.values(), ids=AGAINST_A_HEAD.keys())
async def test_a_record_that_was_made_up_as_a_whole_is_noticed_beside_a_head(
    sql: str, city: tuple[str, Verified], connection: asyncpg.Connection[Any]
) -> None:
    generation = await connection.fetchval("SELECT generation FROM intake.shard")
    head = KnownHead(DISTRICT, generation, city[1].position, city[1].head)
    assert are_equal(await findings(connection, (head,)))
    await connection.execute(sql)
    assert not any(each.difference for each in await findings(connection))
    assert not are_equal(await findings(connection, (head,)))


@pytest.mark.parametrize("sql", NOT_EVIDENCE.values(), ids=NOT_EVIDENCE.keys())
async def test_what_is_no_evidence_is_no_difference(
    sql: str, connection: asyncpg.Connection[Any]
) -> None:
    await connection.execute(sql)
    assert are_equal(await findings(connection))


async def test_a_head_of_any_earlier_position_is_found_in_the_chain(
    connection: asyncpg.Connection[Any],
) -> None:
    generation = await connection.fetchval("SELECT generation FROM intake.shard")
    heads = tuple(
        KnownHead(DISTRICT, generation, position, digest)
        for position, digest in await connection.fetch("SELECT pos, hash FROM intake.log")
    )
    assert are_equal(await findings(connection, heads))
    moved = tuple(head._replace(position=head.position + 1) for head in heads[:1])
    (verified,) = await findings(connection, moved)
    assert "is not in the chain" in str(verified.difference)


async def test_a_stage_that_was_emptied_is_not_equal(connection: asyncpg.Connection[Any]) -> None:
    await connection.execute(
        "DELETE FROM escalation.log; DELETE FROM escalation.shard;"
        "DELETE FROM assessment.merged; DELETE FROM assessment.fact;"
        "DELETE FROM assessment.log; DELETE FROM assessment.shard"
    )
    (verified,) = await findings(connection)
    assert verified.difference is None
    assert verified.behind[0].startswith("calls has applied 0 of")


def test_the_list_of_tamperings_is_long() -> None:
    assert len(TAMPERINGS) + len(AGAINST_A_HEAD) >= 43
