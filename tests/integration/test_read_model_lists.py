"""Sentences about what is read of a read model: lists, the search, the stage of a case."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal
from unicodedata import normalize

import pytest

from events import catalogue as e
from events.errors import Unavailable
from screen.core.case_file import CaseFile
from screen.core.lists import CaseList, Place
from screen.search import CaseSearch
from screen.store import ModelStore
from screen.store.lists import CALLS, FIRST_CALL, STATEMENTS
from tests.harness.city import DAY
from tests.harness.histories import END, run
from tests.harness.read_models import (
    CITY,
    ENDED,
    NAMES,
    ROWS_OF_ENDED,
    ScreenWorld,
    drafts_of_ended,
    follow_to_the_end,
)

ACCENTED_NAME = "Đà Nẵng-1"  # In NFC, as intake stores it.
ACCENTED = drafts_of_ended(ACCENTED_NAME)
ROWS_OF_ACCENTED = run(ACCENTED)


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
            (whole, _), count = await city.lists.cases(model, listed, listed.start, 1000)
            paged: list[CaseFile] = []
            place: Place | None = listed.start
            while place:
                page, _ = await city.lists.cases(model, listed, place, 2)
                paged += page.files
                place = page.next
            assert paged == list(whole), listed
            assert len(paged) == count, listed
            lengths += len(paged)
    assert lengths > 2 * len(NAMES)
    first, count = await city.lists.calls(model, "street", FIRST_CALL, 1)
    assert first.next is not None
    rest, _ = await city.lists.calls(model, "street", first.next, 1000)
    assert first.calls[0] not in rest.calls
    assert len(rest.calls) == count - 1


async def test_a_page_and_the_length_of_its_list_are_of_one_commit(
    city: ScreenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screen.model_writer.BUILD_BATCH", 1)
    monkeypatch.setattr("screen.follower.BATCHES", 1)
    follower, lengths = city.follower(), set()
    await follower.look()
    (model,) = await city.models()
    writing = asyncio.create_task(follow_to_the_end(follower))
    while not writing.done():
        cases, count = await city.lists.cases(model.id, CaseList("open"), CaseList("open").start)
        assert len(cases.files) == count
        calls, open_calls = await city.lists.calls(model.id, "street", FIRST_CALL)
        assert len(calls.calls) == open_calls
        lengths.add((count, open_calls))
    await writing
    assert len(lengths) > 3


async def test_nothing_is_shown_of_a_model_that_was_dropped(city: ScreenWorld) -> None:
    """Pages ask for it until the next look. It looks like an empty one while it is swept."""
    follower = city.follower()
    await follow_to_the_end(follower)
    (model,) = await city.models()
    assert await city.lists.case(model.id, "no such case") is None
    store, lists = ModelStore(city.database, "b"), city.lists
    await store.drop(model)
    for is_forgotten in (False, True):
        for request in (
            lists.cases(model.id, CaseList("open"), CaseList("open").start),
            lists.calls(model.id, "street", FIRST_CALL),
            lists.case(model.id, NAMES[0]),
            lists.cases_of_reference(model.id, "R", 10),
            follower.board(-1),
            city.tracker(follower).find(CITY, NAMES[0], 0, 0),
        ):
            with pytest.raises(Unavailable, match="being built again"):
                await request
        while not is_forgotten and await city.models():
            await store.sweep(model.id)


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


class NoCodes:
    """An intake that knows no tracking code."""

    async def find_by_code(self, code: str) -> None:
        return None


@pytest.mark.parametrize("form", ["NFC", "NFD"])
async def test_a_case_is_found_in_whichever_form_of_unicode_its_reference_is_typed(
    world: ScreenWorld, form: Literal["NFC", "NFD"]
) -> None:
    await world.write(ACCENTED, ROWS_OF_ACCENTED)
    await follow_to_the_end(world.follower())
    (model,) = await world.models()
    search = CaseSearch(world.lists, NoCodes())
    (file,) = await search.find(model.id, CITY, f" {normalize(form, ACCENTED_NAME)} ")
    assert file.case.reference == ACCENTED_NAME


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
    await asyncio.gather(following, return_exceptions=True)
