"""The runner: commits, watermarks, and ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from escalation.core.decider import Escalation
from eventlog.core.decider import REFERENCE
from eventlog.core.log import MemoryLog
from eventlog.core.row import Progress, Row, Watermark
from eventlog.core.stage import Stage
from eventlog.input_order import SingleOrder
from eventlog.runner import PROGRESS_INPUTS, Runner
from events import catalogue as e
from events.errors import Conflict, Halted
from tests.harness.city import ANN, POLICIES_ADOPTED
from tests.harness.tape import Tape, report


class Refusing(MemoryLog):
    """A log that is away for one commit."""

    def __init__(self) -> None:
        super().__init__("calls")
        self.away = True

    async def commit(self, shard: str, rows: Sequence[Row], passed: Progress | None = None) -> None:
        if self.away:
            self.away = False
            raise Conflict("somebody else wrote first")
        await super().commit(shard, rows)


async def test_a_stage_whose_rows_were_not_committed_does_nothing_any_more() -> None:
    tape, source, sink = Tape("cases"), MemoryLog("cases"), Refusing()
    await source.commit("city", tape.write(10, "a", *report("a", 10, 20)))
    runner = Runner(Stage(Escalation(), "city"), SingleOrder(source), sink, 10)
    with pytest.raises(Conflict):
        await runner.catch_up()
    with pytest.raises(Halted):
        await runner.catch_up()
    again = Runner(Stage(Escalation(), "city"), SingleOrder(source), sink, 10)
    await again.catch_up()
    assert [type(row.event) for row in await sink.read("city", 0, 9)] == [e.ClockStarted]


async def test_what_was_decided_while_a_commit_failed_is_never_written() -> None:
    tape, source, sink = Tape("cases"), MemoryLog("cases"), Refusing()
    for name in "abc":
        await source.commit("city", tape.write(10, name, *report(name, 10, 20)))
    runner = Runner(Stage(Escalation(), "city"), SingleOrder(source), sink, 2)
    await runner.step()
    assert not await sink.read("city", 0, 9), "a full batch is committed with the next step"
    with pytest.raises(Conflict):
        await runner.step()
    with pytest.raises(Halted):
        await runner.catch_up()
    assert not await sink.read("city", 0, 9)
    await Runner(Stage(Escalation(), "city"), SingleOrder(source), sink, 2).catch_up()
    assert [row.subject for row in await sink.read("city", 0, 9)] == ["a", "b", "c"]


class RefusingMeanwhile(MemoryLog):
    """A log whose commit fails while the next rows are applied in a thread."""

    def __init__(self) -> None:
        super().__init__("calls")
        self.is_applying, self.has_failed = threading.Event(), threading.Event()

    async def commit(self, shard: str, rows: Sequence[Row], passed: Progress | None = None) -> None:
        if rows:
            await asyncio.to_thread(self.is_applying.wait, 5)
            asyncio.get_running_loop().call_soon(self.has_failed.set)
            raise Conflict("somebody else wrote first")


async def test_a_commit_that_fails_while_an_adoption_is_applied_stops_the_stage() -> None:
    tape, source, sink = Tape("cases"), MemoryLog("cases"), RefusingMeanwhile()
    await source.commit("city", tape.write(10, "a", *report("a", 10, 20)))
    await source.commit("city", tape.write(11, REFERENCE, POLICIES_ADOPTED, POLICIES_ADOPTED))

    class Waiting(Escalation):
        def decide_reference(self, event: e.Adopted, view: Any) -> Sequence[e.Adopted]:
            sink.is_applying.set()
            assert sink.has_failed.wait(5)
            return super().decide_reference(event, view)

    runner = Runner(Stage(Waiting(), "city"), SingleOrder(source), sink, 2)
    await runner.step()
    with pytest.raises(Conflict):
        await runner.step()
    with pytest.raises(Halted, match="was stopped"):
        runner.stage.apply([])


class Hanging(MemoryLog):
    """A log whose commits are never answered."""

    async def commit(self, shard: str, rows: Sequence[Row], passed: Progress | None = None) -> None:
        if rows:
            await asyncio.get_running_loop().create_future()


async def test_who_ends_while_a_commit_hangs_is_not_held_up() -> None:
    tape, source = Tape("cases"), MemoryLog("cases")
    for name in "ab":
        await source.commit("city", tape.write(10, name, *report(name, 10, 20)))
    runner = Runner(Stage(Escalation(), "city"), SingleOrder(source), Hanging("calls"), 2)
    await runner.step()
    following = asyncio.create_task(runner.step())
    await asyncio.sleep(0)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(following, 5)


async def test_a_watermark_is_believed_only_when_its_position_was_read() -> None:
    tape, source, sink = Tape("cases"), MemoryLog("cases"), MemoryLog("calls")
    await source.commit("city", tape.write(10, "a", *report("a", 10, 20)))
    await source.commit(
        "city",
        tape.write(15, "a", e.CaseEndedAtSource(case="a", holder=ANN, outcome="closed", rules=())),
    )
    await source.announce("city", 99)
    runner = Runner(Stage(Escalation(), "city"), SingleOrder(source), sink, 2)
    await runner.step()
    await runner.advance_time()
    assert [type(row.event) for row in await sink.read("city", 0, 9)] == [e.ClockStarted]
    await runner.catch_up()
    assert [type(row.event) for row in await sink.read("city", 0, 9)] == [
        e.ClockStarted,
        e.ClockStopped,
    ]
    assert await sink.watermark("city") == Watermark(2, 99)


async def test_a_new_owner_begins_after_the_inputs_that_led_to_no_row() -> None:
    tape, source, sink = Tape("cases"), MemoryLog("cases"), MemoryLog("calls")
    await source.commit("city", tape.write(10, "a", *report("a", 10, 20)))
    visited = e.CaseVisited(case="a", holder=ANN, by="ann")
    for number in range(PROGRESS_INPUTS):
        await source.commit("city", tape.write(11, f"b{number}", visited))
    one, other = (
        Runner(Stage(Escalation(), "city"), SingleOrder(source), sink, 2_000) for _ in range(2)
    )
    while await one.step():
        pass
    await other.replay()
    assert other.stage.input == one.stage.input == len(tape.rows)
    assert other.stage.position == 1


class Announcing(MemoryLog):
    """A log that knows what was announced in it."""

    def __init__(self) -> None:
        super().__init__("calls")
        self.announced: list[tuple[int, int]] = []

    async def announce(self, shard: str, watermark: int, applied: int = 0) -> Watermark:
        self.announced.append((watermark, applied))
        return await super().announce(shard, watermark, applied)


async def test_what_the_own_log_has_is_not_announced_again() -> None:
    """Each announcement wakes the readers of the log."""
    tape, source, sink = Tape("cases"), MemoryLog("cases"), Announcing()
    runner = Runner(Stage(Escalation(), "city"), SingleOrder(source), sink, 9)
    await source.commit("city", tape.write(10, "a", *report("a", 10, 20)))
    await runner.catch_up()
    assert await sink.watermark("city") == Watermark(1, 10), "the commit let it pass"
    assert sink.announced == []
    visited = e.CaseVisited(case="a", holder=ANN, by="ann")
    await source.commit("city", tape.write(10, "a", visited))
    await runner.catch_up()
    assert sink.announced == [(10, 3)], "no row names the last input"
    await source.announce("city", 15)
    for _ in range(2):
        await runner.catch_up()
    assert sink.announced == [(10, 3), (15, 3)]
