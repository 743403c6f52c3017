"""The body of a request: how many bytes are taken, as they are or as gzip, and in which time."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from typing import NoReturn

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from httpedge.problems import Problem, bad_gzip, too_large

REQUEST_BYTES_MAX = 8 * 1024 * 1024  # As it came, and as it is unzipped.
GZIP_RATIO_MAX = 20  # Unzipped bytes for each that came.
BODY_SECONDS_MAX = 20.0
# From a line that is no slower, a body of any size comes in time: 8 MiB need 148 s at most.
BODY_BYTES_PER_SECOND_MIN = 64 * 1024
GZIP = ("gzip", "x-gzip")


class PlainBody:
    """A body that comes as it is, up to REQUEST_BYTES_MAX."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, chunk: bytes) -> None:
        """Add the next bytes. Raises Problem 413 as soon as there are too many."""
        if len(self._bytes) + len(chunk) > REQUEST_BYTES_MAX:
            self._bytes.clear()  # The error keeps this frame, and would keep the bytes.
            refuse_size("more came")
        self._bytes += chunk

    def content(self) -> bytes:
        """Return all that came."""
        return bytes(self._bytes)


class GzipBody:
    """The content of a gzip stream of one member, within the limits of size and ratio."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self._bytes = bytearray()
        self._received = 0

    def add(self, chunk: bytes) -> None:
        """Add the next bytes. Raises Problem 413 if there are too many, 400 for broken gzip."""
        self._received += len(chunk)
        self._bytes += inflate(self._stream, chunk, REQUEST_BYTES_MAX + 1 - len(self._bytes))
        if max(self._received, len(self._bytes)) > REQUEST_BYTES_MAX:
            self._bytes.clear()
            refuse_size("more came, or was in the gzip stream")

    def content(self) -> bytes:
        """Return all of it, unzipped. Raises Problem 400 for half a stream, 413 for a bomb."""
        if not self._stream.eof:
            raise bad_gzip("The gzip stream stops half-way: send the whole of it.")
        if len(self._bytes) > GZIP_RATIO_MAX * self._received:
            self._bytes.clear()
            detail = (
                f"A gzip bomb: it unzips to more than {GZIP_RATIO_MAX} times its bytes. Send the"
                " body as it is."
            )
            raise Problem(413, "gzip-bomb", "Gzip bomb", detail)
        return bytes(self._bytes)


def body_for(encoding: str, declared: int | None) -> PlainBody | GzipBody:
    """Return an empty body for a content-encoding and a content-length in bytes.

    Raises Problem 413 if it is known to be too large, 415 for other encodings.
    """
    name = encoding.strip().lower() or "identity"
    if name != "identity" and name not in GZIP:
        raise Problem(
            415,
            "unsupported-encoding",
            "Content-Encoding not supported",
            "Send the body as it is, or as gzip.",
        )
    if declared is not None and declared > REQUEST_BYTES_MAX:
        refuse_size(f"{declared:,} bytes are announced")
    return GzipBody() if name in GZIP else PlainBody()


def inflate(stream: zlib._Decompress, chunk: bytes, bytes_max: int) -> bytes:
    """Return at most `bytes_max` bytes that a chunk adds to a stream. Raises Problem 400."""
    try:
        added = stream.decompress(chunk, bytes_max)
    except zlib.error:
        detail = "The gzip stream is broken: zip the body again, or send it as it is."
        raise bad_gzip(detail) from None
    if stream.unused_data:
        raise bad_gzip(
            "Bytes follow the end of the gzip stream: send one member, and nothing behind it."
        )
    return added


def refuse_size(reason: str) -> NoReturn:
    """Raise Problem 413."""
    raise too_large(
        f"A request may have {REQUEST_BYTES_MAX:,} bytes, also unzipped, and {reason}: send fewer"
        " items at a time."
    )


async def read_body(
    receive: Receive,
    headers: Mapping[bytes, bytes],
    reserve: Callable[[int], None],
    seconds_max: float = BODY_SECONDS_MAX,
) -> bytes:
    """Read the body of a request; `reserve` gets how many bytes of it are in memory.

    Each of its bytes extends the time. Raises Problem 408 if it does not come in time, 413, 415 or
    400; ClientDisconnect.
    """
    declared = headers.get(b"content-length", b"")
    body = body_for(
        headers.get(b"content-encoding", b"").decode("latin-1"),
        int(declared[-20:]) if declared.isdigit() else None,
    )
    try:
        async with asyncio.timeout(seconds_max) as deadline:
            await receive_into(body, receive, reserve, deadline)
    except TimeoutError:
        detail = (
            f"The body did not come within {seconds_max:.0f} s, and 1 s for each"
            f" {BODY_BYTES_PER_SECOND_MIN:,} bytes of it; nothing was stored."
        )
        raise Problem(408, "slow", "Too slow", detail) from None
    content = body.content()
    reserve(len(content))
    return content


async def receive_into(
    body: PlainBody | GzipBody,
    receive: Receive,
    reserve: Callable[[int], None],
    deadline: asyncio.Timeout,
) -> None:
    """Receive all chunks of a body. Raises ClientDisconnect, Problem."""
    received, is_more = 0, True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, is_more = message.get("body", b""), message.get("more_body", False)
        received += len(chunk)
        reserve(received)
        body.add(chunk)
        if is_more:
            extend(deadline, len(chunk))


def extend(deadline: asyncio.Timeout, count: int) -> None:
    """Extend a deadline by the time that a slow line takes for so many bytes."""
    until = deadline.when()
    assert until is not None, "a body has a limited time"
    deadline.reschedule(until + count / BODY_BYTES_PER_SECOND_MIN)
