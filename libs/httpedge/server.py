"""The HTTP server: it announces its address, limits its connections, and drains at its end."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from httpedge.connection import Connection, Edge, ServerState
from httpedge.connection_table import Limits
from httpedge.memory import Collector, collect_seldom, return_memory

DRAIN_SECONDS_MAX = 10
SWEEP_SECONDS_MAX = 1.0
# In one turn of the event loop. It takes some turns until the first bytes of a connection are read,
# and until then a flood of others must neither use up the files nor take its place.
ACCEPTED_AT_ONCE = 16
UNACCEPTED_MAX = 2048  # Connections that wait in the kernel.
FILES_RESERVED = 384  # For the database, for peers, and for connections that are just accepted.
CONNECTIONS_MIN = 16
OPTIONS: dict[str, Any] = {
    "log_config": None,  # The formatter of the process is that of its server, too.
    "log_level": "warning",
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,
    "timeout_graceful_shutdown": DRAIN_SECONDS_MAX,
    "backlog": ACCEPTED_AT_ONCE,
}

log = logging.getLogger("gridcall")


class Server(uvicorn.Server):
    """A server that announces its address. At its end it first lets clients go that wait."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        limits: Limits,
        on_up: Callable[[str], None] = lambda address: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.edge = Edge(limits)
        http = cast(type[asyncio.Protocol], self._make_connection)
        super().__init__(uvicorn.Config(cast(Any, app), host, port, http=http, **OPTIONS))
        self._on_up, self._on_end = on_up, on_end
        self._sweeping: asyncio.Task[None] | None = None

    def _make_connection(
        self, *, config: uvicorn.Config, server_state: ServerState, app_state: Any, _loop: object
    ) -> Connection:
        return Connection(self.edge, cast(ASGIApp, config.loaded_app), server_state, app_state)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._handle_loop_fault)
        self._sweeping = loop.create_task(self._sweep())
        for server in self.servers:
            for listening in server.sockets:
                with listening.dup() as queue:
                    queue.listen(UNACCEPTED_MAX)
                self._announce(*listening.getsockname()[:2])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_end()
        await super().shutdown(sockets)
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def _sweep(self) -> None:
        limits = self.edge.limits
        shortest = min(limits.head_seconds, limits.idle_seconds, limits.linger_seconds)
        loop = asyncio.get_running_loop()
        collector = Collector(loop.time())
        while True:
            await asyncio.sleep(min(SWEEP_SECONDS_MAX, shortest / 4, limits.stall_seconds / 4))
            self.edge.sweep(loop.time())
            collector.sweep(self.edge.ended, loop.time())

    def _handle_loop_fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Count a lack of files, which the loop reports for each connection; log all else."""
        fault = context.get("exception")
        if isinstance(fault, OSError) and fault.errno in (errno.EMFILE, errno.ENFILE):
            self.edge.incidents.count("files", "nobody")
        else:
            loop.default_exception_handler(context)

    def _announce(self, host: str, port: int) -> None:
        """Say the address: a port of 0 became any that was free."""
        address = f"http://{host}:{port}"
        log.info("gridcall is up on %s (described at /openapi.json); Ctrl-C ends it", address)
        self._on_up(address)


def serve(
    app: FastAPI,
    host: str,
    port: int,
    limits: Limits | None = None,
    on_up: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then drain. `on_up` gets the address once it answers."""
    for ending in (signal.SIGTERM, signal.SIGINT):
        # The server hears it, drains, and raises it again: by then all is done.
        signal.signal(ending, lambda *_: None)
    collect_seldom()
    return_memory()
    limits = within_files(limits or Limits())
    Server(app, host, port, limits, on_up, lambda: app.state.close()).run()


def within_files(limits: Limits) -> Limits:
    """Return the limits with no more connections than this process may have files for.

    The soft limit of files is raised for them, up to the hard one.
    """
    wanted = limits.connections + FILES_RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    return replace(limits, connections=max(soft - FILES_RESERVED, CONNECTIONS_MIN))
