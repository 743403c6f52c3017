"""Sentences about the writers of a read model: it equals a fresh fold, also after a fault."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from eventlog.condition import Replay
from eventlog.core.log import MemoryLog
from eventlog.core.row import Head, Row
from events.errors import Conflict, Outdated, Unavailable
from events.registry import UnknownEvent
from screen.core.fold import Fold
from screen.store import ModelStore, PageStore, StoredModel
from tests.harness.city import DAY
from tests.harness.histories import END
from tests.harness.read_models import (
    CITY,
    ENDED,
    NAMES,
    ROWS_OF_ENDED,
    ScreenWorld,
    follow_to_the_end,
)


async def test_two_writers_that_take_turns_leave_what_one_leaves(city: ScreenWorld) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("screen.model_writer.BUILD_BATCH", 3)
        patch.setattr("screen.follower.BATCHES", 1)
        patch.setattr("screen.store.models.LEASE_SECONDS", 0.0)
        patch.setattr("screen.store.commits.LEASE_SECONDS", 0.0)
        patch.setattr("screen.follower.RENEWED_SECONDS", 0.0)
        followers = [city.follower(owner) for owner in "ab"]
        while any([await each.look() for each in followers]):
            pass
    shared = await city.tables()
    await city.database.fetch("UPDATE screen.model SET state = 'dropped'")
    await follow_to_the_end(city.follower("c"))
    assert shared == await city.tables()
    assert len(shared["case_file"]) == len(NAMES)
    assert shared["call"]


async def test_a_writer_that_was_overtaken_stores_nothing(city: ScreenWorld) -> None:
    first, second = (ModelStore(city.database, owner) for owner in "ab")
    await first.build(CITY, 1, dict.fromkeys(city.logs, 1))
    (model,) = await first.models(CITY)
    assert await first.lease(model.id)
    assert not await second.lease(model.id)
    await first.release(model.id)
    assert await second.lease(model.id)
    await second.commit(model, Fold({}, {}))
    with pytest.raises(Conflict, match="another writer"):
        await first.commit(model, Fold({}, {}))
    with pytest.raises(Conflict, match="another writer"):
        await second.commit(model, Fold({}, {}))  # The same commit again.


class Lost(ModelStore):
    """A store whose answer is lost after the commit, now and then."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.chance = random.Random(4)

    async def commit(self, *arguments: Any) -> None:
        await super().commit(*arguments)
        if self.chance.random() < 0.5:
            raise Unavailable("the answer was lost")


