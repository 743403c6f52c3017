"""Shares of a capacity: a holder may take as much as it leaves free for all others.

So one holder gets a half, and of two that take by turns each gets a third. One that comes later
gets a half of what is left. Network switches divide their buffers like this ("dynamic queue
thresholds", Choudhury and Hahne, 1998).
"""

from __future__ import annotations

from httpedge.problems import Problem, too_soon

RETRY_SECONDS = 2


class Shares:
    """A capacity and the part of it that each holder has taken; `name` is the word for it."""

    def __init__(self, name: str, capacity: int) -> None:
        self._name = name
        self._capacity = capacity
        self._taken: dict[str | None, int] = {}
        self.total = 0

    def has_room(self, holder: str | None, count: int) -> bool:
        """Tell if a holder may take so much more. None is gridcall itself, which may take all."""
        own = self._taken.get(holder, 0) + count if holder is not None else 0
        return own + self.total + count <= self._capacity

    def take(self, holder: str | None, count: int) -> None:
        """Take so much more for a holder, or give so much back if it is negative.

        Raises Problem 429 if it would have more than its share, 503 if others have.
        """
        own, total = self._taken.get(holder, 0) + count, self.total + count
        if count > 0 and total + (own if holder is not None else 0) > self._capacity:
            raise self._refusal(holder, own)
        self.total = total
        if own:
            self._taken[holder] = own
        else:
            self._taken.pop(holder, None)

    def _refusal(self, holder: str | None, own: int) -> Problem:
        """Return the refusal of a holder that would have so much.

        Of n holders that take what they can, each has one part of n + 1.
        """
        holders = len(self._taken.keys() | {holder})
        if holder is not None and own * (holders + 1) > self._capacity:
            detail = f"This key has its share of the {self._name} of this server."
            return too_soon("share", detail, RETRY_SECONDS)
        detail = "Send the same again, with the same references: nothing is stored twice."
        return Problem(503, "busy", "Busy", detail)
