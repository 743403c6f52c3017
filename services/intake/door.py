"""The door: what was checked is accepted, once, in the order of its district. Requests that come while a commit runs share the
next one.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Sequence
from typing import NamedTuple

import asyncpg

from events.bell import Bell
from events.catalogue import Instant
from events.database import Database
from events.errors import Away, GridcallError
from intake.item import Item

COMMIT_ITEMS = 500  # In one commit. What more would need does not fit into a socket's buffer, and waits there for Python.
WAITING_ITEMS = 50_000  # In this process, of one district; beyond that the door says that it is busy.
AHEAD_US_MAX = 60_000_000
ACCEPT = "SELECT * FROM intake.accept($1, $2, $3, $4, $5, $6, $7, $8)"
TICK = "SELECT * FROM intake.tick($1, $2, $3)"
CLOCK_LEAPT = "GC001"
IDLE_US = 900_000


class Busy(GridcallError):
    """More is waiting than this process may hold: nothing was accepted; try again later."""


class ClockLeapt(GridcallError):
    """The database's clock is far ahead of this process's. To follow it could not be undone: an operator decides."""

    def __init__(self, ahead_us: int) -> None:
        super().__init__(f"the database's clock is {ahead_us / 1e6:,.0f} s ahead of this replica's")
        self.ahead_us = ahead_us


class Accepted(NamedTuple):
    """What became of an item: its place in the log and its tracking code.

    `fresh`: it was not known before. `same`: what is known has the same content.
    """

    id: str
    pos: int
    ts: Instant
    code: str
    fresh: bool
    same: bool


class Door:
    """Accepts for all districts of a database. Any number of doors may stand beside each other."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell
        self._waiting: dict[str, list[tuple[Sequence[Item], asyncio.Future[list[Accepted]]]]] = {}
        self._counts: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, district: str, items: Sequence[Item]) -> list[Accepted]:
        """Accept items in their order; returns after the commit.

        An item that was sent twice is one: the second gets the first answer. Raises Busy, Away or ClockLeapt: whether anything
        was stored is then found out by sending the same again.
        """
        if self._counts.get(district, 0) + len(items) > WAITING_ITEMS:
            raise Busy(f"{self._counts[district]:,} items are waiting already")
        answer: asyncio.Future[list[Accepted]] = asyncio.get_running_loop().create_future()
        self._counts[district] = self._counts.get(district, 0) + len(items)
        if district in self._waiting:
            self._waiting[district].append((items, answer))
        else:
            self._waiting[district] = [(items, answer)]
            task = asyncio.create_task(self._commit_all(district))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def drain(self) -> None:
        """Wait until all that was taken is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _commit_all(self, district: str) -> None:
        """One commit after another, as long as somebody waits."""
        while waiting := self._waiting[district]:
            count = group_size(waiting)
            group, self._waiting[district] = waiting[:count], waiting[count:]
            await self._commit(district, group)
            self._counts[district] -= sum(len(items) for items, _ in group)
        del self._waiting[district]

    async def _commit(self, district: str, group: Sequence[tuple[Sequence[Item], asyncio.Future[list[Accepted]]]]) -> None:
        first: dict[str, Item] = {}
        for items, _ in group:
            for item in items:
                first.setdefault(item.id, item)
        try:
            known = await self._accepted(district, list(first.values()))
        except GridcallError as fault:
            for _, answer in group:
                if not answer.done():
                    answer.set_exception(fault)
            return
        for items, answer in group:
            answers = [self._answer(item, *known[item.id], first) for item in items]
            if not answer.done():  # Whoever asked may have gone.
                answer.set_result(answers)

    def _answer(self, item: Item, accepted: Accepted, content: bytes, first: dict[str, Item]) -> Accepted:
        """The first of an identity is fresh; the same again within one commit is a repeat like any."""
        fresh = accepted.fresh and first.get(item.id) is item
        return Accepted(accepted.id, accepted.pos, accepted.ts, accepted.code, fresh, content == item.content)

    async def _accepted(self, district: str, items: Sequence[Item]) -> dict[str, tuple[Accepted, bytes]]:
        """One round trip, one transaction."""
        arguments = (
            [item.id for item in items],
            [item.content for item in items],
            codes(len(items)),
            [item.type for item in items],
            [item.data for item in items],
        )
        found = await timed(self._database.fetch(ACCEPT, district, *arguments, now_us(), AHEAD_US_MAX))
        self._bell.ring("intake", district)
        return {name: (Accepted(name, pos, ts, code, fresh, True), content) for name, pos, ts, code, content, fresh in found}

    async def tick(self) -> None:
        """Let time pass in districts where nothing has come in for a second."""
        moved = await timed(self._database.fetch(TICK, IDLE_US, now_us(), AHEAD_US_MAX))
        for record in moved:
            self._bell.ring("intake", record["shard"])


async def timed(asked: Awaitable[list[asyncpg.Record]]) -> list[asyncpg.Record]:
    """What was asked of a function that gives times. Raises ClockLeapt where the clock must be confirmed first."""
    try:
        return await asked
    except asyncpg.PostgresError as fault:
        if fault.sqlstate == CLOCK_LEAPT:
            raise ClockLeapt(int(fault.args[0])) from fault
        raise Away(f"the database refused: {fault}") from fault


def codes(count: int) -> list[str]:
    """So many tracking codes: 32 hex digits each, that nobody guesses."""
    drawn = secrets.token_hex(16 * count)
    return [drawn[start : start + 32] for start in range(0, len(drawn), 32)]


def now_us() -> Instant:
    """The clock of this replica. It gives no time to anything: it is only compared with the database's."""
    return time.time_ns() // 1000


def group_size(waiting: Sequence[tuple[Sequence[Item], object]]) -> int:
    """How many requests share the next commit: at least one."""
    total = 0
    for count, (items, _) in enumerate(waiting):
        total += len(items)
        if total > COMMIT_ITEMS and count:
            return count
    return len(waiting)
