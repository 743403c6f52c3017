"""Shared statements: what several districts accept at the same time is one statement.

A statement for one issue costs Postgres ten times as much as an issue in a statement of many. One
district shares its commits anyway. A hundred districts with an issue each would have none to share.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from events.errors import GridcallError, Unavailable, Unusable
from intake.core.submission import Item

STATEMENTS_MAX = 3  # At once. What comes meanwhile shares the next one.
ITEMS_MAX = 2_000  # In one statement of several districts.

Record: TypeAlias = Any  # A row of the driver: only its column `shard` is read here.
Accept = Callable[[Mapping[str, Sequence[Item]]], Awaitable[list[Record]]]


class Call(NamedTuple):
    """Items that one district accepts, of distinct identities, and the records to come."""

    district: str
    items: Sequence[Item]
    records: asyncio.Future[list[Record]]


class SharedStatements:
    """Sends the calls of all districts. `accept` stores the items of several in one transaction.

    A district for which `accept` returns no record was held by somebody else. It waits in a
    statement of its own, and so does each district after a fault that may be of one alone.
    """

    def __init__(self, accept: Accept) -> None:
        self._accept = accept
        self._waiting: list[Call] = []
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, district: str, items: Sequence[Item]) -> list[Record]:
        """Store the items of a district, and return its records. Raises what `accept` raises."""
        loop = asyncio.get_running_loop()
        call = Call(district, items, loop.create_future())
        self._waiting.append(call)
        loop.call_soon(self._send_waiting)  # Others call in this turn of the loop, too.
        try:
            return await call.records
        finally:
            del call  # A fault has this frame in its traceback, and the call has the fault.

    def _send_waiting(self) -> None:
        """Send as many statements as may be under way."""
        while self._waiting and self._under_way < STATEMENTS_MAX:
            self._under_way += 1
            self._start(self._send_shared(self._next_calls()))

    def _next_calls(self) -> list[Call]:
        """Take the oldest call of each district, as many as one statement has room for."""
        calls: dict[str, Call] = {}
        left: list[Call] = []
        waiting: set[str] = set()  # Districts, whose later calls come later.
        room = ITEMS_MAX
        for call in self._waiting:
            if call.district in calls.keys() | waiting or (calls and len(call.items) > room):
                left.append(call)
                waiting.add(call.district)
            else:
                calls[call.district] = call
                room -= len(call.items)
        self._waiting = left
        return list(calls.values())

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_shared(self, calls: Sequence[Call]) -> None:
        try:
            for call in await self._send(calls):
                self._start(self._send_alone(call))
        finally:
            self._under_way -= 1
            self._send_waiting()

    async def _send_alone(self, call: Call) -> None:
        await self._send([call])

    async def _send(self, calls: Sequence[Call]) -> list[Call]:
        """Send a statement and answer its calls. Returns those to be sent alone."""
        try:
            records = await self._accept({call.district: call.items for call in calls})
        except GridcallError as fault:
            is_of_all = isinstance(fault, Unavailable) and not isinstance(fault, Unusable)
            if len(calls) > 1 and not is_of_all:
                return list(calls)
            answer_with(fault, calls)
            return []
        except BaseException as fault:
            answer_with(fault, calls)
            raise
        by_district = defaultdict[str, list[Record]](list)
        for record in records:
            by_district[record["shard"]].append(record)
        for call in calls:
            if call.district in by_district and not call.records.done():
                call.records.set_result(by_district[call.district])
        return [call for call in calls if call.district not in by_district]


def answer_with(fault: BaseException, calls: Sequence[Call]) -> None:
    """Let each of these calls raise a fault, without the frames that it came through."""
    for call in calls:
        if not call.records.done():
            call.records.set_exception(fault.with_traceback(None))
