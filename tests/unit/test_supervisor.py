"""The owner of a shard: its lease while a step takes long, its replay, and other owners."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest

from eventlog import supervisor
from eventlog.condition import Replay
from eventlog.leases import SharedLeases
from eventlog.notifier import Notifier
from eventlog.supervisor import ShardSupervisor
from events.errors import Conflict

HALF_A_MINUTE = 30.0


class LeasedLog:
    """A log of 200 rows that knows if its lease was renewed, and up to where it is folded."""

    name = "cases"

    def __init__(self) -> None:
        self.is_renewed = asyncio.Event()
        self.has_other_owner = asyncio.Event()
        self.folded: list[int] = []

    async def lease(self, shard: str) -> bool:
        return not self.has_other_owner.is_set()

    def last(self, shard: str) -> int:
        return 200

    async def follow(self, shard: str, read: Any) -> None:
        return

    async def renew(self, shard: str, *, folded: int = 0) -> None:
        self.folded.append(folded)
        self.is_renewed.set()

    async def renew_all(self, shards: Collection[str]) -> Collection[str]:
        self.is_renewed.set()
        return () if self.has_other_owner.is_set() else shards

    async def release(self, shard: str) -> None:
        return

    def forget(self, shard: str) -> None:
        return


class SlowProcessor:
    """A processor whose first step lasts until its lease is renewed."""

    batch = 1
    parked = 0
    position = 0
    is_storing = False

    def __init__(self, log: LeasedLog) -> None:
        self.log = log
        self.last_log = "intake"
        self.has_stepped = asyncio.Event()

    @property
    def order(self) -> Any:
        return self

    async def generation(self, shard: str) -> Any:
        return self

    number = 1

    async def replay(self) -> None:
        return

    async def step(self) -> int:
        self.log.is_renewed.clear()
        await self.log.is_renewed.wait()
        self.has_stepped.set()
        return 0

    async def advance_time(self) -> None:
        return


class LongLog(SlowProcessor):
    """A processor that replays 86 of 200 rows, and the others once it may go on."""

    def __init__(self, log: LeasedLog) -> None:
        super().__init__(log)
        self.may_go_on = asyncio.Event()

    async def replay(self) -> None:
        self.position = 86
        await self.may_go_on.wait()
        self.position = 200


class Fenced(SlowProcessor):
    """A processor that finds another owner when it commits."""

    async def step(self) -> int:
        self.log.has_other_owner.set()
        self.has_stepped.set()
        raise Conflict("another owner")


class Quiet(SlowProcessor):
    """A processor to whose shard nothing comes. It finds another owner when it passes time on."""

    def __init__(self, log: LeasedLog) -> None:
        super().__init__(log)
        self.looks = 0

    async def step(self) -> int:
        return 0

    async def advance_time(self) -> None:
        if self.log.has_other_owner.is_set():
            raise Conflict("another owner")
        self.looks += 1
        self.has_stepped.set()


class LostLease(LeasedLog):
    """A log whose lease is lost once work goes on, and what happened to it in order."""

    def __init__(self) -> None:
        super().__init__()
        self.happened: list[str] = []
        self.is_worked_on = self.is_lost = False

    async def lease(self, shard: str) -> bool:
        self.happened.append("leased")
        return True

    async def renew(self, shard: str, *, folded: int = 0) -> None:
        await super().renew(shard, folded=folded)
        if self.is_worked_on and self.is_lost:
            raise Conflict("another owner")

    async def release(self, shard: str) -> None:
        self.happened.append("released")

    def forget(self, shard: str) -> None:
        self.happened.append("forgotten")


class Unwinding(SlowProcessor):
    """A processor that takes a while to end when it is cancelled, as a statement does."""

    log: LostLease

    async def step(self) -> int:
        self.has_stepped.set()
        await self.work()
        return 0

    async def work(self) -> None:
        self.log.is_worked_on = True
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(9):
                await asyncio.sleep(0)
            self.log.happened.append("work ended")
            self.log.is_worked_on = False


class UnwindingReplay(Unwinding):
    """A processor whose replay takes a while to end."""

    async def replay(self) -> None:
        await self.work()


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renew a lease and look for one all the time."""
    monkeypatch.setattr(supervisor, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(supervisor, "LEASE_POLL_SECONDS", 0.01)


def supervisor_of(sink: Any, make: Any) -> ShardSupervisor:
    """Return a supervisor whose quiet lease nobody renews."""
    notifier = Notifier()
    return ShardSupervisor("city", sink, notifier, make, SharedLeases(sink, notifier))


@asynccontextmanager
async def run_supervisor(processor: Any) -> AsyncIterator[ShardSupervisor]:
    """Run the supervisor of a processor for the length of the block."""
    sink: Any = processor.log
    supervised = supervisor_of(sink, lambda: processor)
    running = asyncio.create_task(supervised.run())
    async with asyncio.timeout(HALF_A_MINUTE):
        yield supervised
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def renew_until(event: asyncio.Event, shard: ShardSupervisor) -> None:
    """Renew the leases that are shared, again and again, until an event."""
    while not event.is_set():
        await shard.leases.renew()
        await asyncio.sleep(0)


@pytest.mark.usefixtures("_often")
async def test_a_replay_says_how_far_it_is_until_the_shard_is_taken_over() -> None:
    processor, frozen = LongLog(LeasedLog()), gc.get_freeze_count()
    async with run_supervisor(processor) as shard:
        await processor.log.is_renewed.wait()
        assert shard.replay == Replay(name="cases/city", folded=86, rows=200)
        assert str(shard.replay) == "cases/city: replaying, 43 %"
        assert shard.runner is None
        assert gc.get_freeze_count() == frozen
        processor.may_go_on.set()
        await renew_until(processor.has_stepped, shard)
        assert shard.replay is None
        assert shard.runner is processor
        assert gc.get_freeze_count() > frozen, "the collector does not look at the state again"
    assert sorted(set(processor.log.folded)) == [86, 200], "others see how far it is"


@pytest.mark.usefixtures("_often")
async def test_a_process_is_a_standby_as_soon_as_another_one_owns_its_shard() -> None:
    processor = Fenced(LeasedLog())
    async with run_supervisor(processor) as shard:
        assert not shard.is_standby, "nothing is known yet"
        while not processor.has_stepped.is_set():
            assert not shard.is_standby
            await asyncio.sleep(0)
        while shard.runner:
            await asyncio.sleep(0)
        assert shard.is_standby
        for _ in range(100):
            await asyncio.sleep(0)
            assert shard.is_standby, "also between two looks at the lease"


@pytest.mark.usefixtures("_often")
async def test_what_was_known_of_a_shard_goes_with_the_shard() -> None:
    """A take-over freezes what is there, and the collector never looks at that again."""
    log, processors = LeasedLog(), list[weakref.ref[Fenced]]()

    def make() -> Any:
        processor = Fenced(log)
        processors.append(weakref.ref(processor))
        return processor

    sink: Any = log
    shard = supervisor_of(sink, make)
    gc.disable()
    running = asyncio.create_task(shard.run())
    async with asyncio.timeout(HALF_A_MINUTE):
        while not shard.is_standby:
            await asyncio.sleep(0)
    states = [processor() for processor in processors]
    gc.enable()
    assert states == [None]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.usefixtures("_often")
async def test_a_replay_that_lost_its_lease_has_ended_before_its_shard_is_forgotten() -> None:
    log = LostLease()
    log.is_lost = True
    async with run_supervisor(UnwindingReplay(log)):
        while "forgotten" not in log.happened:
            await asyncio.sleep(0)
    assert log.happened[:3] == ["leased", "work ended", "forgotten"]


@pytest.mark.usefixtures("_often")
async def test_work_that_is_cancelled_has_ended_before_its_lease_is_released() -> None:
    log = LostLease()
    processor = Unwinding(log)
    async with run_supervisor(processor):
        await processor.has_stepped.wait()
    assert log.happened == ["leased", "work ended", "released"]


async def test_a_lease_is_renewed_while_a_step_takes_long() -> None:
    processor = SlowProcessor(LeasedLog())
    async with run_supervisor(processor) as shard:
        await renew_until(processor.has_stepped, shard)


async def test_a_quiet_shard_is_left_alone_while_its_lease_is_renewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "SOURCE_POLL_SECONDS", HALF_A_MINUTE * 2)
    processor = Quiet(LeasedLog())
    async with run_supervisor(processor) as shard:
        await shard.notifier.wait_for_waiter("intake", "city")
        for _ in range(9):
            await shard.leases.renew()
            await asyncio.sleep(0)
        assert processor.looks == 1
        shard.notifier.notify("intake", "city")
        while processor.looks < 2:
            await asyncio.sleep(0)


