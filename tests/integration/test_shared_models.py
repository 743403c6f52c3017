"""The districts of one process write their read models in shared statements, by a fence each."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from eventlog.notifier import Notifier
from eventlog.postgres.pool import Database
from events.errors import Conflict, GridcallError, Unavailable
from screen.core.case_file import Tally
from screen.core.fold import Fold
from screen.folded_model import FoldedModel
from screen.follower import Follower
from screen.store import ModelStore, PageStore, StoredModel
from screen.store.commits import ROWS_MAX
from tests.harness.districts import DISTRICTS, FIRST, OTHERS, Counting, in_all
from tests.harness.read_models import CITY, ROWS, SHOWN, ScreenWorld, follow_to_the_end
from tests.mutation.postgres import Connection

COMMITS = "stored_case"  # A word of the statement that commits.
LOCK = "SELECT FROM screen.model WHERE id = $1 FOR UPDATE"
EXPIRE = "UPDATE screen.model SET leased_until = '-infinity'"
NEWEST = "SELECT ts, log, pos FROM screen.event ORDER BY ts DESC, log DESC, pos DESC"


class Process:
    """A screen that follows all districts. Each has the logs of the city."""

    def __init__(self, city: ScreenWorld, database: Database, owner: str = "a") -> None:
        for log in city.logs.values():
            log._shards.update(dict.fromkeys(DISTRICTS, log._shards[CITY]))
        self.models, pages = ModelStore(database, owner), PageStore(database)
        self.followers = {
            each: Follower(each, city.logs, Notifier(), 60.0, self.models, pages)
            for each in DISTRICTS
        }

    async def look(self) -> list[Any]:
        """Look at all districts at the same time; return the answers and faults."""
        return await in_all(*(each.look() for each in self.followers.values()))

    async def follow(self) -> None:
        """Look until everything is stored."""
        while any(answers := await self.look()):
            assert {type(each) for each in answers} == {bool}


async def model_of(database: Database, district: str) -> StoredModel:
    (model,) = await ModelStore(database, "").models(district)
    return model


async def contents_of(database: Database, district: str) -> dict[str, list[Any]]:
    """Return the rows of the model of a district, without what differs by commits."""
    model = await model_of(database, district)
    return {
        table: [
            tuple(each)
            for each in await database.fetch(
                f"SELECT {columns} FROM screen.{table} WHERE model = $1 ORDER BY 1, 2, 3, 4",
                model.id,
            )
        ]
        for table, columns in SHOWN.items()
    }


async def check_models(city: ScreenWorld) -> None:
    """Check that each model is what a district alone has."""
    await follow_to_the_end(city.follower("alone"))
    alone = await contents_of(city.database, CITY)
    assert all(alone.values())
    for district in DISTRICTS:
        assert await contents_of(city.database, district) == alone


@pytest.fixture
def in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each look commit a few rows of each district."""
    monkeypatch.setattr("screen.model_writer.BATCH", 2)
    monkeypatch.setattr("screen.model_writer.BUILD_BATCH", 2)
    monkeypatch.setattr("screen.follower.BATCHES", 1)


async def lease_models(models: ModelStore) -> dict[str, StoredModel]:
    """Begin a model of each district, and take the lease on it."""
    leased = {}
    for district in DISTRICTS:
        await models.build(district, 1, dict.fromkeys(("intake", "cases", "calls"), 1))
        (leased[district],) = await models.models(district)
    assert all(await in_all(*(models.lease(each.id) for each in leased.values())))
    return leased


async def test_districts_that_write_at_a_time_share_a_read_and_a_statement(
    city: ScreenWorld, in_small_batches: None
) -> None:
    db = Counting(city.database)
    process = Process(city, db)
    await process.look()  # It makes the models.
    db.statements.clear()
    while any(await process.look()):
        assert db.count(COMMITS) in (1, 2)  # One of them may be for what has no room in the other.
    await check_models(city)


async def test_a_writer_that_was_overtaken_loses_its_own_model_alone(city: ScreenWorld) -> None:
    first, second = (ModelStore(city.database, owner) for owner in "ab")
    models = await lease_models(first)
    await first.release(models[FIRST].id)
    assert await second.lease(models[FIRST].id)
    await second.commit(models[FIRST], Fold({}, {"map": "second"}))
    fold = whole_fold()
    lost, *others = await in_all(*(first.commit(each, fold) for each in models.values()))
    assert isinstance(lost, Conflict)
    assert others == [None] * len(OTHERS)
    (overtaken,) = await second.models(FIRST)
    assert overtaken.settings == {"map": "second"}
    contents = await contents_of(city.database, FIRST)
    assert not any(rows for table, rows in contents.items() if table != "progress")
    assert {position for _, position, *_ in contents["progress"]} == {0}
    whole = await contents_of(city.database, OTHERS[0])
    assert len(whole["case_file"]) == len(fold.changed)
    for district in OTHERS[1:]:
        assert await contents_of(city.database, district) == whole


