"""Requests that stay open: live streams, readers that wait for rows, senders who wait.

Each key has a share of them. When a key ends, so do its requests, within a second.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from events.errors import Unavailable
from httpedge.caller import caller_of
from httpedge.problems import Problem
from httpedge.shares import Shares
from httpedge.telemetry import REQUESTS_OPEN

OPEN_MAX = 500
# A key may be remembered for so long too: after both, its requests have ended within a second.
LOOK_SECONDS = 0.4

T = TypeVar("T")
FindEnded = Callable[[Collection[str]], Awaitable[Collection[str]]]


class OpenRequest:
    """A request that stays open. `ended` is set when its key ends."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def until_ended(self, work: Coroutine[Any, Any, T], receive: Receive) -> T:
        """Return the result of some work for the client whose messages are received.

        Raises Problem 401 if the key ends before, and ClientDisconnect if the client goes.
        """
        working = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(disconnection(receive))
        ended = asyncio.ensure_future(self.ended.wait())
        tasks: list[asyncio.Future[Any]] = [working, gone, ended]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self.ended.is_set():
                raise Problem(401, "no-key", "The key ended", "It was revoked, or it expired.")
            if gone.done():
                raise ClientDisconnect
            return working.result()
        finally:
            while tasks:
                tasks.pop().cancel()
            del working  # A fault of it has this frame in its traceback.


async def disconnection(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


class OpenRequests:
    """The requests of one kind that stay open; `name` is the word for them.

    `find_ended` returns those of some keys that are not in force any more. It is asked only while
    a request with a key is open.
    """

    def __init__(
        self, name: str, find_ended: FindEnded | None = None, open_max: int = OPEN_MAX
    ) -> None:
        self._name = name
        self._find_ended = find_ended
        self._shares = Shares(name, open_max)
        self._opened: defaultdict[str, set[OpenRequest]] = defaultdict(set)
        self._watch: asyncio.Task[None] | None = None

    def has_room(self, sharer: str | None) -> bool:
        """Tell if a key, or another sharer, may open one more request."""
        return self._shares.has_room(sharer, 1)

    @contextmanager
    def admit(self, key: str | None, sharer: str | None = None) -> Iterator[OpenRequest]:
        """Count a request as open for the length of the block. Raises Problem 429 or 503.

        A key of None does not end: gridcall's own services have it, and clients who need no key.
        Those are counted by their `sharer`, such as an address.
        """
        opened = OpenRequest()
        sharer = sharer or key
        self._shares.take(sharer, 1)
        REQUESTS_OPEN.labels(self._name).inc()
        if key is not None:
            self._opened[key].add(opened)
            self._begin_watch()
        try:
            yield opened
        finally:
            REQUESTS_OPEN.labels(self._name).dec()
            self._shares.take(sharer, -1)
            if key is not None:
                self._opened[key].discard(opened)
                if not self._opened[key]:
                    del self._opened[key]

    async def of_request(self, request: Request) -> AsyncIterator[OpenRequest]:
        """Count a request as open until its response has ended: a dependency of a route."""
        with self.admit(caller_of(request).key) as opened:
            yield opened

    def _begin_watch(self) -> None:
        if self._find_ended and (self._watch is None or self._watch.done()):
            self._watch = asyncio.create_task(self._watch_keys(self._find_ended))

    async def _watch_keys(self, find_ended: FindEnded) -> None:
        """End the requests of keys that ended, as long as there are any.

        A fault of the watch ends them all, because nobody would notice the end of a key.
        """
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                if not self._opened:
                    break
                with suppress(Unavailable):  # Then nothing new can be read either.
                    self._end(await find_ended(list(self._opened)))
        finally:
            self._end(list(self._opened))

    def _end(self, keys: Collection[str]) -> None:
        for key in keys:
            for opened in self._opened.get(key, ()):
                opened.ended.set()
