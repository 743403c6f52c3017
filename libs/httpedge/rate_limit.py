"""Rate limits: a bucket of tokens for each name, such as a key and its line."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from events.errors import GridcallError

NAMES_MAX = 10_000  # Buckets; beyond, the one that was used least recently counts as full again.


class RateExceeded(GridcallError):
    """A bucket is empty: try again after so many seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"try again in {seconds} s")
        self.seconds = seconds


class RateLimit:
    """Buckets that hold up to `burst` tokens and fill with `per_second`. 0 a second is no limit.

    Anything may be spent while a token is left, and the bucket then owes the rest. So an array is
    never larger than its bucket.
    """

    def __init__(
        self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per_second = per_second
        self.burst = burst
        self._clock = clock
        self._buckets: dict[object, tuple[float, float]] = {}  # Tokens, and when.

    def spend(self, name: object, count: float = 1) -> None:
        """Spend so many tokens. Raises RateExceeded, and spends none, if no token is left."""
        if not self.per_second:
            return
        now = self._clock()
        tokens = self._tokens(name, now)
        if tokens < 1:
            raise RateExceeded(max(1, math.ceil((1 - tokens) / self.per_second)))
        self._set(name, tokens - count, now)

    def owe(self, name: object, count: float) -> None:
        """Spend so many tokens more, even if none is left. A negative count gives them back."""
        if self.per_second and count:
            now = self._clock()
            self._set(name, self._tokens(name, now) - count, now)

    def _tokens(self, name: object, now: float) -> float:
        tokens, then = self._buckets.get(name, (self.burst, now))
        return min(self.burst, tokens + (now - then) * self.per_second)

    def _set(self, name: object, tokens: float, now: float) -> None:
        """Set a bucket, as the one that was used last."""
        self._buckets.pop(name, None)
        self._buckets[name] = tokens, now
        if len(self._buckets) > NAMES_MAX:
            del self._buckets[next(iter(self._buckets))]
