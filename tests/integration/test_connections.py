"""Connections of strangers: bytes on a socket, and what the server makes of them."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message, Receive, Scope, Send

from httpedge.connection import Connection
from httpedge.exchange import Exchange
from httpedge.framing import ADDRESS_BYTES_MAX, HEADERS_BYTES_MAX
from httpedge.openapi import ALWAYS
from httpedge.request_body import BODY_BYTES_PER_SECOND_MIN
from httpedge.server import Server
from tests.harness.raw_http import (
    CLOSE,
    Answer,
    ask,
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


def assert_problem(answer: Answer, status: int, kind: str) -> None:
    """Check a refusal: a problem document, with the headers that every response has."""
    assert (answer.status, answer.content["type"]) == (status, f"urn:gridcall:problem:{kind}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["connection"] == "close"
    assert status in ALWAYS, "the document does not say that any operation may be refused like this"


# ── Heads ────────────────────────────────────────────────────────────────────────────────────────


def head_of_size(size: int) -> bytes:
    """Return a request whose names and values of headers have so many bytes."""
    taken = len("HostxConnectioncloseX")
    return request(b"", CLOSE, "X: " + "a" * (size - taken), method="GET")


async def test_a_head_may_have_32_kib_of_headers_and_not_a_byte_more(server: Server) -> None:
    (answer,) = await ask(server, head_of_size(HEADERS_BYTES_MAX))
    assert answer.status == 200
    (answer,) = await ask(server, head_of_size(HEADERS_BYTES_MAX + 1))
    assert_problem(answer, 431, "headers")


@pytest.mark.parametrize(
    ("start", "piece", "status", "kind"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"a" * 1000, 431, "headers"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-Some: header\r\n" * 50, 431, "headers"),
        (b"GET /", b"a" * 1000, 414, "address"),
        (request(b"3\r\nabc\r\n0\r\n", "Transfer-Encoding: chunked", length=False),
         b"X-Some: trailer\r\n" * 50, 431, "headers"),
        (request(b"3;", "Transfer-Encoding: chunked", length=False), b"a" * 1000, 400, "frame"),
    ],
    ids=["header", "headers", "address", "trailers", "chunk extension"],
)  # fmt: skip
async def test_what_has_no_end_is_refused_while_it_comes(
    server: Server, start: bytes, piece: bytes, status: int, kind: str
) -> None:
    async with open_client(server) as client:
        await client.send(start)
        answers = asyncio.create_task(client.answers())
        sent = 0
        while not answers.done():
            await client.send(piece)
            sent += len(piece)
        (answer,) = await answers
    assert_problem(answer, status, kind)
    assert sent <= HEADERS_BYTES_MAX + ADDRESS_BYTES_MAX + 4096


async def test_a_request_with_100_headers_is_read_and_one_with_101_is_refused(
    server: Server,
) -> None:
    others = [f"X-{number}: y" for number in range(98)]
    (answer,) = await ask(server, request(b"", CLOSE, *others, method="GET"))
    assert answer.status == 200
    (answer,) = await ask(server, request(b"", CLOSE, "X-More: y", *others, method="GET"))
    assert_problem(answer, 431, "headers")


async def test_half_a_head_is_answered_408_after_its_time_also_if_a_byte_comes_now_and_then() -> (
    None
):
    async with running_server(echo, head_seconds=SHORT) as server, open_client(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")

        async def drip() -> None:
            while True:
                await client.send(b"y")

        dripping = asyncio.create_task(drip())
        head = await client.read_head()
        dripping.cancel()
    assert head.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"])
async def test_a_silent_connection_is_closed_after_its_time(sent: bytes) -> None:
    async with running_server(echo, head_seconds=SHORT) as server:
        assert await ask(server, sent) == []


async def test_a_connection_is_closed_when_no_next_request_comes() -> None:
    async with running_server(echo, idle_seconds=SHORT) as server:
        (answer,) = await ask(server, request(b"abc"))
    assert answer.content["body"] == "abc"


BROKEN = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "another version": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": request(b"", "Host: y"),
    "two keys": request(b"", "Authorization: a", "Authorization: b"),
    "two lengths": request(b"abc", "Content-Length: 4"),
    "length and chunks": request(b"abc", "Transfer-Encoding: chunked"),
    "chunks that are zipped": request(b"", "Transfer-Encoding: gzip, chunked"),
    "a length that is no number": request(b"", "Content-Length: ten"),
    "a negative length": request(b"", "Content-Length: -1"),
    "a header without a colon": request(b"", "X"),
    "a space before the colon": request(b"", "Content-Length : 3"),
    "a folded header": request(b"", "X: y\r\n z"),
    "NUL in a header": request(b"", "X: \0"),
    "a lone line feed": b"GET / HTTP/1.1\nHost: x\n\n",
    "an address that is not ASCII": "GET /äöü HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "an address without a path": b"GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
async def test_bytes_that_two_readers_might_read_differently_are_refused(
    server: Server, sent: bytes
) -> None:
    (answer,) = await ask(server, sent)
    assert_problem(answer, 400, "frame")


async def test_a_broken_chunk_is_refused_and_nothing_behind_it_is_a_request(
    server: Server,
) -> None:
    start = request(b"3\r\nabc\r\nz\r\n", "Transfer-Encoding: chunked", length=False)
    (answer,) = await ask(server, start + request(b"second"))
    assert_problem(answer, 400, "frame")


@pytest.mark.parametrize("target", ["http://x/first?a=b", "/first?a=b", "/fir%73t?a=b#c"])
async def test_a_target_of_each_form_has_its_path(server: Server, target: str) -> None:
    (answer,) = await ask(server, request(b"", CLOSE, path=target))
    assert answer.content["path"] == "/first"


async def test_all_options_of_the_server_have_a_path_of_their_own(server: Server) -> None:
    (answer,) = await ask(server, request(b"", CLOSE, method="OPTIONS", path="*"))
    assert answer.content["path"] == "*"


# ── Bodies ───────────────────────────────────────────────────────────────────────────────────────

UPGRADES = {
    "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
    "websocket": ("Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
}
CHUNKS = b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"


@pytest.mark.parametrize("headers", UPGRADES.values(), ids=UPGRADES)
@pytest.mark.parametrize("is_cut", [False, True])
async def test_an_upgrade_is_ignored_and_the_body_is_read(
    server: Server, headers: tuple[str, ...], is_cut: bool
) -> None:
    by_length = request(b"", *headers, "Content-Length: 6")
    by_chunks = request(b"", *headers, "Transfer-Encoding: chunked")
    pieces = [by_length, b"abcdef", by_chunks, CHUNKS, request(b"", CLOSE, method="GET")]
    answers = await ask(server, *(pieces if is_cut else [b"".join(pieces)]))
    assert [answer.content["body"] for answer in answers] == ["abcdef", "abcdef", ""]


async def test_the_body_of_an_upgrade_is_no_second_request(server: Server) -> None:
    inner = request(b"smuggled", CLOSE)
    outer = request(b"", *UPGRADES["h2c"], f"Content-Length: {len(inner)}")
    async with open_client(server) as client:
        await client.send(outer, inner)
        client.writer.write_eof()
        (answer,) = await client.answers()
    assert answer.content["body"].encode() == inner


async def test_an_upgrade_with_a_broken_frame_is_refused(server: Server) -> None:
    sent = request(b"", *UPGRADES["h2c"], "Content-Length: 3", "Host: y")
    (answer,) = await ask(server, sent, b"abc")
    assert_problem(answer, 400, "frame")


@pytest.mark.parametrize("is_cut", [False, True])
async def test_a_trailer_is_no_header(server: Server, is_cut: bool) -> None:
    start = request(CHUNKS[:-2], CLOSE, "Transfer-Encoding: chunked", length=False)
    trailers = b"Authorization: Bearer secret\r\nContent-Type: text/html\r\n\r\n"
    (answer,) = await ask(server, *([start, trailers] if is_cut else [start + trailers]))
    assert answer.content["body"] == "abcdef"
    assert answer.content["headers"] == ["host", "connection", "transfer-encoding"]


async def test_a_trailer_does_not_reach_the_next_request_either(server: Server) -> None:
    first = request(CHUNKS[:-2], "Transfer-Encoding: chunked", length=False)
    sent = first + b"Authorization: Bearer secret\r\n\r\n" + request(b"", CLOSE)
    _, second = await ask(server, sent)
    assert second.content["headers"] == ["host", "connection"]


async def test_a_client_that_waits_for_100_gets_it_before_it_sends(server: Server) -> None:
    async with open_client(server) as client:
        await client.send(request(b"", CLOSE, "Expect: 100-continue", "Content-Length: 3"))
        assert await client.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"abc")
        (answer,) = await client.answers()
    assert answer.content["body"] == "abc"


async def test_a_client_of_http_1_0_gets_no_100_which_it_would_take_for_the_answer(
    server: Server,
) -> None:
    async with open_client(server) as client:
        head = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        await client.send(head + b"abc")
        assert (await client.read_head()).startswith(b"HTTP/1.1 200 OK\r\n")


async def refuse_early(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without a look at the body."""
    await respond(send, b"{}", 413)


