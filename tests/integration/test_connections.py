"""Connections of strangers: requests on them, their limits, and their ends."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message, Receive, Scope, Send

from httpedge.connection import Connection
from httpedge.exchange import Exchange
from httpedge.server import Server
from tests.harness.raw_http import (
    CLOSE,
    Answer,
    ask,
    assert_problem,
    echo,
    open_client,
    read_answers,
    request,
    respond,
    running_server,
)

SHORT = 0.2  # Seconds of a deadline that a test waits for.
PATHS = ("/first", "/second", "/third")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that answers with what it received. No deadline is met by chance."""
    async with running_server(echo) as running:
        yield running


# ── Several requests ─────────────────────────────────────────────────────────────────────────────


def pipelined_requests(count: int) -> bytes:
    """Return requests that do not wait for answers; the last one asks to close."""
    return b"".join(request(b"%d" % number) for number in range(1, count)) + request(b"end", CLOSE)


@pytest.mark.parametrize("size", [1, 50, 10_000])
async def test_requests_of_one_connection_are_answered_in_their_order(
    server: Server, size: int
) -> None:
    sent = pipelined_requests(5)
    answers = await ask(server, *(sent[at : at + size] for at in range(0, len(sent), size)))
    assert [answer.content["body"] for answer in answers] == ["1", "2", "3", "4", "end"]


async def test_a_broken_request_is_refused_after_the_answers_to_those_before_it(
    server: Server,
) -> None:
    *good, refusal = await ask(server, request(b"1") + request(b"2") + b"hello\r\n\r\n")
    assert [answer.content["body"] for answer in good] == ["1", "2"]
    assert_problem(refusal, 400, "frame")


async def test_more_requests_at_once_than_a_connection_may_have_are_refused(
    server: Server,
) -> None:
    *good, refusal = await ask(server, pipelined_requests(100))
    assert [answer.content["body"] for answer in good] == [str(n) for n in range(1, 18)]
    assert_problem(refusal, 429, "pipelined")


async def test_what_comes_behind_the_last_request_is_ignored(server: Server) -> None:
    answers = await ask(server, request(b"last", CLOSE) + request(b"ignored"))
    assert [answer.content["body"] for answer in answers] == ["last"]


# ── Clients that hang up ─────────────────────────────────────────────────────────────────────────


async def test_a_client_that_has_sent_all_and_says_so_gets_its_answers(server: Server) -> None:
    async with open_client(server) as client:
        client.writer.write(request(b"1") + request(b"2"))
        client.writer.write_eof()
        answers = await client.answers()
    assert [answer.content["body"] for answer in answers] == ["1", "2"]


async def test_a_body_that_stops_half_way_is_refused(server: Server) -> None:
    async with open_client(server) as client:
        await client.send(request(b"", "Content-Length: 9") + b"abc")
        client.writer.write_eof()
        (answer,) = await client.answers()
    assert_problem(answer, 400, "gone")


class Stream:
    """An application whose answer never ends. It notes when it learns that the client is gone."""

    def __init__(self, piece: bytes = b"data: x\n\n", *, is_endless: bool = False) -> None:
        self.piece = piece
        self.is_endless = is_endless
        self.is_gone = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await receive()
        gone = asyncio.ensure_future(receive())
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        part: Message = {"type": "http.response.body", "body": self.piece, "more_body": True}
        await send(part)
        while self.is_endless and not gone.done():
            await send(part)
        assert await gone == {"type": "http.disconnect"}
        self.is_gone.set()


async def test_a_stream_ends_when_its_client_hangs_up() -> None:
    stream = Stream()
    async with running_server(stream) as server, open_client(server) as client:
        await client.send(request(b"", method="GET"))
        assert b"transfer-encoding: chunked" in await client.read_head()
        client.writer.write_eof()
        async with asyncio.timeout(10):
            await stream.is_gone.wait()


async def test_head_of_a_stream_is_answered_without_it_and_the_connection_goes_on() -> None:
    stream = Stream()
    async with running_server(stream) as server, open_client(server) as client:
        for _ in PATHS:
            stream.is_gone.clear()
            await client.send(request(b"", method="HEAD"))
            head = await client.read_head()
            async with asyncio.timeout(10):
                await stream.is_gone.wait()
            assert head.startswith(b"HTTP/1.1 200 ")
            assert b"transfer-encoding" not in head


async def test_head_has_the_length_of_what_get_returns_and_no_body(server: Server) -> None:
    async with open_client(server) as client:
        await client.send(request(b"", CLOSE, method="HEAD"))
        received = await client.read_to_end()
    (head,) = read_answers(received, "HEAD")
    (got,) = await ask(server, request(b"", CLOSE, method="GET"))
    assert (head.body, head.headers["content-length"]) == (b"", got.headers["content-length"])


