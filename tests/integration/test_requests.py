"""Requests of strangers: their heads and bodies as bytes on a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Receive, Scope, Send

from httpedge.framing import ADDRESS_BYTES_MAX, HEADERS_BYTES_MAX
from httpedge.request_body import BODY_BYTES_PER_SECOND_MIN
from httpedge.server import Server
from tests.harness.raw_http import (
    CLOSE,
    ask,
    assert_problem,
    echo,
    open_client,
    request,
    respond,
    running_server,
)

SHORT = 0.2  # Seconds of a deadline that a test waits for.


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that answers with what it received. No deadline is met by chance."""
    async with running_server(echo) as running:
        yield running


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
    "NUL in a path": request(b"", path="/a%00b"),
    "NUL in a query": request(b"", path="/?a=%00"),
    "NUL in an absolute address": request(b"", path="http://x/%00"),
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