async def test_a_refusal_can_be_read_while_the_body_still_comes() -> None:
    async with running_server(refuse_early) as server:
        half = request(b"", "Content-Length: 1000000") + b"a" * 300_000
        (answer,) = await ask(server, half, b"a" * 300_000)
    assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_a_body_whose_end_never_comes_holds_a_refused_connection_for_a_moment_only() -> None:
    async with running_server(refuse_early, linger_seconds=SHORT) as server:
        (answer,) = await ask(server, request(b"", "Content-Length: 1000000"))
    assert answer.status == 413


async def test_a_refusal_can_be_read_behind_a_body_that_comes_slowly() -> None:
    async with running_server(refuse_early) as server, open_client(server) as client:
        await client.send(request(b"", "Content-Length: 1000000"))
        await client.read_head()
        piece = b"a" * BODY_BYTES_PER_SECOND_MIN
        await client.send(piece, piece, piece, piece)
        now = asyncio.get_running_loop().time()
        server.edge.sweep(now + 4)
        await client.send(piece)
        assert len(server.edge.table) == 1, "closed while the body came"
        server.edge.sweep(now + 9)
        assert (await client.read_to_end()) == b"{}"


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


@pytest.mark.parametrize("sent", LEFT_BEHIND.values(), ids=LEFT_BEHIND.keys())
async def test_a_connection_that_ended_leaves_nothing_for_the_collector(sent: bytes) -> None:
    """The collector looks seldom, and an hour of refused addresses would take gigabytes."""
    limits = {"head_seconds": SHORT, "idle_seconds": SHORT, "linger_seconds": SHORT}
    gc.collect()
    gc.disable()
    try:
        async with running_server(echo, **limits) as server, open_client(server) as client:
            client.writer.write(sent)
            client.writer.write_eof()
            await client.read_to_end()
        await asyncio.sleep(0)
        left = [kind for kind in map(type, gc.get_objects()) if kind in (Connection, Exchange)]
        assert left == []
    finally:
        gc.enable()
