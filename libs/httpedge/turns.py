"""Turns: a large request works in slices of time, so that all others are served in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeVar

SLICE_SECONDS = 0.005

T = TypeVar("T")
R = TypeVar("R")


class Turns:
    """The turn of one large request at a time, so that many of them delay nobody either."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def run(self, work: Callable[[], R]) -> R:
        """Do one work of several slices, in its turn."""
        async with self._turn:
            await asyncio.sleep(SLICE_SECONDS)
            return work()

    async def for_each(self, items: Sequence[T], work: Callable[[int, T], None]) -> None:
        """Do a work for each item and its number, in order.

        After each slice, as much time is left to all others.
        """
        number = run_slice(items, 0, work)
        while number < len(items):
            async with self._turn:
                await asyncio.sleep(SLICE_SECONDS)
                number = run_slice(items, number, work)


def run_slice(items: Sequence[T], number: int, work: Callable[[int, T], None]) -> int:
    """Work for the length of a slice from a number on; return the number of the first item left."""
    end = perf_counter() + SLICE_SECONDS
    while number < len(items) and perf_counter() < end:
        work(number, items[number])
        number += 1
    return number
