"""Calls of districts share statements: which ones, how many at once, and who learns of a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from eventlog.postgres.shared_statements import STATEMENTS_MAX, SharedStatements
from events.errors import GridcallError, Halted, Unavailable

SIZE_MAX = 100


class Statements:
    """Statements that wait until they are let go. `faults` has those of districts.

    The answer of a call is its district and its size. That of a `locked` district is left out
    of a statement of several.
    """

    def __init__(self, *, equal: bool = False) -> None:
        self.sent: list[dict[str, int]] = []
        self.faults: dict[str, Exception] = {}
        self.locked: set[str] = set()
        self.go = asyncio.Event()
        self.shared = SharedStatements(self._send, size_max=SIZE_MAX, equal=equal)

    async def _send(self, calls: Mapping[str, int]) -> Mapping[str, tuple[str, int]]:
        self.sent.append(dict(calls))
        await self.go.wait()
        for district in calls:
            if district in self.faults:
                raise self.faults[district]
        left_out = self.locked if len(calls) > 1 else ()
        return {name: (name, size) for name, size in calls.items() if name not in left_out}

    async def call(self, district: str, size: int = 1) -> tuple[str, int]:
        return await self.shared.call(district, size, size)

    async def call_all(self, *districts: str) -> list[tuple[str, int] | BaseException]:
        """Let all statements go, call at the same time, and return the answers."""
        self.go.set()
        calls = [self.call(each) for each in districts]
        return await asyncio.gather(*calls, return_exceptions=True)

    async def fill(self) -> list[asyncio.Task[tuple[str, int]]]:
        """Let as many statements be under way as may be."""
        calls = []
        for number in range(STATEMENTS_MAX):
            calls.append(asyncio.create_task(self.call(f"first-{number}")))
            await self.wait_for(number + 1)
        return calls

    async def wait_for(self, count: int) -> None:
        while len(self.sent) < count:
            await asyncio.sleep(0)


def answers(*districts: str) -> list[tuple[str, int]]:
    return [(district, 1) for district in districts]


async def test_districts_that_call_in_one_turn_share_a_statement() -> None:
    statements = Statements()
    assert await statements.call_all("a", "b", "c") == answers("a", "b", "c")
    assert statements.sent == [{"a": 1, "b": 1, "c": 1}]


async def test_two_calls_of_a_district_are_in_two_statements_in_their_order() -> None:
    statements = Statements()
    assert await statements.call_all("a", "b", "a") == answers("a", "b", "a")
    assert statements.sent == [{"a": 1, "b": 1}, {"a": 1}]


async def test_equal_calls_that_wait_share_an_answer() -> None:
    statements = Statements(equal=True)
    assert await statements.call_all("a", "b", "a") == answers("a", "b", "a")
    assert statements.sent == [{"a": 1, "b": 1}]


async def test_an_equal_call_gets_no_answer_of_a_statement_that_was_sent_before_it() -> None:
    statements = Statements(equal=True)
    early = asyncio.create_task(statements.call("a"))
    await statements.wait_for(1)
    late = asyncio.create_task(statements.call("a"))
    await statements.wait_for(2)
    statements.go.set()
    assert [await early, await late] == answers("a", "a")


async def test_calls_beyond_the_statements_under_way_share_the_next_one() -> None:
    statements = Statements()
    calls = await statements.fill()
    calls += [asyncio.create_task(statements.call(f"next-{number}")) for number in range(9)]
    for _ in range(9):
        await asyncio.sleep(0)
    assert len(statements.sent) == STATEMENTS_MAX
    statements.go.set()
    await asyncio.gather(*calls)
    assert statements.sent[STATEMENTS_MAX:] == [{f"next-{number}": 1 for number in range(9)}]


async def test_a_statement_of_several_districts_is_no_larger_than_it_may_be() -> None:
    statements = Statements()
    statements.go.set()
    sizes = {"a": SIZE_MAX - 1, "b": 1, "c": 1}
    await asyncio.gather(*(statements.call(district, size) for district, size in sizes.items()))
    assert statements.sent == [{"a": SIZE_MAX - 1, "b": 1}, {"c": 1}]


async def test_a_large_call_goes_alone_and_waits_for_no_other() -> None:
    statements = Statements()
    others = await statements.fill()
    large = asyncio.create_task(statements.call("large", SIZE_MAX + 1))
    await statements.wait_for(STATEMENTS_MAX + 1)
    assert statements.sent[-1] == {"large": SIZE_MAX + 1}
    statements.go.set()
    await asyncio.gather(*others, large)


async def test_a_later_call_of_a_district_does_not_overtake_one_that_has_no_room() -> None:
    statements = Statements()
    statements.go.set()
    calls = [("a", SIZE_MAX - 1), ("b", 2), ("b", SIZE_MAX + 1), ("b", 1)]
    await asyncio.gather(*(statements.call(district, size) for district, size in calls))
    assert statements.sent == [{"a": SIZE_MAX - 1}, {"b": 2}, {"b": SIZE_MAX + 1}, {"b": 1}]


async def test_a_district_that_is_locked_is_sent_again_alone() -> None:
    statements = Statements()
    statements.locked = {"b"}
    assert await statements.call_all("a", "b", "c") == answers("a", "b", "c")
    assert statements.sent == [{"a": 1, "b": 1, "c": 1}, {"b": 1}]


@pytest.mark.parametrize("fault", [Halted("b"), ValueError("b")], ids=["of gridcall", "other"])
async def test_a_fault_of_one_district_is_found_by_sending_each_alone(fault: Exception) -> None:
    statements = Statements()
    statements.faults["b"] = fault
    first, second, third = await statements.call_all("a", "b", "c")
    assert [first, third] == answers("a", "c")
    assert second is fault
    assert statements.sent == [{"a": 1, "b": 1, "c": 1}, {"a": 1}, {"b": 1}, {"c": 1}]
    del statements.faults["b"]
    assert await statements.call_all("b") == answers("b")


async def test_a_database_that_is_lost_is_lost_for_all_and_asked_once() -> None:
    statements = Statements()
    lost: GridcallError = Unavailable("lost")
    statements.faults["a"] = lost
    assert await statements.call_all("a", "b") == [lost, lost]
    assert len(statements.sent) == 1


async def test_a_call_that_nobody_awaits_any_more_disturbs_no_other() -> None:
    statements = Statements()
    gone = asyncio.create_task(statements.call("a"))
    other = asyncio.create_task(statements.call("b"))
    await statements.wait_for(1)
    gone.cancel()
    statements.go.set()
    assert await other == ("b", 1)
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_one_of_two_equal_calls_may_leave() -> None:
    statements = Statements(equal=True)
    gone, other = (asyncio.create_task(statements.call("a")) for _ in range(2))
    await statements.wait_for(1)
    gone.cancel()
    statements.go.set()
    assert await other == ("a", 1)


async def test_a_call_that_nobody_awaits_before_it_is_sent_is_not_sent() -> None:
    statements = Statements()
    others = await statements.fill()
    gone = asyncio.create_task(statements.call("a"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    statements.go.set()
    await asyncio.gather(*others)
    assert await statements.call("b") == ("b", 1)
    assert {"a": 1} not in statements.sent
