"""The merged order of two logs, for any cut of them: reading, watermarks, position, generation."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.core.log import MemoryLog
from eventlog.core.row import Generation, Row
from eventlog.input_order import MergedOrder
from events import catalogue as e
from events.errors import Halted

run_async = asyncio.run
SHARD = "city"
times = st.lists(st.integers(0, 12), max_size=12).map(sorted)


def rows_of(log: str, instants: Sequence[int], first: int = 1) -> list[Row]:
    """Return a row at each of these instants."""
    return [
        Row(log, SHARD, position, time, 0, 1, f"{log}{position}", 1, "", e.CaseRetried(case="c"))
        for position, time in enumerate(instants, first)
    ]


def merge(*logs: Sequence[Row]) -> list[Row]:
    """Return the rows of all logs in the order that design and documents describe."""
    numbered = [
        (row.time, number, row.position, row) for number, log in enumerate(logs) for row in log
    ]
    return [each[-1] for each in sorted(numbered, key=lambda each: each[:3])]


class Reading:
    """Two logs that are written bit by bit, and a reader of their merged order."""

    def __init__(self) -> None:
        self.cases, self.calls = MemoryLog("cases"), MemoryLog("calls")
        self.order = MergedOrder(self.cases, self.calls)
        self.read: dict[str, int] = {}
        self.rows: list[Row] = []

    async def take(self, limit: int = 100) -> list[Row]:
        """Read the next rows."""
        taken = list(await self.order.read(SHARD, self.read, limit))
        for row in taken:
            self.read[row.log] = row.position
        self.rows += taken
        return taken

    async def watermark(self) -> int | None:
        return await self.order.watermark(SHARD, self.read)


def logs_with(cases: Sequence[int], calls: Sequence[int], until: int | None = None) -> Reading:
    """Return a reading of logs that have rows at these instants."""

    async def write() -> Reading:
        reading = Reading()
        for log, instants in ((reading.cases, cases), (reading.calls, calls)):
            await log.commit(SHARD, rows_of(log.name, instants))
            if until is not None:
                await log.announce(SHARD, until)
        return reading

    return run_async(write())


@given(times, times, st.integers(0, 2**32))
def test_any_cut_of_both_logs_with_watermarks_anywhere_gives_one_order(
    cases: list[int], calls: list[int], seed: int
) -> None:
    chance = random.Random(seed)

    async def read() -> None:
        reading = Reading()
        whole = {
            log: rows_of(log.name, instants)
            for log, instants in ((reading.cases, cases), (reading.calls, calls))
        }
        left: dict[Any, list[Row]] = {log: list(rows) for log, rows in whole.items()}
        expected = merge(*whole.values())
        for _ in range(40):
            log = chance.choice([reading.cases, reading.calls])
            count = chance.randint(0, 3)
            await log.commit(SHARD, left[log][:count])
            del left[log][:count]
            end = left[log][0].time if left[log] else 20
            await log.announce(SHARD, chance.randint(0, end))
            for _ in range(chance.randint(0, 3)):
                await reading.take(chance.randint(1, 4))
                assert reading.rows == expected[: len(reading.rows)]
            watermark = await reading.watermark()
            if watermark is not None:
                assert all(row.time >= watermark for row in expected[len(reading.rows) :])
        for log in left:
            await log.commit(SHARD, left[log])
            await log.announce(SHARD, 21)
        while await reading.take(chance.randint(1, 5)):
            pass
        assert reading.rows == expected
        assert await reading.watermark() == 21

    run_async(read())


@given(times, times)
def test_the_number_of_rows_read_tells_the_position_in_each_log(
    cases: list[int], calls: list[int]
) -> None:
    reading = logs_with(cases, calls)

    async def split() -> None:
        expected = merge(rows_of("cases", cases), rows_of("calls", calls))
        for count in range(len(expected) + 1):
            read = [row.log for row in expected[:count]]
            assert await reading.order.split(SHARD, count) == {
                "cases": read.count("cases"),
                "calls": read.count("calls"),
            }

    run_async(split())


def test_at_one_instant_all_rows_of_cases_come_before_those_of_calls() -> None:
    reading = logs_with([5, 7, 7], [5, 5, 7], until=8)
    taken = run_async(reading.take())
    assert [(row.log, row.position) for row in taken] == [
        ("cases", 1), ("calls", 1), ("calls", 2), ("cases", 2), ("cases", 3), ("calls", 3)
    ]  # fmt: skip


def test_a_row_waits_while_the_other_log_may_still_have_an_earlier_one() -> None:
    reading = logs_with([5, 9], [])

    async def wait() -> None:
        await reading.cases.announce(SHARD, 30)
        assert await reading.take() == []
        await reading.calls.announce(SHARD, 9)
        assert [row.time for row in await reading.take()] == [5]
        await reading.calls.commit(SHARD, rows_of("calls", [9]))
        assert await reading.take() == []
        await reading.calls.announce(SHARD, 10)
        assert [row.log for row in await reading.take()] == ["cases", "calls"]
        assert await reading.watermark() == 10

    run_async(wait())


def test_a_log_that_is_silent_for_long_holds_nothing_up_once_its_time_has_passed() -> None:
    reading = logs_with(range(1000), [], until=2000)
    assert len(run_async(reading.take(5000))) == 1000
    assert run_async(reading.watermark()) == 2000


def test_a_decision_of_more_rows_than_a_batch_is_read_in_parts() -> None:
    reading = logs_with([5] * 50, [5] * 50, until=6)
    for _ in range(20):
        assert len(run_async(reading.take(5))) == 5
    assert reading.rows == merge(rows_of("cases", [5] * 50), rows_of("calls", [5] * 50))


def test_a_watermark_is_believed_only_when_its_position_was_read() -> None:
    reading = logs_with([1, 2, 3], [1], until=9)
    run_async(reading.take(2))
    assert run_async(reading.watermark()) is None
    run_async(reading.take())
    assert run_async(reading.watermark()) == 9


def test_a_log_that_lost_rows_that_were_read_halts_its_reader() -> None:
    reading = logs_with([1, 2], [1], until=9)
    run_async(reading.take())
    other = logs_with([1], [1], until=9)
    with pytest.raises(Halted, match="cases/city ends at 1, but 2 was read before"):
        run_async(other.order.watermark(SHARD, reading.read))
    with pytest.raises(Halted, match="city ends at 1, but 2 was read before"):
        run_async(other.order.split(SHARD, 3))


class Forked(MemoryLog):
    """A log in memory of a certain generation."""

    def __init__(self, log: MemoryLog, generation: Generation) -> None:
        super().__init__(log.name)
        self._log, self._generation = log, generation

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        return await self._log.read(shard, after, limit)

    async def generation(self, shard: str) -> Generation:
        return self._generation


@given(times, times, st.integers(0, 12))
def test_a_fork_has_all_rows_in_common_up_to_the_last_common_one_of_the_first_log(
    cases: list[int], calls: list[int], at: int
) -> None:
    at = min(at, len(cases))
    reading = logs_with(cases, calls)
    last = cases[at - 1] if at else -1
    common_calls = sum(1 for time in calls if time <= last)  # Those of lost rows come later.
    order = MergedOrder(
        Forked(reading.cases, Generation(2, 1, at)),
        Forked(reading.calls, Generation(2, 1, common_calls)),
    )
    number, previous, common = run_async(order.generation(SHARD))
    assert (number, previous) == (2, 1)
    merged = merge(rows_of("cases", cases), rows_of("calls", calls))
    read = merged[:common]
    assert [row.position for row in read if row.log == "cases"] == list(range(1, at + 1))
    assert all(row.time < last or row.log == "cases" for row in read)


def test_there_is_no_generation_until_the_second_log_has_followed_the_first() -> None:
    reading = logs_with([1], [])
    order = MergedOrder(
        Forked(reading.cases, Generation(2, 1, 1)), Forked(reading.calls, Generation(1))
    )
    assert run_async(order.generation(SHARD)) == Generation(0)
