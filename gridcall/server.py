"""Serves an application: says where it is, and drains at its end."""

from __future__ import annotations

import gc
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, Literal

import uvicorn
from fastapi import FastAPI


class Server(uvicorn.Server):
    """Says where it is when it is there: a port of 0 is any that is free. At its end whoever waits is let go first."""

    def __init__(self, app: FastAPI, config: uvicorn.Config, on_up: Callable[[str], None]) -> None:
        super().__init__(config)
        self.app = app
        self.on_up = on_up

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.app.state.close()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                sys.stderr.write(f"gridcall is up on http://{host}:{port} (described at /openapi.json); Ctrl-C ends it\n")
                sys.stderr.flush()
                self.on_up(f"http://{host}:{port}")


def serve(
    app: FastAPI,
    host: str,
    port: int,
    http: Literal["auto", "h11", "httptools"] = "auto",
    on_up: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then drain. `on_up` hears the address as soon as it answers."""
    for blow in (signal.SIGTERM, signal.SIGINT):
        signal.signal(blow, lambda *_: None)  # The server hears it, drains, and raises it again: by then all is done.
    collect_seldom()
    options: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False, "http": http}
    Server(app, uvicorn.Config(app, host, port, timeout_graceful_shutdown=10, **options), on_up).run()


def collect_seldom() -> None:
    """To look for cycles in all that the stages know takes longer the more they know, and nobody is answered meanwhile.

    Hardly anything here makes cycles. What was imported stays for ever, so that the collector leaves it out.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)
