"""Calls of districts share statements: which ones, how many at once, and who learns of a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from events.errors import GridcallError, Halted, Unavailable
from intake.core.submission import Item, make_item
from intake.shared_statements import ITEMS_MAX, STATEMENTS_MAX, SharedStatements
from tests.harness.senders import SENDER

ITEM = make_item("0" * 32, "type", b"{}", SENDER)


class Statements:
    """Statements of intake that wait until they are let go. `faults` has those of districts."""

    def __init__(self) -> None:
        self.sent: list[dict[str, int]] = []
        self.faults: dict[str, GridcallError] = {}
        self.go = asyncio.Event()
        self.shared = SharedStatements(self._accept)

    async def _accept(self, items: Mapping[str, Sequence[Item]]) -> list[Any]:
        self.sent.append({district: len(each) for district, each in items.items()})
        await self.go.wait()
        for district in items:
            if district in self.faults:
                raise self.faults[district]
        return [{"shard": district} for district in items]

    async def call(self, district: str, count: int = 1) -> str:
        """Accept items of a district, and return the district of the answer."""
        (record,) = await self.shared.accept(district, [ITEM] * count)
        return str(record["shard"])


async def call_all(statements: Statements, *districts: str) -> list[str | BaseException]:
    """Let all statements go, call at the same time, and return the answers."""
    statements.go.set()
    calls = [statements.call(each) for each in districts]
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_districts_that_call_in_one_turn_share_a_statement() -> None:
    statements = Statements()
    assert await call_all(statements, "a", "b", "c") == ["a", "b", "c"]
    assert statements.sent == [{"a": 1, "b": 1, "c": 1}]


async def test_two_calls_of_a_district_are_in_two_statements_because_they_may_repeat_an_item() -> (
    None
):
    statements = Statements()
    assert await call_all(statements, "a", "b", "a") == ["a", "b", "a"]
    assert statements.sent == [{"a": 1, "b": 1}, {"a": 1}]


async def test_calls_beyond_the_statements_under_way_share_the_next_one() -> None:
    statements = Statements()
    calls = []
    for number in range(STATEMENTS_MAX):
        calls.append(asyncio.create_task(statements.call(f"first-{number}")))
        while len(statements.sent) <= number:
            await asyncio.sleep(0)
    calls += [asyncio.create_task(statements.call(f"next-{number}")) for number in range(9)]
    for _ in range(9):
        await asyncio.sleep(0)
    assert len(statements.sent) == STATEMENTS_MAX
    statements.go.set()
    await asyncio.gather(*calls)
    assert statements.sent[STATEMENTS_MAX:] == [{f"next-{number}": 1 for number in range(9)}]


async def test_a_statement_of_several_districts_has_no_more_items_than_it_may() -> None:
    statements = Statements()
    statements.go.set()
    sizes = {"a": ITEMS_MAX - 1, "b": 1, "c": 1, "d": ITEMS_MAX + 1}
    await asyncio.gather(*(statements.call(district, size) for district, size in sizes.items()))
    assert statements.sent == [
        {"a": ITEMS_MAX - 1, "b": 1},
        {"c": 1},
        {"d": ITEMS_MAX + 1},
    ]


async def test_a_later_call_of_a_district_does_not_overtake_one_that_has_no_room() -> None:
    statements = Statements()
    statements.go.set()
    calls = [("a", ITEMS_MAX - 1), ("b", 2), ("b", 1)]
    await asyncio.gather(*(statements.call(district, size) for district, size in calls))
    assert statements.sent == [{"a": ITEMS_MAX - 1}, {"b": 2}, {"b": 1}]


async def test_a_fault_of_one_district_is_found_by_sending_each_alone() -> None:
    statements = Statements()
    statements.faults["b"] = Halted("b")
    first, second, third = await call_all(statements, "a", "b", "c")
    assert (first, third) == ("a", "c")
    assert isinstance(second, Halted)
    assert statements.sent == [{"a": 1, "b": 1, "c": 1}, {"a": 1}, {"b": 1}, {"c": 1}]
    del statements.faults["b"]
    assert await call_all(statements, "b") == ["b"]


async def test_a_database_that_is_lost_is_lost_for_all_and_asked_once() -> None:
    statements = Statements()
    statements.faults["a"] = Unavailable("lost")
    answers = await call_all(statements, "a", "b")
    assert [str(each) for each in answers] == ["lost", "lost"]
    assert len(statements.sent) == 1


async def test_a_call_that_nobody_awaits_any_more_disturbs_no_other() -> None:
    statements = Statements()
    gone = asyncio.create_task(statements.call("a"))
    other = asyncio.create_task(statements.call("b"))
    while not statements.sent:
        await asyncio.sleep(0)
    gone.cancel()
    statements.go.set()
    assert await other == "b"
    with pytest.raises(asyncio.CancelledError):
        await gone
