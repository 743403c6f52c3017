"""Bytes become requests: httptools parses, and what it reads against the RFCs is mended here.

Trailers are not headers (RFC 9110, 6.5). A request that asks for another protocol is read as
HTTP/1.1 (7.8). A head, and what is between the bytes of a body, have a limited size.
"""

from __future__ import annotations

from typing import Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from httpedge.exchange import header_lines
from httpedge.framing import (
    ADDRESS_BYTES_MAX,
    BODY_HEADERS,
    HEAD_BYTES_MAX,
    HEADERS_MAX,
    Head,
    broken_frame,
    too_long_address,
    too_many_headers,
)
from httpedge.problems import Problem


class RequestSink(Protocol):
    """Takes requests as they come."""

    def open_request(self, head: Head) -> None:
        """Take the head of the next request. Raises Problem for a broken one."""

    def add_body(self, chunk: bytes) -> None:
        """Take the next bytes of its body."""

    def end_request(self) -> None:
        """Note that the request is whole."""


class RequestParser:
    """The parser of one connection. `target` is that of the last request, as far as it came."""

    def __init__(self, sink: RequestSink) -> None:
        self._sink = sink
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._upgrade: Head | None = None  # Of a request that asks for another protocol.
        self._frame_bytes = 0  # Since the last byte of a body, or the last end of a request.
        self.target = b""
        self.is_in_head = False
        self.is_silent = True  # Until the first request begins.

    def close(self) -> None:
        """Parse nothing more, and let go of the parser and the sink, which refer to this object.

        Otherwise the collector frees them, which looks seldom, and a target may have 200 KB.
        """
        self._parser, self._headers, self.target = None, [], b""
        self._sink = None  # type: ignore[assignment]  # It gets no more calls.

    def feed(self, data: bytes) -> None:
        """Parse bytes. Raises Problem for those that are no request, and for too many of a head."""
        if self._parser is None:
            return
        self._frame_bytes += len(data)
        error, rest = None, b""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
        except HttpParserError as caught:
            error = caught.with_traceback(None)
        if error is not None:
            raise problem_of(error)  # Not from within: then it would refer to all of this.
        if self._upgrade is not None:
            self._feed_as_body(rest)
        else:
            self._check_size()

    def _feed_as_body(self, rest: bytes) -> None:
        """Parse what follows a head as its body, because httptools takes it for another protocol.

        A new parser gets the framing of the request, and then the rest.
        """
        assert self._upgrade is not None, "a head was read that asks for an upgrade"
        framing = [header for header in self._upgrade.headers if header[0] in BODY_HEADERS]
        self._parser = HttpRequestParser(self)
        self.feed(b"POST / HTTP/1.1\r\n" + header_lines(framing) + b"\r\n" + rest)

    def _check_size(self) -> None:
        """Raise Problem if much came, and neither a head nor a body goes on."""
        if self._frame_bytes <= HEAD_BYTES_MAX:
            return
        if not self.is_in_head:
            raise broken_frame("What is around the chunks of the body is too large.")
        raise too_long_address() if len(self.target) > ADDRESS_BYTES_MAX else too_many_headers()

    # ── From httptools ───────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """Begin with a head."""
        self._headers = []
        if self._upgrade is None:
            self.target, self.is_in_head, self.is_silent = b"", True, False

    def on_url(self, url: bytes) -> None:
        """Add the next bytes of the target."""
        if self._upgrade is None:
            self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header. A trailer gets into a list that nobody reads. Raises Problem for many."""
        self._headers.append((name.lower(), value))
        if len(self._headers) > HEADERS_MAX:
            raise too_many_headers()

    def on_headers_complete(self) -> None:
        """Open the request. One with an upgrade is opened when its framing is parsed again."""
        assert self._parser is not None, "nothing is parsed without a parser"
        self.is_in_head, self._frame_bytes = False, 0
        if self._upgrade is not None:
            head, self._upgrade = self._upgrade, None
        else:
            head = self._head(self._parser)
            if self._parser.should_upgrade():
                self._upgrade = head
                return
        self._sink.open_request(head)

    def _head(self, parser: HttpRequestParser) -> Head:
        version = parser.get_http_version()
        keep_alive = version == "1.1" and parser.should_keep_alive()
        headers, self._headers = self._headers, []
        return Head(parser.get_method(), self.target, version, headers, keep_alive)

    def on_body(self, body: bytes) -> None:
        """Pass on the next bytes of a body."""
        self._frame_bytes = 0
        self._sink.add_body(body)

    def on_message_complete(self) -> None:
        """End the request, unless its body is still to be parsed."""
        self._frame_bytes = 0
        if self._upgrade is None:
            self._sink.end_request()


def problem_of(error: HttpParserError) -> Problem:
    """Return the problem that a callback raised, or that the parser has with the bytes."""
    if isinstance(error.__context__, Problem):
        return error.__context__.with_traceback(None)  # Which refers to the connection.
    return broken_frame(f"This is not HTTP/1.1: {error}.")
