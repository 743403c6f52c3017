"""Many districts accept at the same time in one statement, and none waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from eventlog.notifier import Notifier
from eventlog.postgres.pool import Database, open_database
from events.catalogue import VisitMade
from events.errors import Unavailable
from gridcall.verify.chain import check_chain
from intake.acceptor import Accepted, Acceptor, DistrictAhead
from intake.api_keys import ApiKey, ApiKeys, WrongKey
from intake.core.submission import Item
from intake.districts import UnknownDistrict
from intake.item_codec import item_of
from intake.store import IntakeStore, RecordStore
from tests.harness.postgres import execute
from tests.harness.senders import SENDER

DISTRICTS = [f"district-{number:02}" for number in range(20)]
LOCK = "SELECT FROM intake.shard WHERE shard = $1 FOR UPDATE"
LEAP = "UPDATE intake.shard SET ts = ts + 3600000000 WHERE shard = 'district-03'"
MINE = "UPDATE intake.district SET tracking_key = sha256('') WHERE shard = 'district-03'"


class Counting(Database):
    """A database that counts the statements by which intake accepts, and looks up keys."""

    accepts = 0
    lookups = 0

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        self.accepts += "intake.accept(" in sql
        self.lookups += "hash = ANY" in sql
        return await super().fetch(sql, *args)


def items_of(district: str, numbers: Sequence[int]) -> list[Item]:
    """Return items whose identities are of this district alone."""
    first = DISTRICTS.index(district) * 1000
    return [
        item_of(VisitMade(action=f"{first + number:032x}", issue="case", by="ann"), SENDER)
        for number in numbers
    ]


async def accept_in_all(
    acceptor: Acceptor, numbers: Sequence[int] = (0,)
) -> dict[str, list[Accepted] | BaseException]:
    """Accept items in all districts at the same time, and return the answers."""
    calls = [acceptor.accept(each, items_of(each, numbers)) for each in DISTRICTS]
    return dict(zip(DISTRICTS, await asyncio.gather(*calls, return_exceptions=True), strict=True))


async def make_districts(db: Database) -> None:
    for district in DISTRICTS:
        await IntakeStore(db).add_district(district)


async def test_all_districts_that_accept_at_a_time_share_a_statement(database: str) -> None:
    async with open_database(database) as wide:
        await make_districts(wide)
        db = Counting(wide._pool)
        acceptor = Acceptor(db, Notifier())
        first = await accept_in_all(acceptor, (0, 1, 2))
        assert db.accepts == 1
        again = await accept_in_all(acceptor, (2, 3))
        assert db.accepts == 2
        for district in DISTRICTS:
            one, other = first[district], again[district]
            assert isinstance(one, list)
            assert isinstance(other, list)
            assert [each.position for each in (*one, *other)] == [1, 2, 3, 3, 4]
            assert [each.fresh for each in (*one, *other)] == [True, True, True, False, True]
            assert other[0].code == one[2].code
            checked = await check_chain(RecordStore(db), district, ())
            assert (checked.position, checked.contradiction) == (4, None)


async def test_a_district_that_somebody_holds_delays_no_other(database: str) -> None:
    async with open_database(database) as db:
        await make_districts(db)
        acceptor = Acceptor(db, Notifier())
        await accept_in_all(acceptor)
        locked, *others = DISTRICTS
        holder = await asyncpg.connect(database)
        async with holder.transaction():
            await holder.fetch(LOCK, locked)
            known = asyncio.create_task(acceptor.accept(locked, items_of(locked, (0, 1))))
            async with asyncio.timeout(20):
                await asyncio.gather(
                    *(acceptor.accept(each, items_of(each, (1,))) for each in others)
                )
            assert not known.done()
        answers = await known
        assert [(each.position, each.fresh) for each in answers] == [(1, False), (2, True)]
        await holder.close()


@pytest.mark.parametrize(
    ("harm", "fault"),
    [(LEAP, DistrictAhead), (MINE, Unavailable)],
    ids=["ahead of the clock", "of another tracking key"],
)
async def test_a_fault_of_one_district_is_no_fault_of_another(
    harm: str, fault: type[Exception], database: str
) -> None:
    async with open_database(database) as db:
        await make_districts(db)
        acceptor = Acceptor(db, Notifier())
        await accept_in_all(acceptor)
        await execute(database, harm)
        answers = await accept_in_all(acceptor, (1,))
        assert isinstance(answers.pop("district-03"), fault)
        accepted = [each for each in answers.values() if isinstance(each, list)]
        assert [each.position for (each,) in accepted] == [2] * (len(DISTRICTS) - 1)


async def test_a_district_that_does_not_exist_is_refused_alone(database: str) -> None:
    async with open_database(database) as db:
        await make_districts(db)
        acceptor = Acceptor(db, Notifier())
        unknown = asyncio.create_task(acceptor.accept("elsewhere", items_of(DISTRICTS[0], (5,))))
        answers = await accept_in_all(acceptor)
        assert all(isinstance(each, list) for each in answers.values())
        with pytest.raises(UnknownDistrict, match="elsewhere"):
            await unknown


async def test_two_processes_that_accept_in_all_districts_never_wait_for_each_other(
    database: str,
) -> None:
    async with open_database(database) as one, open_database(database) as other:
        await make_districts(one)
        acceptors = [Acceptor(each, Notifier()) for each in (one, other)]
        for number in range(30):
            both = await asyncio.gather(
                *(accept_in_all(each, (number, 500 + number)) for each in acceptors)
            )
            for first, second in zip(*(each.values() for each in both), strict=True):
                assert isinstance(first, list)
                assert isinstance(second, list)
                assert [each.position for each in first] == [each.position for each in second]
                assert [each.fresh for each in first] != [each.fresh for each in second]


async def test_keys_that_are_looked_up_at_a_time_share_a_statement(database: str) -> None:
    async with open_database(database) as wide:
        await make_districts(wide)
        keys = ApiKeys(wide)
        secrets = {await keys.add(each, "hotline", ["hotline"]): each for each in DISTRICTS}
        revoked, *others = secrets
        await keys.revoke((await keys.find(revoked, "::1")).id)
        db = Counting(wide._pool)
        again = ApiKeys(db)
        wrong = "gck_wrong"
        finds = [again.find(each, each) for each in (wrong, revoked, *others, *others)]
        unknown, ended, *known = await asyncio.gather(*finds, return_exceptions=True)
        assert db.lookups == 1
        assert isinstance(unknown, WrongKey)
        assert "not known" in str(unknown)
        assert isinstance(ended, WrongKey)
        assert "revoked" in str(ended)
        districts = [each.district for each in known if isinstance(each, ApiKey)]
        assert districts == [secrets[each] for each in (*others, *others)]
