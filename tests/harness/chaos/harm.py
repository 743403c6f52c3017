"""The kinds of harm that hostile clients do, each as one attempt."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from tests.harness.chaos.hostile import Hostile

STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")

Kind = Callable[["Hostile"], Awaitable[None]]


def post(path: str, body: bytes, key: str = "", *headers: str, length: int | None = None) -> bytes:
    """Return the bytes of a POST whose connection is closed after the answer."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        "Connection: close",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    return "\r\n".join((*lines, "", "")).encode() + body


def status_of(answer: bytes) -> str:
    """Return the first status of an answer."""
    match = STATUS.search(answer)
    return match[1].decode() if match else "closed"


def name_of(kind: Kind) -> str:
    """Return the name of a kind of harm, as its function has it."""
    return getattr(kind, "__name__", "").replace("_", " ")


# ── The kinds of harm ─────────────────────────────────────────────────────────────────────────────


async def silent_connections(hostile: Hostile) -> None:
    """Open 200 connections that send nothing or half a head, and hold them until they are cut."""
    opened = []
    try:
        for number in range(200):
            reader, writer = await hostile.open()
            opened.append((reader, writer))
            if number % 2:
                writer.write(b"POST /issues/hotline HTTP/1.1\r\nHost: x\r\nX-")
        answers = await asyncio.gather(*(reader.read(-1) for reader, _ in opened))
        for answer in answers:
            hostile.findings.statuses[name_of(silent_connections)][status_of(answer)] += 1
    finally:
        for _, writer in opened:
            writer.close()


async def endless_headers(hostile: Hostile) -> None:
    lines = b"".join(b"X-%06d: y\r\n" % number for number in range(8_000))
    await hostile.expect(endless_headers, "431", b"GET /livez HTTP/1.1\r\nHost: x\r\n" + lines)


async def endless_address(hostile: Hostile) -> None:
    await hostile.expect(endless_address, "414 431", b"GET /" + b"a" * 200_000)


async def slow_head(hostile: Hostile) -> None:
    head = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"y" * 40
    await hostile.expect(slow_head, "408 closed", *(head[i : i + 1] for i in range(60)), pause=0.5)


async def held_bodies(hostile: Hostile) -> None:
    """Hold 17 bodies of 8 MiB half-way, all with one key."""
    half = post("/issues/sentiment", b"[" + b" " * 4_000_000, hostile.bad_key, length=8_000_000)
    bodies = (hostile.expect(held_bodies, "408 400 413 closed", half) for _ in range(17))
    await asyncio.gather(*bodies, return_exceptions=True)


async def refused_arrays(hostile: Hostile) -> None:
    items = json.dumps([{"reference": f"R-{number}", "surprise": 1} for number in range(5_000)])
    body = post("/issues/sentiment", items.encode(), hostile.bad_key)
    await hostile.expect(refused_arrays, "207", body)


async def gzip_bombs(hostile: Hostile) -> None:
    body = gzip.compress(b" " * 7_000_000)
    bomb = post("/issues/sentiment", body, hostile.bad_key, "Content-Encoding: gzip")
    await hostile.expect(gzip_bombs, "413", bomb)


async def smuggled_requests(hostile: Hostile) -> None:
    """Ask for an upgrade, and send a request as the body, in a packet of its own."""
    inner = post("/issues/hotline", b"{}", hostile.bad_key)
    outer = post(
        "/issues/sentiment", b"", hostile.bad_key, "Upgrade: h2c", length=len(inner)
    ).replace(b"Connection: close", b"Connection: close, Upgrade")
    await hostile.expect(smuggled_requests, "422", outer, inner, pause=0.1)


async def keys_in_trailers(hostile: Hostile) -> None:
    head = post("/issues/sentiment", b"", "", "Transfer-Encoding: chunked")
    head = head.replace(b"Content-Length: 0\r\n", b"")
    chunks = b"2\r\n{}\r\n0\r\n" + f"Authorization: Bearer {hostile.bad_key}\r\n\r\n".encode()
    await hostile.expect(keys_in_trailers, "401", head + chunks)


