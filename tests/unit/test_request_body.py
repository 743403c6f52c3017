"""Bytes of a request: how many are taken, how they are unzipped, and when they are there."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpedge.problems import Problem
from httpedge.request_body import (
    BODY_BYTES_PER_SECOND_MIN,
    GZIP_RATIO_MAX,
    REQUEST_BYTES_MAX,
    body_for,
    read_body,
)
from tests.harness.problems import outcome, problem


def receive_all(chunks: Iterable[bytes], encoding: str = "", declared: int | None = None) -> bytes:
    body = body_for(encoding, declared)
    for chunk in chunks:
        body.add(chunk)
    return body.content()


def pieces(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def noise(size: int) -> bytes:
    """Bytes that hardly shrink: 0-9 and a-f, as an endless hash would give them."""
    state, out = 1, bytearray()
    while len(out) < size:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        out += b"%016x" % state
    return bytes(out[:size])


@pytest.mark.parametrize("encoding", ["", " ", "identity", " Identity "])
def test_a_body_is_all_that_came(encoding: str) -> None:
    assert receive_all([b'{"a"', b"", b":1}"], encoding) == b'{"a":1}'


def test_a_body_may_have_8_mib_and_not_a_byte_more() -> None:
    assert len(receive_all([b"x" * REQUEST_BYTES_MAX], "", REQUEST_BYTES_MAX)) == REQUEST_BYTES_MAX
    refusal = problem(lambda: receive_all([b"x" * REQUEST_BYTES_MAX, b"x"]))
    assert (refusal.status, refusal.kind) == (413, "too-large")
    assert (
        refusal.detail
        == "A request may have 8,388,608 bytes, also unzipped, and more came: send fewer items at a"
        " time."
    )


def test_what_is_announced_as_too_large_is_refused_before_it_comes() -> None:
    taken: list[bytes] = []

    def chunks() -> Iterable[bytes]:
        taken.append(b"x")
        yield b"x"

    assert problem(lambda: receive_all(chunks(), "", REQUEST_BYTES_MAX + 1)).status == 413
    assert taken == []


def test_a_body_without_end_is_left_where_it_becomes_too_large_and_nothing_of_it_is_kept() -> None:
    taken = 0

    def endless() -> Iterable[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(1 << 20)

    tracemalloc.start()
    refusal = problem(lambda: receive_all(endless()))
    traced, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (refusal.status, taken) == (413, 9)
    assert traced < 2 << 20


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip;q=1"])
def test_other_encodings_than_gzip_are_refused(encoding: str) -> None:
    refusal = problem(lambda: receive_all([b"{}"], encoding))
    assert (refusal.status, refusal.kind, refusal.detail) == (
        415,
        "unsupported-encoding",
        "Send the body as it is, or as gzip.",
    )


@given(st.binary(max_size=300), st.integers(1, 50), st.sampled_from(["gzip", "GZIP", "x-gzip"]))
def test_gzip_is_unzipped_wherever_its_chunks_are_cut(
    body: bytes, size: int, encoding: str
) -> None:
    assert receive_all(pieces(gzip.compress(body), size), encoding) == body


@given(st.binary(max_size=200), st.integers(1, 50), st.integers(0, 220), st.binary(max_size=3))
def test_gzip_that_was_changed_on_its_way_is_unzipped_alike_or_refused(
    body: bytes, size: int, at: int, change: bytes
) -> None:
    zipped = gzip.compress(body)
    zipped = zipped[:at] + change + zipped[at + len(change) :]
    status, came = outcome(lambda: receive_all(pieces(zipped, size), "gzip"))
    assert status in (400, 413) or came == body


HALF = "The gzip stream stops half-way: send the whole of it."
BROKEN = "The gzip stream is broken: zip the body again, or send it as it is."
BEHIND = "Bytes follow the end of the gzip stream: send one member, and nothing behind it."


@pytest.mark.parametrize(
    ("zipped", "detail"),
    [
        (b"", HALF),
        (gzip.compress(b"abc")[:-1], HALF),
        (gzip.compress(noise(999))[:300], HALF),
        (b'{"a":1}', BROKEN),
        (zlib.compress(b"abc"), BROKEN),
        (gzip.compress(b"abc")[:-5] + b"12345", BROKEN),
        (gzip.compress(b"abc") + b"\0", BEHIND),
        (gzip.compress(b"a") + gzip.compress(b"b"), BEHIND),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_broken_gzip_is_refused(zipped: bytes, detail: str, size: int) -> None:
    refusal = problem(lambda: receive_all(pieces(zipped, size), "gzip"))
    assert (refusal.status, refusal.kind, refusal.detail) == (400, "bad-gzip", detail)


def test_what_comes_unzipped_may_have_8_mib_too() -> None:
    body = noise(REQUEST_BYTES_MAX)
    assert receive_all(pieces(gzip.compress(body, 1), 1 << 16), "gzip") == body
    refusal = problem(lambda: receive_all(pieces(gzip.compress(body + b"0", 1), 1 << 16), "gzip"))
    assert (refusal.status, refusal.kind) == (413, "too-large")


def test_a_bomb_is_refused_by_its_ratio() -> None:
    zipped = gzip.compress(bytes(100_000))
    refusal = problem(lambda: receive_all([zipped], "gzip"))
    assert (refusal.status, refusal.kind) == (413, "gzip-bomb")
    assert (
        refusal.detail
        == "A gzip bomb: it unzips to more than 20 times its bytes. Send the body as it is."
    )


def test_a_ratio_of_20_is_no_bomb_and_a_byte_more_is() -> None:
    def zip_bytes(size: int) -> bytes:
        return gzip.compress(noise(200) + bytes(size - 200))

    size = next(size for size in range(3000, 6000) if len(zip_bytes(size)) * GZIP_RATIO_MAX == size)
    assert len(receive_all([zip_bytes(size)], "gzip")) == size
    assert len(zip_bytes(size + 1)) * GZIP_RATIO_MAX < size + 1
    assert problem(lambda: receive_all([zip_bytes(size + 1)], "gzip")).kind == "gzip-bomb"


def test_a_bomb_is_not_unzipped_further_than_8_mib() -> None:
    zipped = gzip.compress(bytes(200 << 20), 1)
    tracemalloc.start()
    assert problem(lambda: receive_all([zipped], "gzip")).status == 413
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 << 20


async def test_a_body_that_does_not_come_in_time_is_refused() -> None:
    async def receive_nothing() -> dict[str, Any]:
        return await asyncio.Event().wait()  # type: ignore[return-value]

    async with asyncio.timeout(10):
        with pytest.raises(Problem) as refused:
            await read_body(receive_nothing, {}, lambda count: None, seconds_max=0.05)
    assert (refused.value.status, refused.value.kind) == (408, "slow")


async def test_a_body_of_a_slow_line_has_more_time_for_each_byte() -> None:
    chunks = [b"x" * BODY_BYTES_PER_SECOND_MIN] * 3

    async def receive_slowly() -> dict[str, Any]:
        if len(chunks) < 3:
            for _ in range(10):  # Turns of the loop, in which a deadline that is over would end it.
                await asyncio.sleep(0)
        return {"type": "http.request", "body": chunks.pop(), "more_body": bool(chunks)}

    body = await read_body(receive_slowly, {}, lambda count: None, seconds_max=0)
    assert len(body) == 3 * BODY_BYTES_PER_SECOND_MIN
