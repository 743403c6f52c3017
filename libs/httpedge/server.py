"""The HTTP server: it announces its address, and drains at its end."""

from __future__ import annotations

import gc
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, Literal

import uvicorn
from fastapi import FastAPI

DRAIN_SECONDS_MAX = 10
OPTIONS: dict[str, Any] = {
    "log_level": "warning",
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,
    "timeout_graceful_shutdown": DRAIN_SECONDS_MAX,
}


class Server(uvicorn.Server):
    """A server that announces its address. At its end it first lets clients go that wait."""

    def __init__(self, app: FastAPI, config: uvicorn.Config, on_up: Callable[[str], None]) -> None:
        super().__init__(config)
        self._app = app
        self._on_up = on_up

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.close()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                self._announce(*listening.getsockname()[:2])

    def _announce(self, host: str, port: int) -> None:
        """Say the address: a port of 0 became any that was free."""
        address = f"http://{host}:{port}"
        sys.stderr.write(
            f"gridcall is up on {address} (described at /openapi.json); Ctrl-C ends it\n"
        )
        sys.stderr.flush()
        self._on_up(address)


def serve(
    app: FastAPI,
    host: str,
    port: int,
    http: Literal["h11", "httptools"] = "httptools",
    on_up: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then drain. `on_up` gets the address once it answers."""
    for ending in (signal.SIGTERM, signal.SIGINT):
        # The server hears it, drains, and raises it again: by then all is done.
        signal.signal(ending, lambda *_: None)
    collect_seldom()
    Server(app, uvicorn.Config(app, host, port, http=http, **OPTIONS), on_up).run()


def collect_seldom() -> None:
    """Make the garbage collector look seldom, because a long-lived state makes its pauses long.

    Hardly anything here makes cycles. What was imported stays for ever, and is left out. Young
    objects are looked at often and therefore in small numbers: 200,000 at once take 70 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 2, 1_000)
