"""The agenda: tasks in the order of their times."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from gridcall.demo.traffic.receipts import Post

Task = Callable[[], Post | None]  # None if something else has overtaken the task.


class Agenda:
    """Tasks, each with a time. Tasks of the same time keep their order."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._heap: list[tuple[float, int, Task]] = []
        self._count = 0
        self._changed = asyncio.Event()

    def add(self, seconds: float, task: Task) -> None:
        """Add a task that is due in so many seconds of the district."""
        self._count += 1
        due = monotonic() + max(0.0, seconds) / self._speed
        heapq.heappush(self._heap, (due, self._count, task))
        self._changed.set()

    async def next(self) -> Task:
        """Return the next task as soon as it is due."""
        while True:
            self._changed.clear()
            remaining = self._heap[0][0] - monotonic() if self._heap else None
            if remaining is not None and remaining <= 0:
                return heapq.heappop(self._heap)[2]
            # Python 3.11's wait_for loses a cancellation that comes together with the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(remaining):
                    await self._changed.wait()
