"""The memory that the bodies of all requests of a process may take together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from httpedge.shares import Shares

BODIES_BYTES_MAX = 128 * 2**20


class MemoryBudget:
    """A count of the bytes that bodies take, and its limit. Each key has a share of it."""

    def __init__(self, bytes_max: int = BODIES_BYTES_MAX) -> None:
        self._shares = Shares("memory", bytes_max)

    @contextmanager
    def request(self, key: str) -> Iterator[Callable[[int], None]]:
        """Give a request of a key a function that reserves so many bytes in all for it.

        That function raises Problem 429 or 503 beyond the share. All is released at the end.
        """
        own = 0

        def reserve(count: int) -> None:
            nonlocal own
            self._shares.take(key, count - own)
            own = count

        try:
            yield reserve
        finally:
            self._shares.take(key, -own)