async def test_a_quiet_shard_that_lost_its_lease_finds_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "SOURCE_POLL_SECONDS", HALF_A_MINUTE * 2)
    processor = Quiet(LeasedLog())
    async with run_supervisor(processor) as shard:
        await shard.notifier.wait_for_waiter("intake", "city")
        processor.log.has_other_owner.set()
        await shard.leases.renew()
        while shard.runner:
            await asyncio.sleep(0)
        assert shard.is_standby


class Busy(SlowProcessor):
    """A processor that reads a row at its first steps, and what it did in order."""

    batch = 9

    def __init__(self, log: LeasedLog) -> None:
        super().__init__(log)
        self.rows = [1, 1, 0]
        self.did: list[str] = []

    async def step(self) -> int:
        self.did.append("looked")
        return self.rows.pop(0)

    async def advance_time(self) -> None:
        self.did.append("let time pass")
        self.has_stepped.set()


async def test_time_passes_after_rows_without_another_look_at_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "ADVANCE_SECONDS", HALF_A_MINUTE * 2)
    monkeypatch.setattr(supervisor, "monotonic", lambda: 0.0)
    processor = Busy(LeasedLog())
    async with run_supervisor(processor) as shard:
        for _ in range(2):
            await shard.notifier.wait_for_waiter("intake", "city")
            shard.notifier.notify("intake", "city")
            await asyncio.sleep(0)
        await processor.has_stepped.wait()
        assert processor.did == ["looked"] * 3 + ["let time pass"], "the last look found nothing"
    monkeypatch.setattr(supervisor, "ADVANCE_SECONDS", 0.0)
    processor = Busy(LeasedLog())
    async with run_supervisor(processor):
        await processor.has_stepped.wait()
        assert processor.did == ["looked", "let time pass"]
