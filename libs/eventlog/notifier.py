"""Wakes readers: a writer notifies of its commits, and a reader waits for the next one.

Notifications of other processes come over the database (`pool.listen`).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping

LogName = tuple[str, str]  # log, shard


class Notifier:
    """Counts notifications. A reader takes the count before it looks, so that it misses none."""

    def __init__(self) -> None:
        self._counts: defaultdict[LogName, int] = defaultdict(int)
        self._waiters: defaultdict[LogName, set[asyncio.Future[None]]] = defaultdict(set)
        self._has_waiter: defaultdict[LogName, asyncio.Event] = defaultdict(asyncio.Event)

    def count(self, log: str, shard: str) -> int:
        """Return the number of notifications so far."""
        return self._counts[log, shard]

    def notify(self, log: str, shard: str) -> None:
        """Wake everyone who waits for this log."""
        self._counts[log, shard] += 1
        for waiter in self._waiters.pop((log, shard), ()):
            wake(waiter)

    def notify_all(self) -> None:
        """Wake all readers: this process ends, or notifications of others may have been lost."""
        for log, shard in list(self._counts):
            self.notify(log, shard)

    async def wait(self, log: str, shard: str, count: int, seconds: float) -> None:
        """Wait until there were more than `count` notifications, for at most so many seconds."""
        await self.wait_for_any({(log, shard): count}, seconds)

    async def wait_for_any(self, counts: Mapping[LogName, int], seconds: float) -> None:
        """Wait until any of several logs had more notifications than its count."""
        if any(self._counts[name] != count for name, count in counts.items()):
            return
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        for name in counts:
            self._waiters[name].add(waiter)
            self._has_waiter[name].set()
        timer = loop.call_later(seconds, wake, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            for name in counts:
                self._waiters[name].discard(waiter)

    async def wait_for_waiter(self, log: str, shard: str) -> None:
        """Wait until there is a waiter. Pollers use it so that they poll only while
        someone waits.
        """
        if not self._waiters[log, shard]:
            self._has_waiter[log, shard].clear()
            await self._has_waiter[log, shard].wait()


def wake(waiter: asyncio.Future[None]) -> None:
    """Let a waiter go on, unless it has left."""
    if not waiter.done():
        waiter.set_result(None)
