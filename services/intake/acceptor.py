"""The acceptor: what was checked is accepted, once, in the order of its district.

Requests that come while a commit runs share the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple

import asyncpg

from eventlog.core.row import Watermark
from eventlog.notifier import Notifier
from eventlog.postgres.pool import Database
from eventlog.postgres.shared_statements import SharedStatements
from eventlog.tracing import BatchSpan, Tracing, span_block
from events.errors import GridcallError, Unavailable, Unusable
from events.instants import Instant
from httpedge.telemetry import batch_time
from intake.core.submission import Item
from intake.districts import UnknownDistrict
from intake.item_codec import newest_content
from intake.store import IntakeStore
from intake.tracking_codes import WRONG_KEY, codes_of

# In one commit, which takes some 25 ms then: others wait for no more than two of them.
COMMIT_ITEMS_MAX = 2_000
ITEMS_MAX = 2_000  # In one statement of several districts.
COMMITS_MAX = 2  # At once, of one district.
SECOND_COMMIT_ITEMS = 32  # So many items wait for a second commit.
WAITING_ITEMS_MAX = 50_000  # In this process, of one district; beyond, intake is busy.
AHEAD_US_MAX = 60_000_000
IDLE_US, DUE_IDLE_US = 900_000, 100_000
CLOCK_LEAPT, NO_DISTRICT = "GC001", "GC002"  # SQL states of intake's functions.
DISTRICT_AHEAD, NO_TRACKING_KEY = "GC003", "GC004"


class Busy(GridcallError):
    """More is waiting than this process may hold: nothing was accepted; try again later."""


class ClockLeapt(GridcallError):
    """The database's clock is far ahead of this process's.

    Following it could not be undone, so that an operator decides. `command` is how.
    """

    command = "gridcall clock confirm"

    def __init__(self, ahead_us: int) -> None:
        super().__init__(f"the database's clock is {ahead_us / 1e6:,.0f} s ahead of this replica's")
        self.ahead_us = ahead_us


class DistrictAhead(ClockLeapt):
    """The district's time is far ahead of the clock, which leapt and was put back.

    Times that are given now would be wrong by as much, so that an operator decides.
    """

    command = "gridcall clock hold"

    def __init__(self, ahead_us: int) -> None:
        GridcallError.__init__(
            self, f"the district's time is {ahead_us / 1e6:,.0f} s ahead of the clock, which leapt"
        )
        self.ahead_us = ahead_us


class Identity(NamedTuple):
    """A stored identity: its position, its tracking code and the digest of its content.

    `is_new` says that this commit stored it.
    """

    position: int
    time: Instant
    code: str
    content: bytes
    is_new: bool


class Accepted(NamedTuple):
    """An accepted item: its position in the log, and its tracking code.

    `fresh` says that it was not known before, `same` that the stored content is the same.
    """

    id: str
    position: int
    time: Instant
    code: str
    fresh: bool
    same: bool


class Pending(NamedTuple):
    """A request that waits for its commit, and its answer to come."""

    items: Sequence[Item]
    answer: asyncio.Future[list[Accepted]]


class Queue:
    """The requests that wait in this process for one district."""

    def __init__(self) -> None:
        self._waiting: list[Pending] = []
        self._ready = 0  # Items of the requests that wait.
        self.items = 0  # Also of those whose commit is under way.
        self.commits = 0  # Under way.

    def enter(self, items: Sequence[Item]) -> Pending:
        """Add a request at the end. Raises Busy if too many items wait."""
        if self.items + len(items) > WAITING_ITEMS_MAX:
            raise Busy(f"{self.items:,} items are waiting already")
        pending = Pending(items, asyncio.get_running_loop().create_future())
        self._waiting.append(pending)
        self.items += len(items)
        self._ready += len(items)
        return pending

    def needs_commit(self) -> bool:
        """Tell if another commit should begin.

        A second one is worth its while once many items wait: Postgres continues with it while this
        process answers the requests of the first.
        """
        if self.commits == 0:
            return True
        return self.commits < COMMITS_MAX and self._ready >= SECOND_COMMIT_ITEMS

    def next_group(self) -> list[Pending]:
        """Take the requests that share the next commit: at least one, if any wait."""
        count = group_size(self._waiting)
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        self._ready -= sum(len(pending.items) for pending in group)
        return group

    def put_back(self, group: list[Pending]) -> None:
        """Let a group wait again, before all others."""
        self._waiting = group + self._waiting
        self._ready += sum(len(pending.items) for pending in group)


class Acceptor:
    """Accepts for all districts of a database. Any number of processes may do so beside it."""

    def __init__(
        self, database: Database, notifier: Notifier, tracing: Tracing | None = None
    ) -> None:
        self._tracing = tracing
        self._store = IntakeStore(database)
        self._notifier = notifier
        self._statements = SharedStatements(self._accept_all, size_max=ITEMS_MAX)
        self._queues: defaultdict[str, Queue] = defaultdict(Queue)
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, district: str, items: Sequence[Item]) -> list[Accepted]:
        """Accept items in their order, and return after the commit.

        An item that was sent twice is one: the second gets the first answer. Raises Busy,
        Unavailable or ClockLeapt: then sending the same again finds out if anything was stored.
        Raises UnknownDistrict if an operator never added the district.
        """
        queue = self._queues[district]
        pending = queue.enter(items)
        if queue.needs_commit():
            queue.commits += 1
            task = asyncio.create_task(self._commit_all(district, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            return await pending.answer
        finally:
            del pending  # A fault has this frame in its traceback, and the answer has the fault.

    def count_waiting(self) -> dict[str, int]:
        """Return how many items of each district wait for their commit, or are in one."""
        return {district: queue.items for district, queue in self._queues.items()}

    async def drain(self) -> None:
        """Wait until every request that was taken is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def tick(self, due: Collection[str] | None = None) -> Mapping[str, Watermark]:
        """Let time pass in districts without an input for a second, or in those where a timer is
        `due`. Returns their watermarks, and wakes no reader.
        """
        named, idle_us = (None, IDLE_US) if due is None else (sorted(due), DUE_IDLE_US)
        with clock_errors():
            return await self._store.tick(named, idle_us, now_us(), AHEAD_US_MAX)

    async def _commit_all(self, district: str, queue: Queue) -> None:
        """Commit group after group, as long as any request waits.

        A group for which the database was too busy, while another commit was under way, perhaps
        only waited for that one, which holds the district. It is left to the other commit's task.
        """
        while group := queue.next_group():
            try:
                await self._commit(district, group)
            except GridcallError as fault:
                if isinstance(fault, Unavailable) and queue.commits > 1:
                    queue.put_back(group)
                    break
                for pending in group:
                    if not pending.answer.done():
                        pending.answer.set_exception(fault.with_traceback(None))
            queue.items -= sum(len(pending.items) for pending in group)
        queue.commits -= 1

    async def _commit(self, district: str, group: Sequence[Pending]) -> None:
        """Commit a group in one statement, and answer each of its requests."""
        first: dict[str, Item] = {}
        for pending in group:
            for item in pending.items:
                first.setdefault(item.id, item)
        identities = await self._store_items(district, list(first.values()))
        identities |= await self._read_other_contents(district, first, identities)
        for items, answer in group:
            if not answer.done():  # Its sender may have gone.
                answer.set_result(
                    [self._answer(item, identities[item.id], first) for item in items]
                )

    async def _read_other_contents(
        self, district: str, items: Mapping[str, Item], identities: Mapping[str, Identity]
    ) -> dict[str, Identity]:
        """Return the identities whose stored content is another one, with that in its newest
        version. After an upgrade the same item is sent in a newer version.
        """
        names = [name for name, item in items.items() if identities[name].content != item.content]
        if not names:
            return {}
        positions = [identities[name].position for name in names]
        stored = await self._store.inputs_at(district, positions)
        return {
            name: identities[name]._replace(content=newest_content(*stored[position]))
            for name, position in zip(names, positions, strict=True)
        }

    def _answer(self, item: Item, identity: Identity, first: dict[str, Item]) -> Accepted:
        """Return the answer to an item. The same again within one commit is a repeat like any."""
        position, time_, code, content, is_new = identity
        fresh = is_new and first[item.id] is item
        return Accepted(item.id, position, time_, code, fresh, content == item.content)

    async def _store_items(self, district: str, items: Sequence[Item]) -> dict[str, Identity]:
        """Store items of distinct identities, and return each identity as it is stored."""
        stored = await self._statements.call(district, items, len(items))
        self._notifier.notify("intake", district)
        return identities_of(items, stored)

    async def _accept_all(
        self, items: Mapping[str, Sequence[Item]]
    ) -> Mapping[str, list[asyncpg.Record]]:
        """Store the items of some districts in one statement, and return the records of each.

        One of several that another transaction holds has none: it waits for that one alone.
        """
        records = defaultdict[str, list[asyncpg.Record]](list)
        with clock_errors():
            with span_block(self._begin_span(items)), batch_time("intake", "commit"):
                accepted = await self._store.accept(items, now_us(), AHEAD_US_MAX)
            for record in accepted:
                records[record["shard"]].append(record)
        return records

    def _begin_span(self, items: Mapping[str, Sequence[Item]]) -> BatchSpan | None:
        """Begin the span of a commit, if traces are on and a request in it is sampled."""
        if self._tracing is None:
            return None
        every = list(chain(*items.values()))
        sampled = {item.id: item.trace for item in every if item.trace}
        return self._tracing.begin_batch("commit", "intake", sampled, len(every))


