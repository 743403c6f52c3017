"""Requests that stay open: they end with their key, and each key has a share of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from events.errors import Unavailable
from httpedge import open_requests
from httpedge.open_requests import OpenRequest, OpenRequests
from httpedge.problems import Problem
from tests.harness.problems import problem


class Keys:
    """Keys, of which some have ended; `requested` has what the watch asked for."""

    def __init__(self) -> None:
        self.ended: set[str] = set()
        self.requested: list[list[str]] = []
        self.faults: list[Exception] = []
        self.was_requested = asyncio.Event()

    async def find_ended(self, keys: Collection[str]) -> Collection[str]:
        self.requested.append(sorted(keys))
        self.was_requested.set()
        if self.faults:
            raise self.faults.pop()
        return self.ended & set(keys)


@pytest.fixture(autouse=True)
def watch_without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_requests, "LOOK_SECONDS", 0)


async def never() -> Message:
    return await asyncio.Event().wait()  # type: ignore[return-value]


async def disconnect() -> Message:
    return {"type": "http.disconnect"}


async def wait_until_ended(streams: OpenRequests, key: str) -> int:
    """Hold a request that waits for ever; return the status of its end."""
    with streams.admit(key) as opened:
        try:
            await opened.until_ended(never(), never)
        except Problem as ended:
            return ended.status
    raise AssertionError("it did not end")


async def test_the_requests_of_a_key_end_with_it_and_others_stay() -> None:
    keys = Keys()
    streams = OpenRequests("streams", keys.find_ended)
    async with asyncio.timeout(10):
        first, second, other = (
            asyncio.create_task(wait_until_ended(streams, key)) for key in ("a", "a", "b")
        )
        await keys.was_requested.wait()
        assert keys.requested[-1] == ["a", "b"]
        keys.ended.add("a")
        assert await first == await second == 401
        assert not other.done()
        keys.ended.add("b")
        assert await other == 401


async def test_keys_are_asked_for_only_while_requests_are_open() -> None:
    keys = Keys()
    streams = OpenRequests("streams", keys.find_ended)
    async with asyncio.timeout(10):
        with streams.admit("a"):
            await keys.was_requested.wait()
        with streams.admit(None):
            assert streams._watch is not None
            await streams._watch
    count = len(keys.requested)
    keys.was_requested.clear()
    async with asyncio.timeout(10):
        with streams.admit("a"):
            await keys.was_requested.wait()
    assert len(keys.requested) == count + 1


async def test_while_the_database_is_away_requests_stay() -> None:
    keys = Keys()
    keys.faults = [Unavailable("away"), Unavailable("away")]
    streams = OpenRequests("streams", keys.find_ended)
    async with asyncio.timeout(10):
        waiting = asyncio.create_task(wait_until_ended(streams, "a"))
        while keys.faults:
            await asyncio.sleep(0)
        assert not waiting.done()
        keys.ended.add("a")
        assert await waiting == 401


async def test_a_fault_of_the_watch_ends_all_requests() -> None:
    keys = Keys()
    keys.faults = [ValueError("a fault of ours")]
    streams = OpenRequests("streams", keys.find_ended)
    async with asyncio.timeout(10):
        assert await wait_until_ended(streams, "a") == 401
    assert streams._watch is not None
    assert isinstance(streams._watch.exception(), ValueError)


async def test_the_result_comes_first_and_a_client_that_goes_ends_its_request() -> None:
    async def work() -> str:
        return "rows"

    opened = OpenRequest()
    assert await opened.until_ended(work(), never) == "rows"
    with pytest.raises(ClientDisconnect):
        await opened.until_ended(never(), disconnect)


async def test_a_key_may_have_as_many_as_it_leaves_free() -> None:
    streams = OpenRequests("streams", open_max=4)
    with streams.admit("a"), streams.admit("a"):
        assert not streams.has_room("a")
        assert problem(lambda: streams.admit("a").__enter__()).status == 429
        with streams.admit("b"):
            assert problem(lambda: streams.admit("b").__enter__()).status == 429
            assert problem(lambda: streams.admit("c").__enter__()).status == 503
    with streams.admit("a"), streams.admit("a"):
        pass
