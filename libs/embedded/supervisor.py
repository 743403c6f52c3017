"""The supervisor of an embedded Postgres: a process that lives as long as anybody uses the server.

`python -m embedded.supervisor HOME SOCKET`. The first user of a data folder starts it, and each
user holds a connection to it. It answers once the server runs, starts a server that was killed
again, limits its log, and stops it when the last connection is gone. The kernel closes the
connection of a user that was killed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from time import monotonic

from embedded.cluster import (
    SUPERVISING,
    Cluster,
    environment,
    hold_lock,
    is_ready,
    processes_in,
)
from events.errors import Unusable

START_SECONDS = 60.0
POLL_SECONDS = 0.05  # Neither a ready server nor the end of a killed one's processes is announced.
PAUSE_SECONDS_MAX = 5.0  # Between two starts of a server that does not start.
STOP_SECONDS = 30.0
LOG_BYTES, OLD_LOGS = 1_000_000, 3
CHUNK_BYTES = 1 << 16

log = logging.getLogger("postgres")


class Supervisor:
    """One server and its users."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._log_path = home / "postgres.log"
        self._answer = b""  # To each user, once the server runs or cannot be started.
        self._answered = asyncio.Event()
        self._users: set[asyncio.StreamWriter] = set()
        self._deserted = asyncio.Event()
        self._server: asyncio.subprocess.Process | None = None

    async def run(self, listening: socket.socket) -> None:
        """Serve until the last user is gone, then stop the server."""
        self._limit_log()
        listener = await asyncio.start_unix_server(self._serve, sock=listening)
        running = asyncio.create_task(self._keep_running())
        await self._deserted.wait()
        listener.close()  # A user that comes now starts another supervisor, which waits for this.
        running.cancel()
        await asyncio.wait([running])
        await self._stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a user, and count it until its connection ends, perhaps before the answer.

        The connection of the last one stays open until the server has stopped.
        """
        self._users.add(writer)
        with suppress(ConnectionError):
            answering = asyncio.create_task(self._answer_to(writer))
            await reader.read()
            answering.cancel()
        if self._users == {writer}:
            self._deserted.set()
        else:
            self._users.remove(writer)
            writer.close()

    async def _keep_running(self) -> None:
        """Start the server, again whenever it ends."""
        pause = POLL_SECONDS
        while True:
            try:
                server = await self._start()
                pause = POLL_SECONDS
                log.warning("the server ended with status %s", await server.wait())
                self._answered.clear()
            except Exception as fault:  # Its users wait for an answer, whatever happens.
                log.warning("the server does not start: %s", fault)
                self._give_answer(fault=str(fault))
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    async def _answer_to(self, writer: asyncio.StreamWriter) -> None:
        await self._answered.wait()
        writer.write(self._answer)

    def _give_answer(self, **fields: str) -> None:
        self._answer = json.dumps(fields).encode() + b"\n"
        self._answered.set()

    async def _start(self) -> asyncio.subprocess.Process:
        """Start the server. Return it when it takes connections. Raises Unusable."""
        cluster = Cluster(self._home)
        cluster.prepare()
        await wait_for_killed_server(cluster.data)
        cluster.forget_dead_server()
        self._server = server = await asyncio.create_subprocess_exec(
            *cluster.server_command(),
            env=environment(),
            preexec_fn=cluster.account.preparation,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert server.stdout is not None
        output = asyncio.create_task(write_log(server.stdout))
        while not is_ready(cluster.data):
            if server.returncode is not None:
                raise Unusable(
                    f"the embedded Postgres does not start: {await output}; all of its log is "
                    f"in {self._log_path}"
                )
            await asyncio.sleep(POLL_SECONDS)
        self._give_answer(socket=str(cluster.socket_folder()))
        return server

    async def _stop(self) -> None:
        """Shut the server down fast. One that hangs is killed, and recovers at its next start."""
        for sent in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self._server is None or self._server.returncode is not None:
                return
            with suppress(ProcessLookupError):
                self._server.send_signal(sent)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._server.wait(), STOP_SECONDS)

    def _limit_log(self) -> None:
        """Log to a file that is renamed when it is full, and removed when it is the oldest."""
        handler = RotatingFileHandler(self._log_path, maxBytes=LOG_BYTES, backupCount=OLD_LOGS)
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False


async def wait_for_killed_server(data: Path) -> None:
    """Wait for the processes of a server that was killed, which end by themselves."""
    until = monotonic() + START_SECONDS
    while processes := processes_in(data):
        if monotonic() > until:
            raise Unusable(f"another Postgres runs in {data}: end its process {processes[0]}")
        await asyncio.sleep(POLL_SECONDS)


async def write_log(output: asyncio.StreamReader) -> str:
    """Write the server's output to its log until it ends. Return the last line."""
    last = ""
    while chunk := await output.read(CHUNK_BYTES):
        text = chunk.decode(errors="replace").rstrip("\n")
        log.info("%s", text)
        last = text.rpartition("\n")[2]
    return last


def main(home: Path, listening: socket.socket) -> None:
    """Supervise the server of a data folder. Its users end it, and no signal of a terminal."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.umask(0o077)
    with hold_lock(home / SUPERVISING):
        try:
            asyncio.run(Supervisor(home).run(listening))
        except Exception:
            log.exception("the supervisor ended")


if __name__ == "__main__":
    main(Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
