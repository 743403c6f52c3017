"""A proxy between clients and a server, whose connections can be cut or be silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Pass bytes on between two ports of loopback."""

    def __init__(self, port: int, to: int) -> None:
        self.port = port
        self.to = to
        self._passing = asyncio.Event()
        self._passing.set()
        self._writers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Pass bytes on until the end of the block."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            self._passing.set()
            self.cut()

    def cut(self) -> None:
        """Abort every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def silence(self, seconds: float) -> None:
        """Let nothing through for a while, and keep the connections."""
        self._passing.clear()
        await asyncio.sleep(seconds)
        self._passing.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(their_writer)
        try:
            await asyncio.gather(
                self._pass_on(reader, their_writer), self._pass_on(their_reader, writer)
            )
        finally:
            for each in (writer, their_writer):
                each.transport.abort()
                self._writers.discard(each)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
