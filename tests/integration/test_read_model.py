"""Sentences about the screen's read model: it equals a fresh fold, whichever process writes it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from eventlog.condition import Replay
from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft, Generation, Head, Row
from events import catalogue as e
from events.errors import Conflict, Halted, Outdated, Unavailable
from events.registry import UnknownEvent
from gridcall.cli.rebuild import begin_to_build
from screen.core.case_file import CaseFile
from screen.core.fold import Fold
from screen.core.lists import CaseList, Place
from screen.payloads import board_payload
from screen.store import ModelStore, PageStore, StoredModel
from screen.store.lists import CALLS, FIRST_CALL, STATEMENTS
from tests.harness.city import DAY
from tests.harness.histories import END, drafts_of, run
from tests.harness.read_models import (
    CITY,
    ScreenWorld,
    drafts_of_ended,
    follow_to_the_end,
    screen_world,
)

CHANCE = random.Random(17)
NAMES = [f"{number:032x}" for number in range(12)]


def history() -> list[Draft]:
    """Return inputs of a busy city: cases on all lines, visits, ends, and silent grids."""
    inputs: list[tuple[int, Any]] = []
    for number, name in enumerate(NAMES):
        line = e.LINES[number % len(e.LINES)]
        inputs.append((DAY // 4, report(name, line, number)))
        if number % 3 == 0:
            visit = e.VisitMade(action="x", issue=NAMES[CHANCE.randrange(number + 1)], by="ann")
            inputs.append((DAY // 8, visit))
        if number % 4 == 1:
            end = e.EndedAtSource(action="x", issue=name, outcome="closed", rules=())
            inputs.append((DAY // 8, end))
    return drafts_of(inputs, strict=False)


def report(name: str, line: Any, number: int) -> e.IssueReported:
    """Return the report of a case."""
    code = ("0101", "0102", "nowhere")[number % 3]
    due = None if number % 5 == 4 else (number + 2) * DAY // 2
    return e.IssueReported(
        issue=name, source="s", line=line, reference=f"R-{number:03}", category="Rubbish",
        urgency="normal", due=due, claims=(e.PlaceClaim(by="grid", code=code),), rules=(),
    )  # fmt: skip


DRAFTS = history()
ROWS = run(DRAFTS)
ENDED = drafts_of_ended("a")
ROWS_OF_ENDED = run(ENDED)


@pytest.fixture
async def world(database: str) -> AsyncIterator[ScreenWorld]:
    async with screen_world(database) as opened:
        yield opened


@pytest.fixture
async def city(world: ScreenWorld) -> ScreenWorld:
    """Return the world after its whole history was written, and nothing read."""
    await world.write(DRAFTS, ROWS)
    await world.announce(END)
    return world


async def test_two_writers_that_take_turns_leave_what_one_leaves(city: ScreenWorld) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("screen.model_writer.BUILD_BATCH", 3)
        patch.setattr("screen.follower.BATCHES", 1)
        patch.setattr("screen.store.models.LEASE_SECONDS", 0.0)
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

    async def models(self, district: str) -> list[StoredModel]:
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


def lengths_after_cut(inputs: int) -> dict[str, int]:
    """Return the lengths of the logs without what follows from later inputs."""
    cases = sum(row.log == "cases" and row.input <= inputs for row in ROWS)
    calls = sum(row.log == "calls" and row.input <= cases for row in ROWS)
    return {"intake": inputs, "cases": cases, "calls": calls}


class Remembering(MemoryLog):
    """A log that a cut has shortened, and whose reader remembers the rows that were cut away."""

    length = 0

    async def head(self, shard: str) -> Head:
        head = await super().head(shard)
        return Head(head.mark._replace(position=self.length), Generation(2, 1, 1), b"")


async def test_rows_beyond_the_head_of_a_log_are_not_read(city: ScreenWorld) -> None:
    await follow_to_the_end(city.follower())
    lengths = lengths_after_cut(len(DRAFTS) // 2)
    for name, log in city.logs.items():
        remembering = city.logs[name] = Remembering(name)
        remembering._shards, remembering.length = log._shards, lengths[name]
    follower = city.follower("after")
    await follow_to_the_end(follower)
    await follow_to_the_end(follower)
    assert follower.served is not None
    assert follower.served.state == "live"
    read = {name: each.position for name, each in follower.served.logs.items()}
    assert read == lengths


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


# ── Versions ─────────────────────────────────────────────────────────────────────────────────────


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


async def test_a_model_of_an_earlier_version_goes_once_nobody_writes_it(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await follow_to_the_end(city.follower("old"))
    monkeypatch.setattr("screen.follower.VERSION", 2)
    monkeypatch.setattr("screen.store.models.SWEPT_ROWS", 5)
    new = city.follower("new")
    await follow_to_the_end(new)
    assert [model.version for model in await city.models()] == [1, 2]
    await city.database.fetch("UPDATE screen.model SET leased_until = '-infinity'")
    for _ in range(20):
        await new.look()
    assert [model.version for model in await city.models()] == [2]
    for table in ("case_file", "call", "tally", "event", "progress"):
        (count,) = await city.database.fetch(f"SELECT count(DISTINCT model) FROM screen.{table}")
        assert count[0] == 1, table


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


# ── Lists ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_list_is_paged_through_in_its_order_and_none_is_left_out(
    city: ScreenWorld,
) -> None:
    follower = city.follower()
    await follow_to_the_end(follower)
    assert follower.served is not None
    model = follower.served.id
    codes: dict[str, Sequence[str]] = {
        "district": [""], "line": e.LINES, "grid": ["0101", "0102"],
    }  # fmt: skip
    lengths = 0
    for name, of in STATEMENTS:
        for code in codes[of]:
            listed = CaseList(name, of, code)
            whole = (await city.lists.cases(model, listed, listed.start, 1000)).files
            paged: list[CaseFile] = []
            place: Place | None = listed.start
            while place:
                page = await city.lists.cases(model, listed, place, 2)
                paged += page.files
                place = page.next
            assert paged == list(whole), listed
            lengths += len(paged)
    assert lengths > 2 * len(NAMES)
    first = await city.lists.calls(model, "street", FIRST_CALL, 1)
    assert first.next is not None
    second = await city.lists.calls(model, "street", first.next, 1)
    assert first.calls != second.calls


async def test_every_list_is_read_by_an_index_of_its_own(city: ScreenWorld) -> None:
    await follow_to_the_end(city.follower())
    async with city.database.snapshot() as session:
        await session.execute("SET LOCAL enable_sort = off")
        for (name, of), sql in STATEMENTS.items():
            scope = "" if of == "district" else ", text"
            await session.execute(f"PREPARE listed (bigint, bigint, text, int{scope}) AS {sql}")
            extra = "" if of == "district" else ", 'x'"
            plan = await session.fetch(f"EXPLAIN EXECUTE listed (1, 0, '', 10{extra})")
            await session.execute("DEALLOCATE listed")
            text = "\n".join(line[0] for line in plan)
            index = (
                f"case_{name}" if of == "district" or name == "accepted" else f"case_{of}_{name}"
            )
            assert f"using {index}" in text, text
            assert "Sort" not in text
        await session.execute(f"PREPARE listed (bigint, bigint, text, int, text) AS {CALLS}")
        plan = await session.fetch("EXPLAIN EXECUTE listed (1, 0, '', 10, 'street')")
        assert "call_level" in "\n".join(line[0] for line in plan)


async def test_a_case_is_found_by_the_beginning_of_its_reference(city: ScreenWorld) -> None:
    follower = city.follower()
    await follow_to_the_end(follower)
    assert follower.served is not None
    files = await city.lists.cases_of_reference(follower.served.id, "R-00", 100)
    assert [file.case.reference for file in files] == [f"R-{n:03}" for n in range(10)]
    assert await city.lists.cases_of_reference(follower.served.id, "R%", 100) == []


# ── What intake asks ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def district(world: ScreenWorld) -> ScreenWorld:
    """Return a world whose case a has district, before anything is read."""
    await world.write(ENDED, ROWS_OF_ENDED)
    await world.announce(END)
    return world


async def test_while_the_logs_are_read_for_the_first_time_no_stage_is_shown(
    district: ScreenWorld,
) -> None:
    tracker = district.tracker(district.follower())
    with pytest.raises(Unavailable, match="still reading"):
        await tracker.find(CITY, "a", DAY, 0)
    with pytest.raises(Unavailable, match="does not follow"):
        await tracker.find("elsewhere", "a", DAY, 0)


async def test_a_case_is_shown_as_of_an_instant_and_a_client_may_wait_for_it(
    district: ScreenWorld,
) -> None:
    follower = district.follower()
    tracker = district.tracker(follower)
    following = asyncio.create_task(follower.run())
    tracked = await tracker.find(CITY, "a", 2 * DAY, 10)
    assert tracked.case is not None
    assert (tracked.case.stage, tracked.as_of) == ("closed", END)
    assert (await tracker.find(CITY, "b", 2 * DAY, 0)).case is None
    later = await tracker.find(CITY, "a", END, 0)
    assert later == tracked, "nobody waits who did not ask for it"
    following.cancel()


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


# ── Readiness ────────────────────────────────────────────────────────────────────────────────────


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