async def test_a_model_of_another_owner_is_refused_alone(city: ScreenWorld) -> None:
    db = Counting(city.database)
    first, second = (ModelStore(db, owner) for owner in "ab")
    models = await lease_models(first)
    await first.release(models[FIRST].id)
    db.statements.clear()
    is_leased, *others = await in_all(*(second.lease(each.id) for each in models.values()))
    assert is_leased
    assert others == [False] * len(OTHERS)
    assert len(db.statements) == 1


def whole_fold() -> Fold:
    """Return the fold of all rows of the city."""
    return FoldedModel().apply(ROWS)


async def test_a_model_that_somebody_holds_delays_no_other(
    city: ScreenWorld, database: str
) -> None:
    store = ModelStore(city.database, "a")
    models = await lease_models(store)
    holder = await asyncpg.connect(database)
    async with holder.transaction():
        await holder.fetch(LOCK, models[FIRST].id)
        waiting = asyncio.create_task(store.commit(models[FIRST], Fold({}, {})))
        async with asyncio.timeout(20):
            await asyncio.gather(*(store.commit(models[each], Fold({}, {})) for each in OTHERS))
        assert not waiting.done()
    await waiting
    await holder.close()


@pytest.mark.parametrize("lands", ["now", "never"])
async def test_after_a_lost_answer_each_model_goes_on_where_it_is(
    lands: Any, city: ScreenWorld, in_small_batches: None
) -> None:
    db = Connection(city.database)
    process = Process(city, db)
    await process.look()
    steps = {each: (await model_of(city.database, each)).step for each in DISTRICTS}
    db.lose_answer(COMMITS, lands)
    answers = await process.look()
    lost = [each for each, answer in zip(DISTRICTS, answers, strict=True) if answer is not True]
    assert len(lost) > 1
    for each in lost:
        moved = (await model_of(city.database, each)).step - steps[each]
        assert moved == (1 if lands == "now" else 0)
    await Process(city, db).follow()
    await check_models(city)


async def test_a_commit_of_many_rows_goes_alone(city: ScreenWorld) -> None:
    db = Counting(city.database)
    store = ModelStore(db, "a")
    models = await lease_models(store)
    many = Fold({}, {})
    many.tallies.update({Tally("line", f"{each}", "open"): 1 for each in range(ROWS_MAX + 1)})
    small = [store.commit(models[each], Fold({}, {})) for each in OTHERS]
    assert await in_all(store.commit(models[FIRST], many), *small) == [None] * len(DISTRICTS)
    assert db.count(COMMITS) == 2
    assert len((await contents_of(city.database, FIRST))["tally"]) == ROWS_MAX + 1


@pytest.mark.parametrize("batch", [1, 3, 1000])
async def test_the_newest_events_stay_for_any_batch_size(
    batch: int, city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screen.model_writer.BUILD_BATCH", batch)
    for module in ("store.commits", "folded_model", "core.fold"):
        monkeypatch.setattr(f"screen.{module}.EVENTS_MAX", 7)
    folded = FoldedModel()
    folded.apply(ROWS)
    await follow_to_the_end(city.follower())
    stored = [tuple(each) for each in await city.database.fetch(NEWEST)]
    assert stored == [each[:3] for each in folded.events]
    assert len(stored) == 7


@pytest.mark.parametrize("seed", range(3))
async def test_models_are_those_of_a_district_alone_whatever_happens_to_others(
    seed: int, city: ScreenWorld, in_small_batches: None
) -> None:
    """Two screens take models from each other, over a bad connection."""
    chance = random.Random(seed)
    db = Connection(city.database)
    processes = [Process(city, db, owner) for owner in "ab"]
    faults: set[type[BaseException]] = set()

    async def look(follower: Follower) -> None:
        try:
            await follower.look()
        except GridcallError as fault:
            follower._writers.clear()
            faults.add(type(fault))

    for _ in range(30):
        if chance.random() < 0.4:
            db.lose_answer(COMMITS, chance.choice(("now", "never")))
        if chance.random() < 0.5:
            await city.database.fetch(EXPIRE)
        looking = [each for process in processes for each in process.followers.values()]
        tasks = [asyncio.create_task(look(each)) for each in looking]
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        for task in tasks:
            if chance.random() < 0.05:
                task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
    assert faults == {Conflict, Unavailable}
    await city.database.fetch(EXPIRE)
    await Process(city, db, "c").follow()
    await check_models(city)
