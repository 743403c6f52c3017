"""A server in the test's event loop, and clients that send it bytes as they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.client import HTTPResponse
from io import BytesIO
from typing import Any, NamedTuple, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from httpedge.connection_table import Limits
from httpedge.openapi import ALWAYS
from httpedge.server import Server
from tests.harness.waiting import PATIENCE_SECONDS

TURNS = 8  # Of the loop, in which what was sent on loopback is read and parsed.


class Answer(NamedTuple):
    """A response, as Python's own client reads it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        """Return the JSON of the body."""
        return json.loads(self.body)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Send each piece, and let the server parse it before the next one."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            for _ in range(TURNS):
                await asyncio.sleep(0)

    def stop_reading(self) -> None:
        """Leave what the server sends in the socket."""
        cast(asyncio.Transport, self.writer.transport).pause_reading()

    async def read_head(self) -> bytes:
        """Return the head of the next response."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def read_to_end(self) -> bytes:
        """Return all that comes until the server closes. A reset is an end like another one."""
        received = bytearray()
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                while piece := await self.reader.read(1 << 20):
                    received += piece
            except ConnectionError:
                pass
        return bytes(received)

    async def answers(self) -> list[Answer]:
        """Return all responses until the server closes."""
        return list(read_answers(await self.read_to_end()))


class OpenBytes(BytesIO):
    """Bytes that go on after a response has been read from them."""

    def close(self) -> None:
        """Stay open."""

    def makefile(self, *_: object) -> OpenBytes:
        """Return itself, as a socket returns a file."""
        return self


def read_answers(received: bytes, method: str = "GET") -> Iterator[Answer]:
    """Yield each response; interim ones are skipped."""
    source = OpenBytes(received)
    while source.tell() < len(received):
        response = HTTPResponse(cast(Any, source), method=method)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        yield Answer(response.status, headers, response.read())


def assert_problem(answer: Answer, status: int, kind: str) -> None:
    """Check a refusal: a problem document, with the headers that every response has."""
    assert (answer.status, answer.content["type"]) == (status, f"urn:gridcall:problem:{kind}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["connection"] == "close"
    assert status in ALWAYS, "the document does not say that any operation may be refused like this"


@asynccontextmanager
async def running_server(app: ASGIApp, **limits: Any) -> AsyncIterator[Server]:
    """Run a server on any free port, with some limits of its own."""
    up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = Server(app, "127.0.0.1", 0, Limits(**limits), on_up=up.set_result)
    serving = asyncio.create_task(server.serve())
    await up
    try:
        yield server
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def open_client(server: Server) -> AsyncIterator[Client]:
    """Connect a client."""
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


async def ask(server: Server, *pieces: bytes) -> list[Answer]:
    """Send pieces on a connection of their own; return all responses until the server closes."""
    async with open_client(server) as client:
        await client.send(*pieces)
        return await client.answers()


def request(
    body: bytes = b"", *headers: str, method: str = "POST", path: str = "/", length: bool = True
) -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if body and length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode() + body


CLOSE = "Connection: close"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what was received."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body, is_more = b"", True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        is_more = message["more_body"]
    content = {
        "method": scope["method"],
        "path": scope["path"],
        "headers": [name.decode() for name, _ in scope["headers"]],
        "body": body.decode(),
    }
    await respond(send, json.dumps(content).encode())


async def respond(send: Send, body: bytes, status: int = 200) -> None:
    """Send a whole response."""
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
