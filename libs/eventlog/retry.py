"""Tries again after a fault: the pauses grow, and jitter keeps many processes from trying at once.

Use `retry` for one call, and a `Backoff` where a loop has more to do between two tries.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from math import inf
from time import monotonic
from typing import Any, TypeVar

from events.errors import Unavailable, Unusable

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 2.0  # A service goes on this soon after a database or a broker is back.

T = TypeVar("T")


class Backoff:
    """The pauses between tries: each is twice the one before, up to `longest_seconds`.

    A pause is cut short by up to half at random. `reset` after a success.
    """

    def __init__(
        self,
        first_seconds: float = FIRST_SECONDS,
        longest_seconds: float = LONGEST_SECONDS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self._chance = chance
        self._next = first_seconds

    def pause_seconds(self) -> float:
        """Return the next pause."""
        pause, self._next = self._next, min(self._longest, 2 * self._next)
        return pause * (1 - self._chance() / 2)

    async def sleep(self) -> None:
        """Wait for the next pause, because nothing announces that the other side is back."""
        await asyncio.sleep(self.pause_seconds())

    def reset(self) -> None:
        """Begin again with the first pause."""
        self._next = self._first


async def retry(
    work: Callable[[], Awaitable[T]],
    *,
    patience_seconds: float = inf,
    on_fault: Callable[[Unavailable], Any] | None = None,
) -> T:
    """Return the result of the work; try it again for as long as it raises Unavailable.

    Raises Unavailable once the patience is over, and Unusable at once, because waiting does not
    help. `on_fault` learns of each fault before that.
    """
    backoff, until = Backoff(), monotonic() + patience_seconds
    while True:
        try:
            return await work()
        except Unavailable as fault:
            if isinstance(fault, Unusable) or monotonic() > until:
                raise
            if on_fault:
                on_fault(fault)
            await backoff.sleep()