@contextmanager
def clock_errors() -> Iterator[None]:
    """Translate the errors of a statement that gives times.

    Raises ClockLeapt, UnknownDistrict, Unusable, Unavailable.
    """
    try:
        yield
    except asyncpg.PostgresError as fault:
        if fault.sqlstate == CLOCK_LEAPT:
            raise ClockLeapt(int(fault.args[0])) from fault
        if fault.sqlstate == DISTRICT_AHEAD:
            raise DistrictAhead(int(fault.args[0])) from fault
        if fault.sqlstate == NO_DISTRICT:
            raise UnknownDistrict(fault.args[0]) from fault
        if fault.sqlstate == NO_TRACKING_KEY:
            raise Unusable(WRONG_KEY) from fault
        raise Unusable(f"the database refused: {fault}") from fault


def identities_of(items: Sequence[Item], stored: Sequence[asyncpg.Record]) -> dict[str, Identity]:
    """Return the identity of each item.

    A stored record without an id has the first new position: the new items follow in their order.
    """
    known = {id_.hex: record for _, id_, *record in stored if id_}
    ((position, time_, _, key),) = (record for _, id_, *record in stored if not id_)
    identities: dict[str, Identity] = {}
    for item, code in zip(items, codes_of(key, [item.id for item in items]), strict=True):
        if item.id in known:
            known_position, known_time, content, _ = known[item.id]
            identities[item.id] = Identity(known_position, known_time, code, content.bytes, False)
        else:
            identities[item.id] = Identity(position, time_, code, item.content, True)
            position += 1
    return identities


def now_us() -> Instant:
    """Return the clock of this replica. It is only compared with the database's."""
    return time.time_ns() // 1000


def group_size(waiting: Sequence[Pending]) -> int:
    """Return how many requests share the next commit: at least one."""
    total = 0
    for count, pending in enumerate(waiting):
        total += len(pending.items)
        if total > COMMIT_ITEMS_MAX and count:
            return count
    return len(waiting)
