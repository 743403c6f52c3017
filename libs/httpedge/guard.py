"""The guard before all routes: it refuses requests whose frame two readers might read differently.

It also answers HEAD like GET, and forbids caches to store an answer. If a body is still coming when
the answer is given, it closes the connection. So a sender without end holds it no longer than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from httpedge.problems import Problem
from httpedge.responses import problem_response

HEADERS_MAX = 100
HEADERS_BYTES_MAX = 32 * 1024
ADDRESS_BYTES_MAX = 8 * 1024
DRAIN_SECONDS_MAX = 1.0
SINGLE_HEADERS = frozenset(
    (
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"transfer-encoding",
    )
)
ADDED_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class Guard:
    """An ASGI application before another one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        single = [(name, value) for name, value in scope["headers"] if name in SINGLE_HEADERS]
        headers = dict(single)
        problem = framing_problem(scope, headers, is_repeated=len(headers) < len(single))
        exchange = Exchange(receive, send, is_coming=problem is not None or has_body(headers))
        app = problem_response(problem, scope["path"]) if problem else self._app
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await app(scope, exchange.receive, exchange.send)


class Exchange:
    """A request and its response, with the knowledge if bytes of the body may still come."""

    def __init__(self, receive: Receive, send: Send, *, is_coming: bool) -> None:
        self._receive = receive
        self._send = send
        self._is_coming = is_coming

    async def receive(self) -> Message:
        """Receive the next message of the request."""
        message = await self._receive()
        self._is_coming = message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send a message of the response; before the last one, drain what still comes."""
        if message["type"] == "http.response.start":
            close = [(b"connection", b"close")] if self._is_coming else []
            message = {**message, "headers": [*message["headers"], *ADDED_HEADERS, *close]}
        elif self._is_coming and not message.get("more_body"):
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _drain(self) -> None:
        """Drain the rest of the body before closing.

        Otherwise a TCP reset makes many clients discard the response.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS_MAX):
                while self._is_coming:
                    await self.receive()


def has_body(headers: Mapping[bytes, bytes]) -> bool:
    """Tell if the headers announce a body."""
    return b"transfer-encoding" in headers or bool(headers.get(b"content-length", b"").strip(b"0"))


def framing_problem(
    scope: Scope, headers: Mapping[bytes, bytes], *, is_repeated: bool
) -> Problem | None:
    """Return what is wrong with the frame of a request, if anything is.

    `headers` are those of SINGLE_HEADERS; `is_repeated` says that one of them occurs twice.
    """
    all_headers: list[tuple[bytes, bytes]] = scope["headers"]
    size = sum(map(len, chain.from_iterable(all_headers)))
    if len(all_headers) > HEADERS_MAX or size > HEADERS_BYTES_MAX:
        detail = (
            f"A request may have {HEADERS_MAX} headers, and {HEADERS_BYTES_MAX:,} bytes of them:"
            " leave some out."
        )
        return Problem(431, "headers", "Too many headers", detail)
    if len(scope["raw_path"]) + len(scope["query_string"]) > ADDRESS_BYTES_MAX:
        detail = f"An address may have {ADDRESS_BYTES_MAX:,} bytes: shorten it."
        return Problem(414, "address", "Too long an address", detail)
    if is_repeated:
        return broken_frame(
            "A header occurs twice of which there may be one: Host, Authorization, Content-Length"
            " or another."
        )
    if b"transfer-encoding" in headers and not is_chunked_alone(headers):
        return broken_frame(
            "Say the length by Content-Length, or by Transfer-Encoding: chunked, not by both and"
            " not otherwise."
        )
    if b"host" not in headers and scope["http_version"] == "1.1":
        return broken_frame("HTTP/1.1 asks for a Host.")
    return None


def is_chunked_alone(headers: Mapping[bytes, bytes]) -> bool:
    """Tell if chunked is the only declaration of the body's length."""
    is_chunked = headers[b"transfer-encoding"].lower() == b"chunked"
    return is_chunked and b"content-length" not in headers


def broken_frame(detail: str) -> Problem:
    """Refuse a request that two readers of HTTP might read differently."""
    return Problem(400, "frame", "A broken frame", detail)
