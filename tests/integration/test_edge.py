"""The whole gridcall behind its connections: strangers neither get in nor take its memory."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.postgres import execute
from tests.harness.raw_http import CLOSE, Answer, read_answers, request

SECONDS = 30


@pytest.fixture(scope="module")
def live(postgres: str) -> Iterator[tuple[Process, str]]:
    """A running gridcall, and a key for all lines."""
    asyncio.run(execute(postgres, "CREATE DATABASE edge TEMPLATE empty"))
    url = postgres.replace("/postgres?", "/edge?")
    key = adopt_exampleville(url)
    process = Process(url)
    yield process, key
    assert process.end() == 0


def ask(process: Process, *pieces: bytes) -> list[Answer]:
    """Send pieces, and return all answers until the server closes."""
    address = urlsplit(process.url)
    with socket.create_connection((address.hostname, address.port), SECONDS) as connection:
        for piece in pieces:
            connection.sendall(piece)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    return list(read_answers(received))


def post(key: str, body: bytes, *headers: str) -> bytes:
    said = (CLOSE, "Content-Type: application/json", f"Authorization: Bearer {key}")
    return request(body, *said, *headers, path="/issues/hotline")


def test_an_issue_of_a_client_that_asks_for_http_2_is_accepted(live: tuple[Process, str]) -> None:
    process, key = live
    upgrade = ("Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB")
    (answer,) = ask(process, post(key, json.dumps(issue("H-1")).encode(), *upgrade))
    assert (answer.status, answer.content["reference"]) == (202, "H-1")


def test_a_key_in_a_trailer_is_no_key(live: tuple[Process, str]) -> None:
    process, key = live
    body = json.dumps(issue("T-1")).encode()
    head = request(b"", CLOSE, "Transfer-Encoding: chunked", path="/issues/hotline")
    chunks = b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    (answer,) = ask(process, head + chunks + f"Authorization: Bearer {key}\r\n\r\n".encode())
    assert answer.status == 401


def test_head_of_the_live_stream_ends(live: tuple[Process, str]) -> None:
    process, key = live
    with client(process.url, key) as reading:
        path = "/screen/exampleville/live"
        assert reading.head(path, auth=("anybody", key)).status_code == 200


def resident_bytes(pid: int) -> int:
    """Return the memory that a process takes."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_headers_without_end_take_no_memory(live: tuple[Process, str]) -> None:
    process, key = live
    address = urlsplit(process.url)
    before = resident_bytes(process.running.pid)
    for start in (b"GET /livez HTTP/1.1\r\nX: ", b"GET /livez HTTP/1.1\r\n", b"GET /"):
        piece = b"a" * 2**20 if start.endswith((b" ", b"/")) else b"X: y\r\n" * 200_000
        with (
            socket.create_connection((address.hostname, address.port), SECONDS) as connection,
            suppress(ConnectionError),
        ):
            connection.sendall(start)
            for _ in range(64):
                connection.sendall(piece)
            pytest.fail("64 MiB were taken")
    assert resident_bytes(process.running.pid) - before < 32 * 2**20
    with client(process.url, key) as posting:
        assert posting.post("/issues/hotline", json=issue("M-1")).status_code == 202
