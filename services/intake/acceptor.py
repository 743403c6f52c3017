"""The door: what was checked is accepted, once, in the order of its district. Requests that come while a commit runs share the
next one.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from typing import NamedTuple, TypeVar

import asyncpg

from eventlog.notifier import Notifier
from eventlog.postgres.pool import Database
from events.errors import GridcallError, Unavailable
from events.instants import Instant
from intake.core.submission import Item

COMMIT_ITEMS = (
    2_000  # In one commit, which takes some 25 ms then: others wait for no more than two of them.
)
COMMITS, SECOND_ITEMS = 2, 32  # At once, of one district; so many items wait for a second one.
WAITING_ITEMS = (
    50_000  # In this process, of one district; beyond that the door says that it is busy.
)
AHEAD_US_MAX = 60_000_000
# A column travels as one text: the driver looks at each element of an array, which takes as long as all else it does.
ACCEPT = """
SELECT * FROM intake.accept($1, string_to_array($2, ','), $3::text::uuid[], $4::text::uuid[], string_to_array($5, ','),
  string_to_array($6, E'\n'), $7, $8)
"""
TICK = "SELECT * FROM intake.tick($1, $2, $3)"
CLOCK_LEAPT = "GC001"
IDLE_US = 900_000

T = TypeVar("T")


class Busy(GridcallError):
    """More is waiting than this process may hold: nothing was accepted; try again later."""


class ClockLeapt(GridcallError):
    """The database's clock is far ahead of this process's. To follow it could not be undone: an operator decides."""

    def __init__(self, ahead_us: int) -> None:
        super().__init__(f"the database's clock is {ahead_us / 1e6:,.0f} s ahead of this replica's")
        self.ahead_us = ahead_us


class Known(NamedTuple):
    """What is known of an identity: its place, its tracking code, the digest of its content; `fresh`: since this commit."""

    position: int
    time: Instant
    code: str
    content: bytes
    fresh: bool


class Accepted(NamedTuple):
    """What became of an item: its place in the log and its tracking code.

    `fresh`: it was not known before. `same`: what is known has the same content.
    """

    id: str
    position: int
    time: Instant
    code: str
    fresh: bool
    same: bool


class Asked(NamedTuple):
    """A request that waits for its commit, and its answer to come."""

    items: Sequence[Item]
    answer: asyncio.Future[list[Accepted]]


class Queue:
    """The requests that wait in this process for one district."""

    def __init__(self) -> None:
        self._waiting: list[Asked] = []
        self._ready = 0  # Items of those that wait.
        self.items = 0  # Also of those whose commit is under way.
        self.commits = 0  # Under way.

    def entered(self, items: Sequence[Item]) -> Asked:
        """Wait at the end. Raises Busy where too many do."""
        if self.items + len(items) > WAITING_ITEMS:
            raise Busy(f"{self.items:,} items are waiting already")
        asked = Asked(items, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self.items += len(items)
        self._ready += len(items)
        return asked

    def needs_a_commit(self) -> bool:
        """Nobody waits without a commit under way. A second one is worth its while once so many wait: Postgres goes on with it
        while this process answers those of the first.
        """
        return self.commits == 0 or (self.commits < COMMITS and self._ready >= SECOND_ITEMS)

    def next_group(self) -> list[Asked]:
        """Those that share the next commit: at least one, if any wait."""
        count = group_size(self._waiting)
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        self._ready -= sum(len(asked.items) for asked in group)
        return group

    def put_back(self, group: list[Asked]) -> None:
        """They wait again, before all others."""
        self._waiting = group + self._waiting
        self._ready += sum(len(asked.items) for asked in group)


class Acceptor:
    """Accepts for all districts of a database. Any number of doors may stand beside each other."""

    def __init__(self, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._bell = notifier
        self._queues: defaultdict[str, Queue] = defaultdict(Queue)
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, district: str, items: Sequence[Item]) -> list[Accepted]:
        """Accept items in their order; returns after the commit.

        An item that was sent twice is one: the second gets the first answer. Raises Busy, Unavailable or
        ClockLeapt: whether anything was stored is then found out by sending the same again.
        """
        queue = self._queues[district]
        asked = queue.entered(items)
        if queue.needs_a_commit():
            queue.commits += 1
            task = asyncio.create_task(self._commit_all(district, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await asked.answer

    async def drain(self) -> None:
        """Wait until all that was taken is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _commit_all(self, district: str, queue: Queue) -> None:
        """One commit after another, as long as somebody waits.

        One that the database was too busy for, while another was under way, perhaps only waited for that one, which holds
        the district: it is left to whoever has the other.
        """
        while group := queue.next_group():
            try:
                await self._commit(district, group)
            except GridcallError as fault:
                if isinstance(fault, Unavailable) and queue.commits > 1:
                    queue.put_back(group)
                    break
                for asked in group:
                    if not asked.answer.done():
                        asked.answer.set_exception(fault)
            queue.items -= sum(len(asked.items) for asked in group)
        queue.commits -= 1

    async def _commit(self, district: str, group: Sequence[Asked]) -> None:
        first: dict[str, Item] = {}
        for asked in group:
            for item in asked.items:
                first.setdefault(item.id, item)
        known = await self._known(district, list(first.values()))
        for items, answer in group:
            if not answer.done():  # Whoever asked may have gone.
                answer.set_result([self._answer(item, known[item.id], first) for item in items])

    def _answer(self, item: Item, known: Known, first: dict[str, Item]) -> Accepted:
        """The first of an identity is fresh; the same again within one commit is a repeat like any."""
        position, time, code, content, fresh = known
        return Accepted(
            item.id, position, time, code, fresh and first[item.id] is item, content == item.content
        )

    async def _known(self, district: str, items: Sequence[Item]) -> dict[str, Known]:
        """What is known of each identity after a commit: one round trip, one transaction."""
        drawn = codes(len(items))
        found = await timed(
            self._database.fetch(ACCEPT, district, *columns(items, drawn), now_us(), AHEAD_US_MAX)
        )
        self._bell.notify("intake", district)
        return placed(items, drawn, found)

    async def tick(self) -> None:
        """Let time pass in districts where nothing has come in for a second."""
        moved = await timed(self._database.fetch(TICK, IDLE_US, now_us(), AHEAD_US_MAX))
        for record in moved:
            self._bell.notify("intake", record["shard"])


