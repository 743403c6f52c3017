"""The owner of a shard stays it while a step takes longer than its lease."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eventlog import supervisor
from eventlog.notifier import Notifier
from eventlog.supervisor import ShardSupervisor

HALF_A_MINUTE = 30.0


class LeasedLog:
    """A log that knows if its lease was renewed."""

    name = "cases"

    def __init__(self) -> None:
        self.is_renewed = asyncio.Event()

    async def lease(self, shard: str) -> bool:
        return True

    async def follow(self, shard: str, read: Any) -> None:
        return

    async def renew(self, shard: str) -> None:
        self.is_renewed.set()

    async def release(self, shard: str) -> None:
        return

    def forget(self, shard: str) -> None:
        return


class SlowProcessor:
    """A processor whose first step lasts until its lease is renewed."""

    batch = 1
    parked = 0

    def __init__(self, log: LeasedLog) -> None:
        self.log = log
        self.order: Any = self
        self.last_log = "intake"
        self.has_stepped = asyncio.Event()

    async def generation(self, shard: str) -> Any:
        return self

    number = 1

    async def replay(self) -> None:
        return

    async def step(self) -> int:
        await self.log.is_renewed.wait()
        self.has_stepped.set()
        return 0

    async def advance_time(self) -> None:
        return


async def test_a_lease_is_renewed_while_a_step_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "SOURCE_POLL_SECONDS", 0.01)
    sink: Any = LeasedLog()
    processor: Any = SlowProcessor(sink)
    running = asyncio.create_task(
        ShardSupervisor("city", sink, Notifier(), lambda: processor).run()
    )
    await asyncio.wait_for(processor.has_stepped.wait(), HALF_A_MINUTE)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