async def guessed_keys(hostile: Hostile) -> None:
    guess = post("/issues/hotline", b"{}", f"gck_{secrets.token_urlsafe(32)}")
    await hostile.expect(guessed_keys, "401", guess)


async def pipelined_requests(hostile: Hostile) -> None:
    """Send a thousand requests without waiting for an answer."""
    requests = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000
    await hostile.expect(pipelined_requests, "200", requests)


async def broken_chunks(hostile: Hostile) -> None:
    head = post("/issues/sentiment", b"", hostile.bad_key, "Transfer-Encoding: chunked")
    head = head.replace(b"Content-Length: 0\r\n", b"")
    await hostile.expect(broken_chunks, "400", head + b"z\r\n")


async def heads_of_streams(hostile: Hostile) -> None:
    """Ask for the head of a live stream, which has no end."""
    request = live_request(hostile, "HEAD", "Connection: close")
    await hostile.expect(heads_of_streams, "200", request)


async def unread_pages(hostile: Hostile) -> None:
    """Ask for pages of the log and read nothing of them."""
    request = (
        "GET /log/exampleville?limit=1000 HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {hostile.bad_key}\r\n\r\n"
    )
    await leave_unread(hostile, unread_pages, request.encode(), 30)


async def slow_readers(hostile: Hostile) -> None:
    """Ask for the live stream and read nothing of it."""
    await leave_unread(hostile, slow_readers, live_request(hostile, "GET"), 5)


def live_request(hostile: Hostile, method: str, *headers: str) -> bytes:
    """Return a request for the live stream, with a key as a browser sends it."""
    password = base64.b64encode(f"x:{hostile.bad_key}".encode()).decode()
    lines = [f"{method} /screen/exampleville/live HTTP/1.1", "Host: x", *headers]
    return "\r\n".join((*lines, f"Authorization: Basic {password}", "", "")).encode()


async def leave_unread(hostile: Hostile, kind: Kind, request: bytes, count: int) -> None:
    """Send a request on some connections, and leave every answer in its socket."""
    opened = [await hostile.open() for _ in range(count)]
    try:
        for _, writer in opened:
            cast(asyncio.Transport, writer.transport).pause_reading()
            writer.write(request)
        await asyncio.sleep(20)
    finally:
        for _, writer in opened:
            writer.close()
        hostile.findings.statuses[name_of(kind)]["left"] += len(opened)


async def actions_for_nothing(hostile: Hostile) -> None:
    """Post a thousand actions on an issue that never comes."""
    stem = secrets.token_hex(4)
    actions = [
        {"reference": f"{stem}-{n}", "type": "visit_made", "by": "w:1", "issue": {"id": "f" * 32}}
        for n in range(1_000)
    ]
    body = post("/actions", json.dumps(actions).encode(), hostile.bad_key)
    await hostile.expect(actions_for_nothing, "200 202 207", body)
    await asyncio.sleep(hostile.seconds / 30)


async def unseen_characters(hostile: Hostile) -> None:
    item = json.dumps({"reference": "A\u202eB\u200b", "category": "c"})
    body = post("/issues/sentiment", item.encode(), hostile.bad_key)
    await hostile.expect(unseen_characters, "422", body)


async def broken_bytes(hostile: Hostile) -> None:
    await hostile.expect(broken_bytes, "400 431 closed", secrets.token_bytes(200) + b"\r\n\r\n")


async def long_polls(hostile: Hostile) -> None:
    """Wait for rows that do not come, on a hundred connections of one key."""
    request = (
        "GET /log/exampleville?after=999999999&wait=20 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {hostile.bad_key}\r\n\r\n"
    ).encode()
    polls = (hostile.expect(long_polls, "200", request) for _ in range(100))
    await asyncio.gather(*polls, return_exceptions=True)


KINDS: tuple[Callable[[Hostile], Coroutine[Any, Any, None]], ...] = (
    silent_connections, endless_headers, endless_address, slow_head, held_bodies, refused_arrays,
    gzip_bombs, smuggled_requests, keys_in_trailers, guessed_keys, pipelined_requests,
    broken_chunks, heads_of_streams, unread_pages, slow_readers, actions_for_nothing,
    unseen_characters, broken_bytes, long_polls,
)  # fmt: skip