async def test_a_stream_that_nobody_reads_is_ended() -> None:
    stream = Stream(b"x" * 65536, is_endless=True)
    async with running_server(stream, stall_seconds=SHORT) as server, open_client(server) as client:
        await client.send(request(b"", method="GET"))
        async with asyncio.timeout(10):
            await stream.is_gone.wait()


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with more than the buffers of the kernel hold."""
    await respond(send, bytes(30_000_000))


async def test_an_answer_that_nobody_reads_is_dropped_and_one_that_is_read_is_whole() -> None:
    async with running_server(large, stall_seconds=SHORT) as server:
        (answer,) = await ask(server, request(b"", CLOSE))
        assert len(answer.body) == 30_000_000
        async with open_client(server) as client:
            client.stop_reading()
            await client.send(request(b"", CLOSE))
            while server.edge.table:
                await asyncio.sleep(0)


# ── Many connections ─────────────────────────────────────────────────────────────────────────────


async def test_a_good_client_is_answered_while_others_hold_silent_connections() -> None:
    async with running_server(echo, connections=20) as server:
        silent = [await asyncio.open_connection(*address_of(server)) for _ in range(60)]
        for _, writer in silent[::2]:
            writer.write(b"POST / HTTP/1.1\r\nX-")
        for number in range(20):
            (answer,) = await ask(server, request(b"%d" % number, CLOSE))
            assert answer.content["body"] == str(number)
        assert len(server.edge.table) <= 20
        for _, writer in silent:
            writer.close()


async def test_a_flood_of_connections_ends_no_good_one_before_it_is_read() -> None:
    async with running_server(echo, connections=200) as server:

        async def flood() -> list[Answer]:
            opened = [asyncio.open_connection(*address_of(server)) for _ in range(25)]
            for _, writer in await asyncio.gather(*opened):
                writer.close()
            return []

        good = [ask(server, request(b"%d" % number, CLOSE)) for number in range(20)]
        results = await asyncio.gather(*(each for one in good for each in (flood(), one)))
    answers = [answer for result in results for answer in result]
    assert sorted(int(answer.content["body"]) for answer in answers) == list(range(20))


def address_of(server: Server) -> tuple[str, int]:
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    return host, port


class Gate:
    """An application that answers when it may."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await self.opened.wait()
        await respond(send, b"{}")


@pytest.mark.parametrize(
    ("limits", "status", "kind"),
    [({"per_address": 2}, 429, "connections"), ({"connections": 2, "per_address": 2}, 503, "busy")],
)
async def test_a_connection_is_refused_when_all_others_are_answered(
    limits: dict[str, int], status: int, kind: str
) -> None:
    gate = Gate()
    async with (
        running_server(gate, **limits) as server,
        open_client(server) as first,
        open_client(server) as second,
    ):
        await first.send(request(b"", CLOSE))
        await second.send(request(b"", CLOSE))
        (refusal,) = await ask(server, request(b"", CLOSE))
        gate.opened.set()
        answers = [*await first.answers(), *await second.answers()]
    assert_problem(refusal, status, kind)
    assert refusal.headers["retry-after"]
    assert [answer.status for answer in answers] == [200, 200]


# ── The end, and faults ──────────────────────────────────────────────────────────────────────────


async def test_a_server_that_ends_answers_what_it_has_begun_and_closes_what_is_idle() -> None:
    gate = Gate()
    async with (
        running_server(gate) as server,
        open_client(server) as idle,
        open_client(server) as busy,
    ):
        await busy.send(request(b""))
        server.should_exit = True
        assert await idle.answers() == []
        gate.opened.set()
        (answer,) = await busy.answers()
    assert (answer.status, answer.headers["connection"]) == (200, "close")


async def fail(scope: Scope, receive: Receive, send: Send) -> None:
    """Fail always at the same place."""
    raise KeyError("a fault")


async def test_a_fault_is_answered_500_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async with running_server(fail) as server:
        for _ in PATHS:
            (answer,) = await ask(server, request(b""))
            assert_problem(answer, 500, "fault")
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) == 1


async def fail_half_way(scope: Scope, receive: Receive, send: Send) -> None:
    """Fail when half of the response is sent."""
    if scope["type"] == "http":
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"12345", "more_body": True})
    raise KeyError("a fault")


async def test_half_a_response_is_cut_so_that_nobody_takes_it_for_a_whole_one() -> None:
    async with running_server(fail_half_way) as server, open_client(server) as client:
        await client.send(request(b""))
        received = await client.read_to_end()
    assert received.endswith(b"\r\n\r\n12345")


async def test_an_attack_writes_one_line(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        await ask(server, b"hello\r\n\r\n")
    server.edge.sweep(0)
    server.edge.sweep(59)
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 1


# ── Memory ───────────────────────────────────────────────────────────────────────────────────────

LEFT_BEHIND = {
    "a request": request(b"{}"),
    "requests at once": request(b"{}") * 40,
    "an address without end": b"GET /" + b"a" * 200_000,
    "headers without end": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 40_000,
    "no HTTP": b"\x16\x03\r\n\r\n",
    "broken chunks": request(b"", "Transfer-Encoding: chunked") + b"z\r\n",
    "half a body": request(b"", "Content-Length: 100") + b"abc",
    "an upgrade": request(b"{}", "Connection: Upgrade", "Upgrade: h2c"),
    "half a head": b"GET / HT",
    "nothing": b"",
}


def is_of_server(thing: object, address: tuple[str, int]) -> bool:
    """Tell if an object is of a connection of the server with an address."""
    if isinstance(thing, asyncio.Transport):
        return bool(thing.get_extra_info("sockname") == address)
    return isinstance(thing, Connection | Exchange)


@pytest.mark.parametrize("sent", LEFT_BEHIND.values(), ids=LEFT_BEHIND.keys())
async def test_a_connection_that_ended_leaves_nothing_for_the_collector(sent: bytes) -> None:
    """The collector looks seldom, and an hour of refused addresses would take gigabytes."""
    limits = {"head_seconds": SHORT, "idle_seconds": SHORT, "linger_seconds": SHORT}
    gc.collect()
    gc.disable()
    try:
        async with running_server(echo, **limits) as server, open_client(server) as client:
            address = server.servers[0].sockets[0].getsockname()
            client.writer.write(sent)
            client.writer.write_eof()
            await client.read_to_end()
        await asyncio.sleep(0)
        assert [each for each in gc.get_objects() if is_of_server(each, address)] == []
    finally:
        gc.enable()
