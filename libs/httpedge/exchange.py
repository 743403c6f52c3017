"""One request and its response, between an application (ASGI 3) and a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from http import HTTPStatus
from typing import Protocol

from starlette.types import ASGIApp, Message, Scope

BODY_BYTES_MAX = 64 * 1024  # That wait for the application; the socket is not read meanwhile.
# A cache must not store an answer, and a browser must not guess another type.
SAFE_HEADERS = b"cache-control: no-store\r\nx-content-type-options: nosniff\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
FRAMING_HEADERS = (b"connection", b"transfer-encoding")  # The framing is decided here.
STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class Carrier(Protocol):
    """A connection, as far as one of its exchanges needs it."""

    is_last: bool
    is_full: bool

    @property
    def default_headers(self) -> bytes: ...
    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def finish(self, exchange: Exchange) -> None: ...
    def give_up(self, exchange: Exchange, fault: Exception | None) -> None: ...


class Framing(Enum):
    """The sign by which a client sees where the body of a response ends."""

    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()
    NO_BODY = auto()


class Exchange:
    """A request and its response. `is_over` says that nobody reads more of the response."""

    __slots__ = (
        "_arrival", "_carrier", "_chunks", "_expects_continue", "_framing", "_head",
        "_is_end_unread", "_is_head", "_left", "_scope", "_size",
        "has_started", "is_coming", "is_last", "is_over",
    )  # fmt: skip

    def __init__(
        self,
        carrier: Carrier,
        scope: Scope,
        *,
        is_head: bool,
        is_coming: bool,
        is_last: bool,
        expects_continue: bool,
    ) -> None:
        self._carrier = carrier
        self._scope = scope
        self._is_head = is_head
        self._expects_continue = expects_continue
        self._arrival: asyncio.Event | None = None  # Made by the first that waits.
        self._chunks: list[bytes] = []
        self._size = 0
        self._is_end_unread = not is_coming
        self._head: bytes | None = None  # Of a response, until its body comes.
        self._framing = Framing.LENGTH
        self._left = 0  # Bytes that the announced length still promises.
        self.is_coming = is_coming
        self.is_last = is_last
        self.has_started = False
        self.is_over = False

    @property
    def is_stream(self) -> bool:
        """Tell if a response has begun whose length is not known."""
        return self.has_started and self._framing in (Framing.CHUNKED, Framing.CLOSE)

    async def run(self, app: ASGIApp) -> None:
        """Let an application answer. A fault of it ends the exchange."""
        fault: Exception | None = None
        try:
            await app(self._scope, self.receive, self.send)
        except Exception as raised:
            fault = raised
        finally:
            if fault is not None or not self.is_over:
                self._carrier.give_up(self, fault)

    # ── From the connection ──────────────────────────────────────────────────────────────────────

    def add_body(self, chunk: bytes) -> None:
        """Add the next bytes of the request's body."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > BODY_BYTES_MAX:
            self._carrier.pause_reading()
        self._notify()

    def end_body(self) -> None:
        """Note that the whole request is here."""
        self.is_coming, self._is_end_unread = False, True
        self._notify()

    def disconnect(self) -> None:
        """Note that nobody is there any more to read the response."""
        self.is_over = True
        self._notify()

    def _notify(self) -> None:
        if self._arrival is not None:
            self._arrival.set()

    # ── From the application ─────────────────────────────────────────────────────────────────────

    async def receive(self) -> Message:
        """Return what came of the body; after its end, wait until the exchange is over."""
        if self._expects_continue:
            self._expects_continue = False
            self._carrier.write(CONTINUE)
        while not (self._chunks or self._is_end_unread or self.is_over):
            await self._wait()
        if self.is_over:
            return {"type": "http.disconnect"}
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._size, self._is_end_unread = 0, False
        return {"type": "http.request", "body": body, "more_body": self.is_coming}

    async def _wait(self) -> None:
        if self._arrival is None:
            self._arrival = asyncio.Event()
        self._arrival.clear()
        if self.is_coming:
            self._carrier.resume_reading()
        await self._arrival.wait()

    async def send(self, message: Message) -> None:
        """Send the next part of the response. Nothing happens if nobody reads it any more."""
        if self._carrier.is_full:
            await self._carrier.drain()
        if self.is_over:
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], message.get("headers", ()))
        elif not self.has_started:
            raise RuntimeError(f"a response begins with its start, not with {message['type']!r}")
        else:
            self._send_body(message.get("body", b""), is_more=message.get("more_body", False))

    def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Frame the response. Its head goes out with the first bytes of a body of known length."""
        if self.has_started:
            raise RuntimeError("the response has started already")
        self.has_started, self._expects_continue = True, False
        fields = [header for header in headers if header[0] not in FRAMING_HEADERS]
        length = next((int(value) for name, value in fields if name == b"content-length"), None)
        self._frame(status, length)
        self.is_last |= self.is_coming or self._carrier.is_last or self._framing is Framing.CLOSE
        self._send_head(
            response_head(
                status,
                self._carrier.default_headers + header_lines(fields),
                is_chunked=self._framing is Framing.CHUNKED,
                is_last=self.is_last,
            )
        )

    def _frame(self, status: int, length: int | None) -> None:
        self._left = length or 0
        if self._is_head or status in (204, 304):
            self._framing = Framing.NO_BODY
        elif length is not None:
            self._framing = Framing.LENGTH
        elif self._scope["http_version"] == "1.1":
            self._framing = Framing.CHUNKED
        else:
            self._framing = Framing.CLOSE

    def _send_head(self, head: bytes) -> None:
        if self._framing is Framing.LENGTH:
            self._head = head
            return
        self._carrier.write(head)
        if self._is_head:  # A stream would go on for ever, and show nothing.
            self._finish()

    def _send_body(self, body: bytes, *, is_more: bool) -> None:
        match self._framing:
            case Framing.LENGTH:
                self._left -= len(body)
                if self._left < 0 or (self._left and not is_more):
                    raise RuntimeError("the body has another length than the response announced")
                self._send_with_head(body)
            case Framing.CHUNKED:
                chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
                self._carrier.write(chunk if is_more else chunk + LAST_CHUNK)
            case Framing.CLOSE:
                self._carrier.write(body)
            case Framing.NO_BODY:
                pass
        if not is_more:
            self._finish()

    def _send_with_head(self, body: bytes) -> None:
        """Send a part of a body. A small one is one write together with its head."""
        head, self._head = self._head or b"", None
        if len(body) <= BODY_BYTES_MAX:
            self._carrier.write(head + body)
        else:
            self._carrier.write(head)
            self._carrier.write(body)

    def _finish(self) -> None:
        self.disconnect()
        self._carrier.finish(self)


def header_lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the lines of headers. Raises ValueError for a line break in one of them."""
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if not lines.count(b"\r") == lines.count(b"\n") == len(headers):
        raise ValueError("a header of the response has a line break")
    return lines


def response_head(status: int, lines: bytes, *, is_chunked: bool, is_last: bool) -> bytes:
    """Return the head of a response that has these lines of headers."""
    return b"".join(
        (
            STATUS_LINES[status],
            lines,
            SAFE_HEADERS,
            b"transfer-encoding: chunked\r\n" if is_chunked else b"",
            b"connection: close\r\n\r\n" if is_last else b"\r\n",
        )
    )
