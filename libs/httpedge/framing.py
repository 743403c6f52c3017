"""The head of a request, and the checks of it: two readers must not read a request differently."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from httptools import HttpParserInvalidURLError, parse_url

from httpedge.problems import Problem

HEADERS_MAX = 100
HEADERS_BYTES_MAX = 32 * 1024
ADDRESS_BYTES_MAX = 8 * 1024
# Of a head that is not whole yet. Its separators count, too.
HEAD_BYTES_MAX = HEADERS_BYTES_MAX + ADDRESS_BYTES_MAX + 1024
NUL = b"%00"
BODY_HEADERS = (b"content-length", b"transfer-encoding")
SINGLE_HEADERS = frozenset(
    (
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"transfer-encoding",
    )
)

Headers = Sequence[tuple[bytes, bytes]]


class Head(NamedTuple):
    """All of a request before its body. Names of headers are in lower case."""

    method: bytes
    target: bytes
    version: str
    headers: Headers
    keep_alive: bool


class Fields(dict[bytes, bytes]):
    """The headers of a request that may occur once."""

    @property
    def has_body(self) -> bool:
        """Tell if a body is announced."""
        return b"transfer-encoding" in self or bool(self.get(b"content-length", b"").strip(b"0"))

    @property
    def expects_continue(self) -> bool:
        """Tell if the client sends its body only when it is asked to."""
        return self.get(b"expect", b"").lower() == b"100-continue"


def single_fields(head: Head) -> Fields:
    """Return the headers that may occur once. Raises Problem 400, 414 or 431 for a broken head."""
    check_size(head)
    single = [header for header in head.headers if header[0] in SINGLE_HEADERS]
    fields = Fields(single)
    if len(fields) < len(single):
        raise broken_frame(
            "A header occurs twice of which there may be one: Host, Authorization, Content-Length"
            " or another."
        )
    if b"transfer-encoding" in fields and not is_chunked_alone(fields):
        raise broken_frame(
            "Say the length by Content-Length, or by Transfer-Encoding: chunked, not by both and"
            " not otherwise."
        )
    if b"host" not in fields and head.version == "1.1":
        raise broken_frame("HTTP/1.1 asks for a Host.")
    return fields


def check_size(head: Head) -> None:
    """Raise Problem 431 or 414 for a head that is too large."""
    size = sum(map(len, chain.from_iterable(head.headers)))
    if len(head.headers) > HEADERS_MAX or size > HEADERS_BYTES_MAX:
        raise too_many_headers()
    if len(head.target) > ADDRESS_BYTES_MAX:
        raise too_long_address()


def is_chunked_alone(fields: Fields) -> bool:
    """Tell if chunked is the only declaration of the body's length."""
    is_chunked = fields[b"transfer-encoding"].lower() == b"chunked"
    return is_chunked and b"content-length" not in fields


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """Return the path and the query of a request's target. Raises Problem 400.

    A proxy may send an absolute target, and `OPTIONS` one of `*`.
    """
    if not target.isascii():
        raise broken_frame("An address has characters of ASCII alone: encode others as %XX.")
    if NUL in target:  # Some readers end a text there, and Postgres takes none.
        raise broken_frame("An address has no NUL (%00): take it out.")
    if target.startswith(b"/") and b"#" not in target:
        path, _, query = target.partition(b"?")
        return path, query
    if target == b"*":
        return target, b""
    try:
        url = parse_url(target)
    except HttpParserInvalidURLError:
        raise broken_frame("The address of the request cannot be read.") from None
    return url.path or b"/", url.query or b""


def too_many_headers() -> Problem:
    """Refuse a request that has too many headers, or too large ones."""
    detail = (
        f"A request may have {HEADERS_MAX} headers, and {HEADERS_BYTES_MAX:,} bytes of them:"
        " leave some out."
    )
    return Problem(431, "headers", "Too many headers", detail)


def too_long_address() -> Problem:
    """Refuse a request with a longer target than any that is meant."""
    detail = f"An address may have {ADDRESS_BYTES_MAX:,} bytes: shorten it."
    return Problem(414, "address", "Too long an address", detail)


def broken_frame(detail: str) -> Problem:
    """Refuse a request that two readers of HTTP might read differently."""
    return Problem(400, "frame", "A broken frame", detail)
