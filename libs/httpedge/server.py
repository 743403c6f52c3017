"""Serves an application: says where it is, and drains at its end."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, Literal

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HTTP = {"h11": H11Protocol, "httptools": HttpToolsProtocol}
TOGETHER_BYTES = 16 * 1024


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
                sys.stderr.write(
                    f"gridcall is up on http://{host}:{port} (described at /openapi.json); Ctrl-C ends it\n"
                )
                sys.stderr.flush()
                self.on_up(f"http://{host}:{port}")


class OneWrite:
    """A transport that sends in one piece what is written in one turn of the loop: a server writes head and body of an answer
    apart, and each would be a call of the system, as dear as reading the request.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)
        self._size += len(data)
        if (
            self._size > TOGETHER_BYTES
        ):  # Whoever writes much is to hear at once when it is too much.
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
            self._transport.write(whole)


def in_one_write(protocol: type[Any]) -> type[asyncio.Protocol]:
    """A protocol of the server whose transport is a OneWrite."""

    class Protocol(protocol):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(OneWrite(transport, self.loop))

    return Protocol


def serve(
    app: FastAPI,
    host: str,
    port: int,
    http: Literal["h11", "httptools"] = "httptools",
    on_up: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then drain. `on_up` hears the address as soon as it answers."""
    for blow in (signal.SIGTERM, signal.SIGINT):
        signal.signal(
            blow, lambda *_: None
        )  # The server hears it, drains, and raises it again: by then all is done.
    collect_seldom()
    options: dict[str, Any] = {
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
    }
    config = uvicorn.Config(
        app, host, port, http=in_one_write(HTTP[http]), timeout_graceful_shutdown=10, **options
    )
    Server(app, config, on_up).run()


def collect_seldom() -> None:
    """To look for cycles in all that the stages know takes longer the more they know, and nobody is answered meanwhile.

    Hardly anything here makes cycles. What was imported stays for ever, so that the collector leaves it out. What is young is
    looked into often, and therefore little of it: 200,000 objects at once take 70 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 2, 1_000)
