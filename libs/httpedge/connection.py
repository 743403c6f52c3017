"""A connection of a client, whose requests are answered one after another.

It waits for a head, and then works on an exchange until the response is sent. Requests that come
meanwhile are deferred. After its last response a connection lingers: it ignores what still comes,
so that no reset makes the client discard the response. uvicorn's own classes for connections have
none of the limits (decision 16).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any, Protocol, cast
from urllib.parse import unquote

from starlette.types import ASGIApp, Scope

from httpedge.addresses import network_of
from httpedge.connection_table import ConnectionTable, Ending, Limits, Lingering, Refusal
from httpedge.exchange import Exchange, header_lines, response_head
from httpedge.framing import (
    ADDRESS_BYTES_MAX,
    HEAD_BYTES_MAX,
    Head,
    single_fields,
    split_target,
)
from httpedge.incidents import Incidents
from httpedge.problems import Problem, too_soon
from httpedge.request_body import REQUEST_BYTES_MAX
from httpedge.request_parser import RequestParser
from httpedge.responses import problem_response
from httpedge.telemetry import CONNECTIONS

PIPELINED_MAX = 16  # Requests that came in one piece and wait for their turn.
LATE = Problem(408, "slow", "Too slow", "The head of the request did not come in time.")
HALF_BODY = Problem(400, "gone", "Gone", "The body stopped half-way; nothing was stored.")
FAULT = Problem(500, "fault", "A fault of gridcall", "This is a fault of gridcall.")
REFUSALS = {
    Refusal.ADDRESS: too_soon("connections", "Use fewer connections at a time.", 1),
    Refusal.ALL: Problem(503, "busy", "Busy", "All connections are in use: try again."),
}


class ServerState(Protocol):
    """The state of a server of uvicorn, which it shares with its connections."""

    connections: set[Any]
    tasks: set[asyncio.Task[None]]
    default_headers: list[tuple[bytes, bytes]]


class Edge:
    """The state that all connections of a server share."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.table = ConnectionTable(limits)
        self.incidents = Incidents()
        self.ended = 0  # Connections so far.
        self._headers: list[tuple[bytes, bytes]] = []
        self._lines = b""

    def lines_of(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return the lines of default headers, which are other ones every second."""
        if headers is not self._headers:
            self._headers, self._lines = headers, header_lines(headers)
        return self._lines

    def sweep(self, now: float) -> None:
        """End what is too late, and report incidents."""
        self.table.sweep(now)
        self.incidents.report(now)
        CONNECTIONS.set(len(self.table))


class Connection(asyncio.Protocol):
    """One connection. A server of uvicorn counts it, and calls `shutdown`."""

    def __init__(
        self, edge: Edge, app: ASGIApp, server: ServerState, app_state: dict[str, Any]
    ) -> None:
        self._edge = edge
        self._app = app
        self._server = server
        self._app_state = app_state
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # Until it is made.
        self._writable = asyncio.Event()
        self._scope: Scope = {}  # What all requests of the connection have alike.
        self._client = ""
        self._parser = RequestParser(self)
        self._incoming: Exchange | None = None  # Whose body is parsed.
        self._answering: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._deferred = b""  # Bytes behind a request that is not answered yet.
        self._failure: Problem | None = None  # The answer to bytes that are no request.
        self._has_ended = False  # The client sends no more.
        self._lingering: Lingering | None = None  # From its last response on.
        self.is_last = False
        self.is_full = False

    # ── From the event loop ──────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the connection; refuse it if there are too many."""
        self._transport = cast(asyncio.Transport, transport)
        client, server = (transport.get_extra_info(name) for name in ("peername", "sockname"))
        self._client = str(client[0]) if client else ""
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "scheme": "http",
            "root_path": "",
            "server": server[:2] if server else None,
            "client": client[:2] if client else None,
        }
        self._server.connections.add(self)
        refusal = self._edge.table.admit(self, network_of(self._client), self._loop.time())
        if refusal:
            self._refuse(REFUSALS[refusal])

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and tell its exchanges."""
        self._edge.ended += 1
        self._edge.table.remove(self)
        self._server.connections.discard(self)
        for exchange in (self._answering, *self._queue):
            if exchange is not None:
                exchange.disconnect()
        self._answering = self._incoming = None
        self._queue.clear()
        self._parser.close()
        self._writable.set()
        if hasattr(self._transport, "_read_ready_cb"):
            # asyncio's transport keeps a method of its own there, and so itself, for ever.
            self._transport._read_ready_cb = None

    def data_received(self, data: bytes) -> None:
        """Parse what comes. What comes before the last request is answered waits."""
        if self._lingering is not None:
            self._ignore(self._lingering, len(data))
        elif self._answering is not None and self._incoming is None:
            self._deferred += data
            self._transport.pause_reading()
        else:
            self._feed(data)

    def eof_received(self) -> bool:
        """Answer a client that sends no more, if it waits for an answer."""
        self._has_ended = True
        if self._incoming is not None:
            self._fail(HALF_BODY)
        elif self._answering is not None and self._answering.is_stream:
            return False  # Who reads a stream without an end, and hangs up, sends the same.
        return self._answering is not None

    def pause_writing(self) -> None:
        """Watch the client, who does not read."""
        self.is_full = True
        self._writable.clear()
        self._edge.table.watch(self, self._loop.time())

    def resume_writing(self) -> None:
        """Go on sending."""
        self.is_full = False
        self._writable.set()
        if not self._transport.is_closing():
            self._edge.table.unwatch(self)

    # ── From the server and its table of connections ─────────────────────────────────────────────

    def shutdown(self) -> None:
        """End after the response that is under way."""
        self.is_last = True
        if self._answering is None:
            self._close()

    @property
    def unread_bytes(self) -> int:
        """Return how many bytes of responses wait for the client."""
        return self._transport.get_write_buffer_size()

    def end(self, ending: Ending) -> None:
        """End at once. A client that has sent half a head in its time learns that it is late."""
        if ending is not Ending.TOO_LATE:
            self._edge.incidents.count(ending.value, self._client)
            self._transport.abort()
        elif self._parser.is_in_head and self._lingering is None:
            self._refuse(LATE)
        else:
            if self._parser.is_silent:
                self._edge.incidents.count("silent", self._client)
            self._close()

    # ── Exchanges, one after another ─────────────────────────────────────────────────────────────

    def _feed(self, data: bytes) -> None:
        was_in_head = self._parser.is_in_head
        try:
            self._parser.feed(data)
        except Problem as problem:
            self._fail(problem.with_traceback(None))  # Which would refer to this connection.
        else:
            if self._parser.is_in_head and not was_in_head and self._answering is None:
                self._wait(self._edge.limits.head_seconds)

    def open_request(self, head: Head) -> None:
        """Begin the exchange of a request, or queue it. Raises Problem for a broken head."""
        if len(self._queue) == PIPELINED_MAX:
            raise too_many_at_once()
        fields = single_fields(head)
        path, query = split_target(head.target)
        scope: Scope = {
            **self._scope,
            "http_version": head.version,
            "method": "GET" if head.method == b"HEAD" else head.method.decode(),
            "path": unquote(path.decode()),
            "raw_path": path,
            "query_string": query,
            "headers": head.headers,
            "state": self._app_state.copy(),
        }
        exchange = Exchange(
            self,
            scope,
            is_head=head.method == b"HEAD",
            is_coming=fields.has_body,
            is_last=not head.keep_alive,
            # A client of HTTP/1.0 would take it for the answer (RFC 9110, 10.1.1).
            expects_continue=fields.expects_continue and head.version == "1.1",
        )
        self._incoming = exchange
        if self._answering is None:
            self._begin(exchange)
        else:
            self._queue.append(exchange)

    def add_body(self, chunk: bytes) -> None:
        """Pass on the next bytes of the body that is parsed."""
        if self._incoming is not None:
            self._incoming.add_body(chunk)

    def end_request(self) -> None:
        """Note that the request that is parsed is whole."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.end_body()

    def _begin(self, exchange: Exchange) -> None:
        self._answering = exchange
        self._edge.table.work(self)
        task = self._loop.create_task(exchange.run(self._app))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def finish(self, exchange: Exchange) -> None:
        """Go on after a response."""
        self._answering = None
        if self._incoming is exchange:
            self._linger(REQUEST_BYTES_MAX)
        elif exchange.is_last or self.is_last:
            self._close()
        elif self._queue:
            self._begin(self._queue.popleft())
        elif self._failure is not None:
            self._refuse(self._failure)
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Parse what came during an exchange; else wait for the next request."""
        limits = self._edge.limits
        self._wait(limits.head_seconds if self._parser.is_in_head else limits.idle_seconds)
        self._transport.resume_reading()
        if self._deferred:
            deferred, self._deferred = self._deferred, b""
            self._feed(deferred)
        if self._has_ended and self._lingering is None:
            if self._incoming is not None:
                self._fail(HALF_BODY)
            elif self._answering is None:
                self._close()

    def _wait(self, seconds: float) -> None:
        self._edge.table.wait(self, self._loop.time() + seconds)

    # ── For an exchange ──────────────────────────────────────────────────────────────────────────

    @property
    def default_headers(self) -> bytes:
        """Return the headers of every response, as lines."""
        return self._edge.lines_of(self._server.default_headers)

    def write(self, data: bytes) -> None:
        """Send bytes, unless the connection is closing."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has read most of what was sent, or is gone."""
        await self._writable.wait()

    def pause_reading(self) -> None:
        """Leave what comes in the socket."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the socket again."""
        self._transport.resume_reading()

    def give_up(self, exchange: Exchange, fault: Exception | None) -> None:
        """End an exchange whose application failed, or left the response half-way."""
        if fault is not None:
            self._edge.incidents.record_fault(fault, self._client)
        if exchange.is_over:
            return
        self._edge.incidents.count("unanswered", self._client)
        exchange.disconnect()
        if fault is None or exchange.has_started:
            self._transport.abort()  # So that nobody takes half a response for a whole one.
        else:
            self._answering = None
            self._refuse(FAULT)

    # ── Endings ──────────────────────────────────────────────────────────────────────────────────

    def _fail(self, problem: Problem) -> None:
        """Refuse what came, after the responses to all that came before it."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None and incoming is self._answering:
            self._answering = None
            incoming.disconnect()
            if incoming.has_started:
                self._transport.abort()
                return
        elif incoming is not None:
            self._queue.pop()
        if self._answering is None:
            self._refuse(problem)
        else:
            self._failure = problem

    def _refuse(self, problem: Problem) -> None:
        """Answer with a problem, and take no more requests."""
        self._edge.incidents.count(problem.kind, self._client)
        response = problem_response(problem, self._instance())
        lines = self.default_headers + header_lines(response.raw_headers)
        head = response_head(problem.status, lines, is_chunked=False, is_last=True)
        self.write(head + bytes(response.body))
        self._linger(HEAD_BYTES_MAX)

    def _instance(self) -> str:
        """Return the path of the request that was parsed last, if it is one."""
        path = self._parser.target.partition(b"?")[0]
        is_path = path.startswith(b"/") and path.isascii() and len(path) <= ADDRESS_BYTES_MAX
        return path.decode() if is_path else "/"

    def _linger(self, allowance: int) -> None:
        """Close after the client has read the response, or has sent too much or for too long."""
        until = self._loop.time() + self._edge.limits.linger_seconds
        self._incoming, self._lingering = None, Lingering(allowance, until)
        self._parser.close()
        if self._has_ended:
            self._close()
            return
        self._edge.table.wait(self, until)
        with suppress(OSError):  # The client may be gone already.
            self._transport.write_eof()
        self._transport.resume_reading()

    def _ignore(self, lingering: Lingering, count: int) -> None:
        lingering.ignore(count)
        if lingering.bytes_left < 0:
            self._close()
        else:
            self._edge.table.wait(self, lingering.until)

    def _close(self) -> None:
        """Close as soon as the client has read all that was sent to it."""
        self._lingering = Lingering(0, 0.0)
        self._transport.close()
        if self.unread_bytes:
            self._edge.table.watch(self, self._loop.time())


def too_many_at_once() -> Problem:
    """Refuse requests that do not wait for the responses to others."""
    return too_soon("pipelined", "Wait for responses before you send more requests.", 1)
