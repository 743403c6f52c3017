"""Shared statements: calls of several districts that wait at the same time are one statement.

A statement for one call costs Postgres ten times as much as a call in a statement of many.

- A call waits, or is in one statement that is under way, or is answered.
- Two calls of a key are never in one statement, and are sent in their order.
- Each call has its own answer: the refusal of one says nothing about the others.
- A call goes out at once unless STATEMENTS_MAX are under way. A large one is always sent alone.
- Nobody who leaves ends a statement. Others may be in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from events.errors import Unavailable, Unusable

STATEMENTS_MAX = 3  # At once, of one kind. What comes meanwhile shares the next one.

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
R = TypeVar("R")

Send = Callable[[Mapping[K, V]], Awaitable[Mapping[K, R]]]


class Call(NamedTuple, Generic[K, V, R]):
    """A call of a district, its size in rows, and the answers to come."""

    key: K
    value: V
    size: int
    answers: list[asyncio.Future[R]]


class SharedStatements(Generic[K, V, R]):
    """Sends the calls of one kind. `send` executes several in one transaction.

    It leaves out the answer of a call that must not wait with others, for example because another
    transaction holds the district. That call is sent again, alone, and so is each call after a
    fault that may be of one alone. No statement of several calls has a size over `size_max`.

    Calls with one key are for one answer if they are `equal`: they read.
    """

    def __init__(self, send: Send[K, V, R], *, size_max: int, equal: bool = False) -> None:
        self._send_all = send
        self._size_max = size_max
        self._equal = equal
        self._waiting: list[Call[K, V, R]] = []
        self._oldest: dict[K, Call[K, V, R]] = {}  # The oldest call of each key that waits.
        self._is_scheduled = False
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(self, key: K, value: V, size: int = 1) -> R:
        """Send a call, and return its answer. Raises what `send` raises."""
        answer = asyncio.get_running_loop().create_future()
        self._enter(key, value, size, answer)
        try:
            return await answer  # type: ignore[no-any-return]  # The loop knows no type.
        finally:
            del answer  # A fault has this frame in its traceback, and the answer has the fault.

    def _enter(self, key: K, value: V, size: int, answer: asyncio.Future[R]) -> None:
        earlier = self._oldest.get(key)
        if earlier and self._equal:
            earlier.answers.append(answer)
            return
        call = Call(key, value, size, [answer])
        if size > self._size_max and not earlier:
            self._start(self._send_alone(call))
            return
        self._waiting.append(call)
        self._oldest.setdefault(key, call)
        if not self._is_scheduled:  # Others call in this turn of the loop, too.
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._send_waiting)

    def _send_waiting(self) -> None:
        """Send as many statements as may be under way."""
        self._is_scheduled = False
        while self._under_way < STATEMENTS_MAX and (calls := self._next_calls()):
            self._under_way += 1
            self._start(self._send_shared(calls))

    def _next_calls(self) -> list[Call[K, V, R]]:
        """Take the oldest call of each key, as many as one statement has room for."""
        calls: dict[K, Call[K, V, R]] = {}
        left: list[Call[K, V, R]] = []
        oldest: dict[K, Call[K, V, R]] = {}  # Of those that are left.
        room = self._size_max
        for call in self._waiting:
            if all(answer.done() for answer in call.answers):
                continue  # Nobody awaits it any more.
            if call.key in calls or call.key in oldest or (calls and call.size > room):
                left.append(call)
                oldest.setdefault(call.key, call)
            else:
                calls[call.key] = call
                room -= call.size
        self._waiting, self._oldest = left, oldest
        return list(calls.values())

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_shared(self, calls: Sequence[Call[K, V, R]]) -> None:
        try:
            for call in await self._send(calls):
                self._start(self._send_alone(call))
        finally:
            self._under_way -= 1
            self._send_waiting()

    async def _send_alone(self, call: Call[K, V, R]) -> None:
        await self._send([call])

    async def _send(self, calls: Sequence[Call[K, V, R]]) -> list[Call[K, V, R]]:
        """Send a statement and answer its calls. Returns those to be sent alone."""
        try:
            answers = await self._send_all({call.key: call.value for call in calls})
        except Exception as fault:
            is_of_all = isinstance(fault, Unavailable) and not isinstance(fault, Unusable)
            if len(calls) > 1 and not is_of_all:
                return list(calls)
            answer_with(fault, calls)
            return []
        except BaseException as fault:
            answer_with(fault, calls)
            raise
        for call in calls:
            if call.key in answers:
                answer_all(call, answers[call.key])
        left_out = [call for call in calls if call.key not in answers]
        assert not left_out or len(calls) > 1, "a call alone has an answer"
        return left_out


def answer_all(call: Call[K, V, R], result: R) -> None:
    """Give a result to those who still wait for it."""
    for answer in call.answers:
        if not answer.done():
            answer.set_result(result)


def answer_with(fault: BaseException, calls: Sequence[Call[K, V, R]]) -> None:
    """Let each of these calls raise a fault, without the frames that it came through."""
    for call in calls:
        for answer in call.answers:
            if not answer.done():
                answer.set_exception(fault.with_traceback(None))
