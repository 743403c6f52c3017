"""The reports of simulate in a process of their own, so that one core decides and another folds."""

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

import msgspec

from eventlog.codec import Entry
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, open_database
from events.errors import Halted
from events.instants import Instant
from events.topology import WRITER
from gridcall.simulation.csv_source import ignore_signals
from gridcall.simulation.reports.reader import LOGS, ReportReader
from gridcall.simulation.reports.summary import Tables

Entries = tuple[str, str, list[Entry]]
Heads = dict[str, int]
ENTRIES, READ, CONCLUDE = b"E", b"R", b"C"  # The first byte of a message.
PAGE_ROWS = 1_000
PIPE_BYTES = 1 << 20  # More than a batch, so that sending rarely blocks.
pack = msgspec.msgpack.encode
entries_decoder = msgspec.msgpack.Decoder(Entries)
read_decoder = msgspec.msgpack.Decoder(tuple[dict[str, str], str, Heads])


class ReportWorker:
    """The reports of a child process.

    A fault of the child is raised here by the next call. `memory_kib` is the growth of the child's
    memory, known at the end.
    """

    def __init__(self, messages: Connection, answers: Connection) -> None:
        self._messages = messages
        self._answers = answers
        self.memory_kib = 0

    def read(self, log: str, shard: str, entries: Sequence[Entry]) -> None:
        """Send the next entries of a log."""
        self._send(ENTRIES + pack((log, shard, entries)))

    def read_from(self, urls: Mapping[str, str], shard: str, heads: Heads) -> None:
        """Let the child read each log from its database, up to a position."""
        self._send(READ + pack((urls, shard, heads)))

    def _send(self, message: bytes) -> None:
        try:
            self._messages.send_bytes(message)
        except BrokenPipeError:
            self._answer()

    def conclude(self, folder: Path, district: str, until: Instant, file_format: int) -> Tables:
        """Write the tables into a folder."""
        with suppress(BrokenPipeError):
            self._messages.send_bytes(CONCLUDE)
            self._messages.send((folder, district, until, file_format))
        tables, self.memory_kib = self._answer()
        return tables

    def _answer(self) -> tuple[Tables, int]:
        try:
            answer = self._answers.recv()
        except EOFError:
            raise Halted(
                "the reports' process ended: the lines above say why, else it was killed"
            ) from None
        if isinstance(answer, BaseException):
            raise answer
        tables, memory_kib = answer
        return tables, memory_kib


@contextmanager
def start_report_worker() -> Iterator[ReportWorker]:
    """Fork the child early, because its memory is a copy of the present one."""
    child_messages, messages = Pipe(duplex=False)
    answers, child_answers = Pipe(duplex=False)
    fcntl.fcntl(messages.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    pid = os.fork()
    if pid == 0:
        messages.close()
        answers.close()
        serve(child_messages, child_answers)
    child_messages.close()
    child_answers.close()
    try:
        yield ReportWorker(messages, answers)
    finally:
        messages.close()
        answers.close()
        os.waitpid(pid, 0)


def serve(messages: Connection, answers: Connection) -> None:
    """Fold all messages and send the tables. A closed pipe means that the parent has ended."""
    ignore_signals()
    try:
        answers.send(fold_messages(messages))
    except (EOFError, BrokenPipeError):
        pass
    except OSError as fault:
        answers.send(fault)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def fold_messages(messages: Connection) -> tuple[Tables, int]:
    """Return the tables, and the growth of this process's memory in KiB."""
    shared_kib = getrusage(RUSAGE_SELF).ru_maxrss
    reader = ReportReader()
    asyncio.run(read_all(reader, messages))
    tables = reader.conclude(*messages.recv())
    return tables, getrusage(RUSAGE_SELF).ru_maxrss - shared_kib


async def read_all(reader: ReportReader, messages: Connection) -> None:
    """Read entries, or the logs that a message names, until a message asks to conclude."""
    async with AsyncExitStack() as stack:
        # One connection for each database, because asyncio leaks some memory for each.
        databases: dict[str, Database] = {}
        while (message := messages.recv_bytes()) != CONCLUDE:
            if message.startswith(ENTRIES):
                reader.read(*entries_decoder.decode(message[1:]))
                continue
            urls, shard, heads = read_decoder.decode(message[1:])
            for url in urls.values():
                if url not in databases:
                    databases[url] = await stack.enter_async_context(open_database(url, size=1))
            for name in LOGS:  # Causes before effects.
                log = PostgresLog(name, WRITER[name], databases[urls[name]], Notifier())
                await read_log(reader, log, shard, heads[name])


async def read_log(reader: ReportReader, log: PostgresLog, shard: str, head: int) -> None:
    """Read a log up to a position."""
    while (position := reader.logs[log.name].positions) < head:
        limit = min(PAGE_ROWS, head - position)
        reader.read(log.name, shard, await log.entries(shard, position, limit))
