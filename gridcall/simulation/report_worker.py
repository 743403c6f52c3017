"""The tables of simulate in a process of their own, so that one core decides while the other one folds."""

from __future__ import annotations

import asyncio
import fcntl
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import msgspec

from eventlog.codec import Entry
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, connected
from events.errors import Halted
from events.instants import Instant
from events.topology import WRITER
from gridcall.simulation.csv_source import undisturbed
from gridcall.simulation.reports.reader import LOGS, ReportReader

Part = tuple[str, str, list[Entry]]
Heads = dict[str, int]
ENTRIES, LOOK, CONCLUDE = b"E", b"L", b"C"  # What a message asks for.
LOOK_ROWS = 1_000  # What is read at once is in memory at once.
PIPE_BYTES = 1 << 20  # A batch and more: the other process folds one while the next is decided.
pack = msgspec.msgpack.encode
part = msgspec.msgpack.Decoder(Part)
look = msgspec.msgpack.Decoder(tuple[dict[str, str], str, Heads])


class ReportWorker:
    """Tables, made by another process of what is sent to it. Its faults are raised here, with the next thing that is asked."""

    def __init__(self, parts: Connection, answers: Connection) -> None:
        self._parts = parts
        self._answers = answers
        self.memory_kib = 0  # What the other process needed at most beside what it shares with this one; known at the end.

    def read(self, log: str, shard: str, entries: Sequence[Entry]) -> None:
        """Take the next entries of one log."""
        self._send(ENTRIES + pack((log, shard, entries)))

    def look(self, urls: Mapping[str, str], shard: str, heads: Heads) -> None:
        """Read each log's database by itself, up to a position. No log is further than what its rows follow from."""
        self._send(LOOK + pack((urls, shard, heads)))

    def _send(self, message: bytes) -> None:
        try:
            self._parts.send_bytes(message)
        except BrokenPipeError:
            self._answer()

    def conclude(self, folder: Path, district: str, until: Instant) -> dict[str, Any]:
        """Write the three tables into a folder; give what summary.json says of them."""
        with suppress(BrokenPipeError):
            self._parts.send_bytes(CONCLUDE)
            self._parts.send((folder, district, until))
        summary, self.memory_kib = self._answer()
        return summary

    def _answer(self) -> tuple[dict[str, Any], int]:
        try:
            answer = self._answers.recv()
        except EOFError:
            raise Halted(
                "the tables' process ended: what stands above says why, else it was killed"
            ) from None
        if isinstance(answer, BaseException):
            raise answer
        summary, memory_kib = answer
        return summary, memory_kib


@contextmanager
def start_report_worker() -> Iterator[ReportWorker]:
    """Fork the other process, as early as possible: what is made afterwards is not in its memory."""
    their_parts, parts = Pipe(duplex=False)
    answers, their_answers = Pipe(duplex=False)
    fcntl.fcntl(parts.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    pid = os.fork()
    if pid == 0:
        parts.close()
        answers.close()
        serve(their_parts, their_answers)
    their_parts.close()
    their_answers.close()
    try:
        yield ReportWorker(parts, answers)
    finally:
        parts.close()
        answers.close()
        os.waitpid(pid, 0)


def serve(parts: Connection, answers: Connection) -> None:
    """Read until an empty part, conclude, answer. Ends with its parent: then the pipe is closed."""
    undisturbed()
    try:
        answers.send(made(parts))
    except (EOFError, BrokenPipeError):
        pass
    except OSError as fault:
        answers.send(fault)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def made(parts: Connection) -> tuple[dict[str, Any], int]:
    """The summary of what comes through a pipe, and how much this process's memory grew at most, in KiB."""
    shared_kib = getrusage(RUSAGE_SELF).ru_maxrss
    reader = ReportReader()
    asyncio.run(read_all(reader, parts))
    folder, district, until = parts.recv()
    summary = reader.conclude(folder, district, until)
    return summary, getrusage(RUSAGE_SELF).ru_maxrss - shared_kib


async def read_all(reader: ReportReader, parts: Connection) -> None:
    """Read what comes through a pipe, or what it says that there is to read, until it asks to conclude."""
    async with AsyncExitStack() as stack:
        databases: dict[
            str, Database
        ] = {}  # Connected to once: what asyncio leaves of a connection is not collected.
        while (message := parts.recv_bytes()) != CONCLUDE:
            if message.startswith(ENTRIES):
                reader.read(*part.decode(message[1:]))
                continue
            urls, shard, heads = look.decode(message[1:])
            for url in urls.values():
                if url not in databases:
                    databases[url] = await stack.enter_async_context(connected(url, size=1))
            for name in LOGS:  # Causes before effects.
                await looked(
                    reader,
                    PostgresLog(name, WRITER[name], databases[urls[name]], Notifier()),
                    shard,
                    heads[name],
                )


async def looked(reader: ReportReader, log: PostgresLog, shard: str, head: int) -> None:
    """Read what a log has up to its head."""
    while (done := reader.logs[log.name].positions) < head:
        reader.read(log.name, shard, await log.entries(shard, done, min(LOOK_ROWS, head - done)))