async def test_a_commit_whose_answer_was_lost_is_not_made_again(city: ScreenWorld) -> None:
    await follow_to_the_end(city.follower())
    whole = await city.tables()
    await city.database.fetch("UPDATE screen.model SET state = 'dropped'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("screen.model_writer.BUILD_BATCH", 5)
        patch.setattr("tests.harness.read_models.ModelStore", Lost)
        lost = 0
        while True:
            try:
                await follow_to_the_end(city.follower())
                break
            except Unavailable:
                lost += 1
    assert lost
    assert whole == await city.tables()


async def test_no_model_has_an_effect_without_its_cause(city: ScreenWorld) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("screen.model_writer.BUILD_BATCH", 2)
        patch.setattr("screen.follower.BATCHES", 1)
        follower = city.follower()
        more = True
        while more:
            more = await follower.look()
            assert follower.served is not None
            logs = follower.served.logs
            assert logs["calls"].input <= logs["cases"].position
            assert logs["cases"].input <= logs["intake"].position
    assert follower.lag()["rows"] == 0
    assert follower.now == follower.as_of == END


async def test_a_board_is_what_one_commit_left_however_fast_they_come(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screen.model_writer.BUILD_BATCH", 2)
    monkeypatch.setattr("screen.follower.BATCHES", 1)
    follower, steps = city.follower(), set()
    await follower.look()
    (model,) = await city.models()
    writing = asyncio.create_task(follow_to_the_end(follower))
    while not writing.done():
        board = await PageStore(city.database).board(model.id, -1)
        steps.add(board.step)
        totals = board.totals
        assert totals["open"] - totals["overdue"] == len(board.deadlines)
        assert totals["accepted"] == sum(len(files) for files in board.latest.values())
        assert totals["street_calls"] == len(board.calls["street"])
        assert sum(row[0] for row in board.grids.values()) <= totals["open"]
    await writing
    assert len(steps) > 3


class Interrupted(ModelStore):
    """A store whose database is away for the first requests."""

    faults = 3

    async def models(self, district: str) -> Sequence[StoredModel]:
        if self.faults:
            self.faults -= 1
            raise Unavailable("the database is away")
        return await super().models(district)


async def test_a_follower_goes_on_after_an_outage(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("tests.harness.read_models.ModelStore", Interrupted)
        follower = city.follower()
    running = asyncio.create_task(follower.run())
    async with asyncio.timeout(30):
        while not follower.is_current:
            await follower.wait_for_newer(follower.version)
    assert follower.lag()["rows"] == 0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    (model,) = await city.models()
    assert model.is_free, "who ends lets others write at once"


async def test_a_page_wakes_a_follower_that_nobody_watched(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screen.follower.SOURCE_POLL_SECONDS", 3600.0)
    follower = city.follower()
    running = asyncio.create_task(follower.run())
    async with asyncio.timeout(30):
        await follower.notifier.wait_for_waiter("screen", CITY)
        assert not follower.is_watched
        for _ in range(2):  # The second message comes although nothing happened.
            await follower.wait_for_newer(follower.version)
            assert follower.is_watched
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_page_ends_the_pause_of_a_follower_that_nobody_watched(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SOURCE_POLL_SECONDS", "UNWATCHED_PAUSE_SECONDS"):
        monkeypatch.setattr(f"screen.follower.{name}", 3600.0)
    follower = city.follower()
    running = asyncio.create_task(follower.run())
    async with asyncio.timeout(30):
        await follower.notifier.wait_for_waiter("intake", CITY)
        follower.notifier.notify("intake", CITY)
        for _ in range(9):
            await asyncio.sleep(0)
        await follower.notifier.wait_for_waiter("screen", CITY)
        follower.notifier.notify("cases", CITY)
        for _ in range(9):
            await asyncio.sleep(0)
        version = follower.version
        assert not follower.is_watched, "rows alone do not end it"
        await follower.wait_for_newer(version)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Buffered(MemoryLog):
    """A log of which a new reader knows no row, until it says where it goes on: as over Kafka."""

    known = 0

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        self.known = max(self.known, after)
        return await super().read(shard, after, limit)

    async def head(self, shard: str) -> Head:
        head = await super().head(shard)
        return head._replace(mark=head.mark._replace(position=self.known))


async def test_a_restarted_screen_goes_on_where_its_model_is(city: ScreenWorld) -> None:
    await follow_to_the_end(city.follower("before"))
    for name, log in city.logs.items():
        buffered = city.logs[name] = Buffered(name)
        buffered._shards = log._shards
    follower = city.follower("after")
    await follow_to_the_end(follower)
    assert follower.is_current
    assert follower.lag()["rows"] == 0
    assert follower.as_of == END


async def test_the_model_stops_before_a_row_of_an_unknown_type(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer build will fold that row, so that this one must not pass it."""
    unknown = UnknownEvent("gridcall.case-blessed.v1", b"{}")
    (row,) = await city.logs["cases"].read(CITY, 4, 1)
    city.logs["cases"]._shard(CITY).rows[4] = row._replace(event=unknown)
    follower = city.follower()
    with pytest.raises(Outdated, match="case-blessed"):
        await follow_to_the_end(follower)
    (model,) = await city.models()
    assert model.logs["cases"].position == 4


async def test_the_model_is_as_of_the_log_that_is_furthest_behind(world: ScreenWorld) -> None:
    follower = world.follower()
    assert follower.as_of < 0
    await world.logs["intake"].append(CITY, ENDED)
    await world.logs["cases"].commit(CITY, [row for row in ROWS_OF_ENDED if row.log == "cases"])
    await follower.look()
    assert follower.as_of < 0, "nothing is known of `calls`, and it may have rows"
    await world.announce(END)
    await follower.look()
    assert follower.as_of == END


async def test_rows_that_came_after_the_last_look_are_not_claimed_to_be_read(
    world: ScreenWorld,
) -> None:
    follower = world.follower()
    await world.announce(DAY)
    await follower.look()
    assert follower.as_of == DAY
    await world.logs["intake"].append(CITY, ENDED)
    await world.announce(END)
    assert follower.as_of == DAY


class Slow(MemoryLog):
    """A log whose last row is read only once it may be."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.may_go_on = asyncio.Event()
        self.is_waiting = asyncio.Event()

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        rows = await super().read(shard, after, limit)
        if rows and after == 0:
            return rows[:-1]
        if rows:
            self.is_waiting.set()
            await self.may_go_on.wait()
        return rows


async def test_the_screen_replays_until_it_has_read_all_logs_once(
    world: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screen.follower.BATCHES", 1)
    slow = world.logs["intake"] = Slow("intake")
    await slow.append(CITY, ENDED[-2:] * 2)
    await world.announce(END)
    follower = world.follower()
    assert follower.replay is None, "nothing is known of the logs yet"
    assert not follower.is_following()
    running = asyncio.create_task(follower.run())
    async with asyncio.timeout(30):
        await slow.is_waiting.wait()
        assert follower.replay == Replay(name="screen/city", folded=3, rows=4)
        assert follower.is_following()
        slow.may_go_on.set()
        while not follower.is_current:
            await follower.wait_for_newer(follower.version)
    assert follower.replay is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_after_a_restart_the_screen_is_ready_at_once(city: ScreenWorld) -> None:
    await follow_to_the_end(city.follower("before"))
    again = city.follower("after")
    assert not await again.look()
    assert again.is_current
    assert again.replay is None
