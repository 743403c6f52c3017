"""Sentences about a read model that takes the place of another one, of its logs or its build."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from eventlog.core.log import MemoryLog
from eventlog.core.row import Generation, Head, Row, Watermark
from events.errors import Conflict, Halted
from events.instants import BEGINNING
from gridcall.cli.rebuild import begin_to_build
from screen.core.fold import Fold
from screen.follower import Follower
from screen.lives import read_life
from screen.payloads import board_payload
from screen.store import ModelStore, StoredModel
from screen.store.models import SWEEPS
from tests.harness.histories import run
from tests.harness.read_models import (
    CITY,
    DRAFTS,
    ROWS,
    ScreenWorld,
    drafts_of_ended,
    follow_to_the_end,
)

NOBODY_SERVES = "UPDATE screen.model SET served_at = '-infinity'"
HAS_WAITING = """
SELECT EXISTS (
  SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
)
"""
BEFORE, AFTER = drafts_of_ended("a", "b"), drafts_of_ended("a", "c")
ROWS_BEFORE, ROWS_AFTER = run(BEFORE), run(AFTER)


async def test_a_log_of_another_generation_is_read_from_its_beginning(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = city.follower()
    await follow_to_the_end(follower)
    assert follower.served is not None
    before = follower.served.id
    lengths = lengths_after_cut(len(DRAFTS) // 2)
    for name, log in city.logs.items():
        head = await log.head(CITY)
        length = lengths[name]

        async def head_after_cut(shard: str, length: int = length, mark: Any = head.mark) -> Head:
            return Head(mark._replace(position=length), Generation(2, 1, length), b"")

        monkeypatch.setattr(log, "head", head_after_cut)
    await follow_to_the_end(follower)
    assert follower.served is not None
    assert follower.served.id != before
    assert follower.served.state == "live"
    assert [model.state for model in await city.models()].count("live") == 1


def lengths_after_cut(inputs: int, rows: Sequence[Row] = ROWS) -> dict[str, int]:
    """Return the lengths of the logs without what follows from later inputs."""
    cases = sum(row.log == "cases" and row.input <= inputs for row in rows)
    calls = sum(row.log == "calls" and row.input <= cases for row in rows)
    return {"intake": inputs, "cases": cases, "calls": calls}


class NumberedLog(MemoryLog):
    """A log of any generation, whose reader may know more rows than its head has: a cut has
    shortened it, or the head lags behind.
    """

    length: int | None = None
    number = Generation(1)

    async def head(self, shard: str) -> Head:
        head = await super().head(shard)
        position = head.mark.position if self.length is None else self.length
        return Head(head.mark._replace(position=position), self.number, b"")


def number_logs(world: ScreenWorld) -> dict[str, NumberedLog]:
    """Give a world logs with the same rows, whose heads a test sets."""
    for name, log in world.logs.items():
        numbered = world.logs[name] = NumberedLog(name)
        numbered._shards = log._shards
    return world.logs


async def test_rows_beyond_the_head_of_a_log_are_not_read(city: ScreenWorld) -> None:
    await follow_to_the_end(city.follower())
    lengths = lengths_after_cut(len(DRAFTS) // 2)
    for name, log in number_logs(city).items():
        log.length, log.number = lengths[name], Generation(2, 1, 1)
    follower = city.follower("after")
    await follow_to_the_end(follower)
    await follow_to_the_end(follower)
    assert follower.served is not None
    assert follower.served.state == "live"
    read = {name: each.position for name, each in follower.served.logs.items()}
    assert read == lengths


async def test_a_writer_stores_no_row_of_a_generation_that_was_cut(world: ScreenWorld) -> None:
    """One screen has read rows whose causes it does not know, when another one follows the cut."""
    await world.write(BEFORE, ROWS_BEFORE)
    logs = number_logs(world)
    lengths = lengths_after_cut(len(BEFORE) - 3, ROWS_BEFORE)  # Up to the report of case a.
    for name, log in logs.items():
        log.length = lengths[name]
    first, second = world.follower("a"), world.follower("b")
    await follow_to_the_end(first)
    logs["cases"].length = None
    await first.look()
    await world.cut(AFTER, ROWS_AFTER, lengths)
    for name, log in logs.items():
        log.length, log.number = lengths[name], Generation(2, 1, lengths[name])
    await second.look()
    for log in logs.values():
        log.length = None
    await follow_to_the_end(first)
    assert first.lag()["rows"] == 0
    assert [id_ for id_, *_ in (await world.tables())["case_file"]] == ["a", "c"]


async def test_the_life_of_a_case_has_no_row_of_another_one_after_a_cut(
    world: ScreenWorld,
) -> None:
    await world.write(BEFORE, ROWS_BEFORE)
    await follow_to_the_end(world.follower())
    file = await world.lists.case((await world.live_models())[0], "b")
    assert file is not None
    before = await read_life(file, CITY, world.logs)
    assert len(before) == sum(map(len, file.life.values())) > 3
    await world.cut(AFTER, ROWS_AFTER, lengths_after_cut(len(BEFORE) - 3, ROWS_BEFORE))
    assert await read_life(file, CITY, world.logs) == []


class Overtaken(ModelStore):
    """A store whose screen is slow: another one looks after it has read the models."""

    other: Follower | None = None

    async def models(self, district: str) -> Sequence[StoredModel]:
        models = await super().models(district)
        other, self.other = self.other, None
        if other:
            await other.look()
        return models


async def test_two_screens_that_see_a_new_generation_at_once_go_on_with_the_model(
    city: ScreenWorld,
) -> None:
    first = city.follower("a")
    await follow_to_the_end(first)
    live = await city.live_models()
    slow = Overtaken(city.database, "b")
    second = city.follower(models=slow)
    for name, log in number_logs(city).items():
        log.number = Generation(2, 1, lengths_after_cut(len(DRAFTS))[name])
    slow.other = first
    with pytest.raises(Conflict, match="another writer"):
        await second.look()
    await second.look()
    assert await city.live_models() == live
    assert second.is_current


async def test_a_screen_whose_head_lags_behind_drops_no_model(city: ScreenWorld) -> None:
    first, second = city.follower("a"), city.follower("b")
    await follow_to_the_end(first)
    await follow_to_the_end(second)
    live = await city.live_models()
    for name, log in number_logs(city).items():
        log.number = Generation(2, 1, lengths_after_cut(len(DRAFTS))[name])
    await first.look()
    for log in city.logs.values():
        log.number = Generation(1)
    with pytest.raises(Halted, match="goes on by itself"):
        await second.look()
    assert await city.live_models() == live


async def test_a_model_is_dropped_as_it_was_judged_or_not_at_all(city: ScreenWorld) -> None:
    """A screen that is slow judges a model by an earlier step than that of its last commit."""
    first, second = (ModelStore(city.database, owner) for owner in "ab")
    await first.build(CITY, 1, dict.fromkeys(city.logs, 1))
    (before,) = await second.models(CITY)
    assert await first.lease(before.id)
    await first.commit(before, Fold({}, {}))
    for change in (
        second.drop(before),
        second.swap(CITY, before),
        second.follow(before, {"cases": 2}),
    ):
        with pytest.raises(Conflict, match="another writer"):
            await change
    (after,) = await second.models(CITY)
    assert (after.state, after.logs) == ("building", before.logs)
    await second.drop(after)
    assert [model.state for model in await city.models()] == ["dropped"]


async def test_a_longer_generation_of_the_same_rows_is_read_on(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = city.follower()
    await follow_to_the_end(follower)
    assert follower.served is not None
    before = follower.served.id
    for log in city.logs.values():
        mark = (await log.head(CITY)).mark

        async def head_after_promotion(shard: str, mark: Any = mark) -> Head:
            return Head(mark, Generation(2, 1, mark.position), b"")

        monkeypatch.setattr(log, "head", head_after_promotion)
    await follow_to_the_end(follower)
    assert follower.served.id == before
    (model,) = await city.models()
    assert {read.generation for read in model.logs.values()} == {2}


async def test_a_log_that_its_service_folds_again_is_waited_for(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = city.follower()
    await follow_to_the_end(follower)
    before = await city.tables()
    head: Head = await city.logs["cases"].head(CITY)

    async def shorter(shard: str) -> Head:
        return head._replace(mark=head.mark._replace(position=1))

    monkeypatch.setattr(city.logs["cases"], "head", shorter)
    with pytest.raises(Halted, match="goes on by itself"):
        await follower.look()
    assert before == await city.tables()


async def test_a_new_version_is_built_beside_the_live_one_and_takes_its_place(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = city.follower("old")
    await follow_to_the_end(old)
    assert old.served is not None
    before = await old.board(-1)
    monkeypatch.setattr("screen.follower.VERSION", 2)
    monkeypatch.setattr("screen.model_writer.BUILD_BATCH", 7)
    monkeypatch.setattr("screen.follower.BATCHES", 1)
    new = city.follower("new")
    looks = 0
    while await new.look():
        looks += 1
        assert new.served is not None
        assert new.served.version == 1, "pages read the live one meanwhile"
        assert board_payload(await new.board(-1)) == board_payload(before)
        assert new.replay is not None
    assert looks > 2
    assert new.served is not None
    assert (new.served.version, new.served.state, new.replay) == (2, "live", None)
    assert board_payload(await new.board(-1)) == board_payload(before)


class Arriving(MemoryLog):
    """A log whose rows are still being received: as over Kafka, it does not say where it ends."""

    received = 0

    async def head(self, shard: str) -> Head:
        head = await super().head(shard)
        if self.received == head.mark.position:
            return head
        return head._replace(mark=Watermark(self.received, BEGINNING))


async def test_a_model_takes_no_place_before_all_rows_were_received(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await follow_to_the_end(city.follower("old"))
    for name, log in city.logs.items():
        arriving = city.logs[name] = Arriving(name)
        arriving._shards = log._shards
    monkeypatch.setattr("screen.follower.VERSION", 2)
    new, whole = city.follower("new"), len(DRAFTS)
    for inputs in (0, whole // 2, whole):
        assert new.served is None or new.served.version == 1
        for name, length in lengths_after_cut(inputs).items():
            city.logs[name].received = length
        await follow_to_the_end(new)
    assert new.served is not None
    assert (new.served.version, new.served.state) == (2, "live")


async def test_a_model_of_an_earlier_version_goes_once_nobody_serves_it(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await follow_to_the_end(city.follower("old"))
    monkeypatch.setattr("screen.follower.VERSION", 2)
    monkeypatch.setattr("screen.store.models.SWEPT_ROWS", 5)
    new = city.follower("new")
    await follow_to_the_end(new)
    assert [model.version for model in await city.models()] == [1, 2]
    await city.database.fetch(NOBODY_SERVES)
    for _ in range(20):
        await new.look()
    assert [model.version for model in await city.models()] == [2]
    for table in ("case_file", "call", "tally", "event", "progress"):
        (count,) = await city.database.fetch(f"SELECT count(DISTINCT model) FROM screen.{table}")
        assert count[0] == 1, table


async def test_an_earlier_model_of_a_quiet_district_stays_while_its_screens_run(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = city.follower("old"), city.follower("new")
    await follow_to_the_end(old)
    monkeypatch.setattr("screen.follower.VERSION", 2)
    await follow_to_the_end(new)
    earlier, _ = await city.live_models()
    await ModelStore(city.database, "old").release(earlier)  # Another screen of its build ends.
    await city.database.fetch(NOBODY_SERVES)
    monkeypatch.setattr("screen.follower.VERSION", 1)
    await old.look()
    monkeypatch.setattr("screen.follower.VERSION", 2)
    await new.look()
    assert [(model.version, model.state) for model in await city.models()] == [
        (1, "live"),
        (2, "live"),
    ]


async def test_a_model_is_kept_by_one_statement_in_a_while(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Sequence[int]] = []

    class Counted(ModelStore):
        async def keep(self, models: Sequence[int]) -> None:
            calls.append(models)
            await super().keep(models)

    screens = [city.follower(models=Counted(city.database, owner)) for owner in "ab"]
    await follow_to_the_end(screens[0])
    assert not calls, "it is new"
    await city.database.fetch(NOBODY_SERVES)
    for _ in range(5):
        for screen in screens:
            await screen.look()
    assert calls == [await city.live_models()]


async def test_two_screens_that_sweep_a_model_leave_nothing_of_it(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One deletes the first rows of each table when the other begins."""
    monkeypatch.setattr("screen.store.models.SWEPT_ROWS", 5)
    await follow_to_the_end(city.follower())
    (model,) = await city.models()
    store = ModelStore(city.database, "b")
    await store.drop(model)

    async def sweep_partly(session: Any) -> None:
        async with session.transaction():
            await session.execute("SELECT FROM screen.model FOR UPDATE")
            await session.execute(SWEEPS[0], model.id, 5)
            await session.execute("DELETE FROM screen.call")
            sweeping = asyncio.create_task(store.sweep(model.id))
            while not sweeping.done() and not await session.fetchval(HAS_WAITING):
                pass
        await sweeping

    await city.database.on_connection(sweep_partly)
    while await city.models():
        await store.sweep(model.id)
    for table in ("case_file", "call", "tally", "event", "progress"):
        assert not await city.database.fetch(f"SELECT FROM screen.{table}"), table


async def test_a_rebuilt_model_takes_the_place_of_the_live_one(
    city: ScreenWorld, database: str
) -> None:
    follower = city.follower()
    assert not await begin_to_build(database, CITY, has_intake=True), (
        "there is none to build beside"
    )
    await follow_to_the_end(follower)
    whole, (before,) = await city.tables(), await city.models()
    await city.database.fetch("DELETE FROM screen.call")
    assert await begin_to_build(database, CITY, has_intake=True)
    assert [model.state for model in await city.models()] == ["live", "building"]
    await follow_to_the_end(follower)
    assert follower.served is not None
    assert (follower.served.id > before.id, follower.served.state) == (True, "live")
    assert await city.tables() == whole