async def timed(asked: Awaitable[T]) -> T:
    """What was asked of a function that gives times. Raises ClockLeapt where the clock must be confirmed first."""
    try:
        return await asked
    except asyncpg.PostgresError as fault:
        if fault.sqlstate == CLOCK_LEAPT:
            raise ClockLeapt(int(fault.args[0])) from fault
        raise Unavailable(f"the database refused: {fault}") from fault


def columns(items: Sequence[Item], drawn: Sequence[str]) -> tuple[str, str, str, str, str]:
    """Identities, digests of contents, codes, types and events: none has a comma or a line break in it."""
    ids, types, events, contents = zip(*items, strict=True)
    digests = b"".join(contents).hex(",", 16)
    return (
        ",".join(ids),
        f"{{{digests}}}",
        f"{{{','.join(drawn)}}}",
        ",".join(types),
        b"\n".join(events).decode(),
    )


def placed(
    items: Sequence[Item], drawn: Sequence[str], found: Sequence[asyncpg.Record]
) -> dict[str, Known]:
    """What is known of each item's identity: what was found; all others are new, and have their places one after another."""
    known = {
        name.hex: Known(position, time, code.hex, content.bytes, False)
        for name, position, time, code, content in found
        if name
    }
    place, time = next(
        ((position, time) for name, position, time, _, _ in found if not name), (0, 0)
    )
    for item, code in zip(items, drawn, strict=True):
        if item.id not in known:
            known[item.id] = Known(place, time, code, item.content, True)
            place += 1
    return known


def codes(count: int) -> list[str]:
    """So many tracking codes: 32 hex digits each, that nobody guesses."""
    drawn = secrets.token_hex(16 * count)
    return [drawn[start : start + 32] for start in range(0, len(drawn), 32)]


def now_us() -> Instant:
    """The clock of this replica. It gives no time to anything: it is only compared with the database's."""
    return time.time_ns() // 1000


def group_size(waiting: Sequence[Asked]) -> int:
    """How many requests share the next commit: at least one."""
    total = 0
    for count, asked in enumerate(waiting):
        total += len(asked.items)
        if total > COMMIT_ITEMS and count:
            return count
    return len(waiting)
