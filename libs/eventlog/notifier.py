"""Wakes readers: whoever commits to a log rings, whoever waits for its next row hears it, in this
process or another.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

LogName = tuple[str, str]  # log, shard


class Notifier:
    """Rings and waits. A reader takes the count before it looks, and waits for another one: no ring
    is missed.
    """

    def __init__(self) -> None:
        self._counts: defaultdict[LogName, int] = defaultdict(int)
        self._waiting: defaultdict[LogName, set[asyncio.Future[None]]] = defaultdict(set)
        self._wanted: defaultdict[LogName, asyncio.Event] = defaultdict(asyncio.Event)

    def count(self, log: str, shard: str) -> int:
        """How often it rang."""
        return self._counts[log, shard]

    def notify(self, log: str, shard: str) -> None:
        """There is something new."""
        self._counts[log, shard] += 1
        for waiting in self._waiting.pop((log, shard), ()):
            if not waiting.done():
                waiting.set_result(None)

    def notify_all(self) -> None:
        """Whoever waits looks once: this process ends."""
        for log, shard in list(self._waiting):
            self.notify(log, shard)

    async def wait(self, log: str, shard: str, heard: int, seconds: float) -> None:
        """Wait until it has rung more than `heard` times, at most so long."""
        if self._counts[log, shard] != heard:
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[log, shard].add(waiting)
        self._wanted[log, shard].set()
        try:
            async with asyncio.timeout(
                seconds
            ):  # Python 3.11's wait_for loses a cancellation that comes with the ring.
                await waiting
        except TimeoutError:
            pass
        finally:
            self._waiting[log, shard].discard(waiting)

    async def wait_for_waiter(self, log: str, shard: str) -> None:
        """Until somebody waits: for who must look elsewhere to know when to ring."""
        if not self._waiting[log, shard]:
            self._wanted[log, shard].clear()
            await self._wanted[log, shard].wait()
