"""Bytes become requests, wherever a network cuts them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpedge.framing import HEAD_BYTES_MAX, Head
from httpedge.problems import Problem
from httpedge.request_parser import RequestParser


class Received:
    """The requests of a connection, as text: target, headers, body, and if it was whole."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, tuple[bytes, ...], bytes, bool]] = []

    def open_request(self, head: Head) -> None:
        names = tuple(name for name, _ in head.headers)
        self.requests.append((head.target, names, b"", False))

    def add_body(self, chunk: bytes) -> None:
        target, names, body, _ = self.requests[-1]
        self.requests[-1] = target, names, body + chunk, False

    def end_request(self) -> None:
        target, names, body, _ = self.requests[-1]
        self.requests[-1] = target, names, body, True


def parse(pieces: Sequence[bytes]) -> tuple[Received, str]:
    """Return what was received from pieces, and the kind of the problem that ended it, if any."""
    received = Received()
    parser = RequestParser(received)
    try:
        for piece in pieces:
            parser.feed(piece)
    except Problem as problem:
        return received, problem.kind
    return received, ""


def cut(sent: bytes, places: Sequence[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(sent) + 1) for place in places), len(sent)]
    return [sent[start:end] for start, end in pairwise(bounds) if start < end]


def by_length(body: bytes, *headers: bytes) -> bytes:
    lines = (b"POST /length HTTP/1.1", b"Host: x", *headers, b"Content-Length: %d" % len(body))
    return b"\r\n".join((*lines, b"", body))


def by_chunks(body: bytes, *headers: bytes) -> bytes:
    lines = (
        b"POST /chunks HTTP/1.1",
        b"Host: x",
        *headers,
        b"Transfer-Encoding: chunked",
        b"",
        b"",
    )
    chunks = [b"%x\r\n%b\r\n" % (len(body[at : at + 3]), body[at : at + 3])
              for at in range(0, len(body), 3)]  # fmt: skip
    return b"\r\n".join(lines) + b"".join(chunks) + b"0\r\nAuthorization: trailer\r\n\r\n"


UPGRADE = (b"Connection: Upgrade", b"Upgrade: h2c")
REQUESTS = st.lists(
    st.tuples(st.sampled_from([by_length, by_chunks]), st.booleans(), st.binary(max_size=20)),
    min_size=1,
    max_size=4,
)
PLACES = st.lists(st.integers(0, 2000), max_size=12)


@given(REQUESTS, PLACES)
def test_requests_are_the_same_wherever_they_are_cut(
    requests: list[tuple[object, bool, bytes]], places: list[int]
) -> None:
    sent, expected = b"", []
    for write, asks_for_upgrade, body in requests:
        headers = UPGRADE if asks_for_upgrade else ()
        is_chunked = write is by_chunks
        sent += (by_chunks if is_chunked else by_length)(body, *headers)
        frame = b"transfer-encoding" if is_chunked else b"content-length"
        names = (b"host", *([b"connection", b"upgrade"] if headers else []), frame)
        expected.append((b"/chunks" if is_chunked else b"/length", names, body, True))
    received, problem = parse(cut(sent, places))
    assert (received.requests, problem) == (expected, "")


ALPHABET = st.sampled_from(
    [b"GET", b"POST", b" ", b"/", b"HTTP/1.1", b"\r\n", b"\n", b"\r", b"Host: x", b"X:", b"Y: z",
     b"Content-Length: 3", b"Transfer-Encoding: chunked", b"Connection: Upgrade", b"Upgrade: h2c",
     b"Connection: close", b"3", b"abc", b"0", b"\0", b"\xff", b";"]
)  # fmt: skip


@given(st.lists(ALPHABET, max_size=40), PLACES)
def test_any_bytes_are_the_same_requests_or_a_problem_wherever_they_are_cut(
    parts: list[bytes], places: list[int]
) -> None:
    sent = b"".join(parts)
    whole, whole_problem = parse([sent] if sent else [])
    pieces, pieces_problem = parse(cut(sent, places))
    assert (pieces.requests, pieces_problem) == (whole.requests, whole_problem)
    assert whole_problem in ("", "frame")


@pytest.mark.parametrize(
    ("start", "piece", "kind"),
    [
        (b"GET / HTTP/1.1\r\nX: ", b"a", "headers"),
        (b"GET /", b"a", "address"),
        (by_chunks(b"abc")[:-2] + b"X: ", b"a", "frame"),
    ],
    ids=["header", "address", "trailer"],
)
def test_what_has_no_end_is_refused_before_41_kib_of_it_came(
    start: bytes, piece: bytes, kind: str
) -> None:
    assert parse([start, *[piece] * (HEAD_BYTES_MAX + 1)])[1] == kind
    assert parse([start, *[piece] * (HEAD_BYTES_MAX - len(start))])[1] == ""


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\n", by_chunks(b"abc")[:-26]])
def test_a_101st_header_or_trailer_is_refused_before_the_end_of_all(start: bytes) -> None:
    header = b"X: y\r\n"
    assert parse([start + 101 * header])[1] == ""  # The last one may go on in the next line.
    assert parse([start + 101 * header + b"X"])[1] == "headers"


def test_a_body_may_be_much_larger_than_a_head() -> None:
    received, problem = parse([by_length(bytes(1_000_000))])
    assert (len(received.requests[0][2]), problem) == (1_000_000, "")
