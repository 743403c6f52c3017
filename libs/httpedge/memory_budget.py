"""The memory that the bodies of all requests of a process may take together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from events.errors import GridcallError

BODIES_BYTES_MAX = 128 * 2**20


class OverBudget(GridcallError):
    """No memory is left for another body: try again later."""


class MemoryBudget:
    """A count of the bytes that bodies take, and its limit."""

    def __init__(self, bytes_max: int = BODIES_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._reserved = 0

    @contextmanager
    def request(self) -> Iterator[Callable[[int], None]]:
        """Give a request a function that reserves so many bytes in all for it.

        That function raises OverBudget beyond the limit. All is released at the end.
        """
        own = 0

        def reserve(count: int) -> None:
            nonlocal own
            others = self._reserved - own
            if others + count > self._bytes_max:
                raise OverBudget(f"bodies of {self._reserved:,} bytes are being read already")
            self._reserved, own = others + count, count

        try:
            yield reserve
        finally:
            self._reserved -= own
