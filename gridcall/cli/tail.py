"""`gridcall tail`: the rows of a log, and those that follow."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from typing import NamedTuple

import click

from embedded.server import server_url
from eventlog.codec import Entry, entry_envelope
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import listen
from events.instants import rfc3339
from events.registry import short_type
from events.topology import LOGS, WRITER
from gridcall.cli.options import json_option, only_district_option
from gridcall.cli.queries import existing_district, open_to_read
from gridcall.cli.terminal import INTERRUPTED, TERMINATED, emit

PAGE_ROWS = 1000
LAST_ROWS = 10
POLL_SECONDS = 5.0


class Selection(NamedTuple):
    """The rows to print: of one subject, and of types that contain one of the words."""

    subject: str | None
    words: tuple[str, ...]

    def includes(self, entry: Entry) -> bool:
        if self.subject and entry.subject != self.subject:
            return False
        return not self.words or any(word in entry.type for word in self.words)


@click.command("tail")
@click.argument("log", type=click.Choice(LOGS))
@only_district_option
@click.option(
    "--after",
    type=int,
    metavar="POSITION",
    help=f"Start after this position. Without it: the last {LAST_ROWS} rows.",
)
@click.option(
    "--type",
    "words",
    multiple=True,
    metavar="WORD",
    help="Only types that contain this word, such as call-raised. May be repeated.",
)
@click.option("--subject", metavar="ID", help="Only this case.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Wait for new rows.")
@json_option
def tail_command(
    log: str,
    district: str | None,
    after: int | None,
    words: tuple[str, ...],
    subject: str | None,
    follow: bool,
    json_output: bool,
) -> None:
    """Print the rows of a log and follow it. With --json: CloudEvents, one a line.

    \b
    Example:     gridcall tail calls --type call-raised --json
    """
    selection = Selection(subject, words)
    try:
        asyncio.run(print_log(log, district, after, selection, follow, json_output))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except asyncio.CancelledError:
        sys.exit(TERMINATED)


async def print_log(
    log: str,
    district: str | None,
    after: int | None,
    selection: Selection,
    follow: bool,
    json_output: bool,
) -> None:
    """Print the selected rows of a log. SIGTERM cancels it between two steps.

    The handler of other commands raises within a step, where a driver may lose what is raised.
    """
    task = asyncio.current_task()
    assert task is not None, "it runs in a loop"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    url = server_url(create=False)
    notifier = Notifier()
    async with open_to_read(url) as database:
        source = PostgresLog(log, WRITER[log], database, notifier)
        shard = await existing_district(database, district)
        if after is None:
            after = max(0, (await source.watermark(shard)).position - LAST_ROWS)
        listening = asyncio.create_task(listen(url, notifier))
        try:
            async for entry in entries_after(source, shard, after, follow):
                if selection.includes(entry):
                    emit(
                        entry_envelope(log, shard, entry) + b"\n"
                        if json_output
                        else one_line(entry)
                    )
        finally:
            listening.cancel()


async def entries_after(
    source: PostgresLog, district: str, position: int, follow: bool
) -> AsyncIterator[Entry]:
    """Yield the entries after a position; with `follow`, forever."""
    while True:
        notifications = source.notifier.count(source.name, district)
        entries = await source.entries(district, position, PAGE_ROWS)
        for entry in entries:
            yield entry
            position = entry.position
        if entries:
            continue
        if not follow:
            return
        await source.notifier.wait(source.name, district, notifications, POLL_SECONDS)


def one_line(entry: Entry) -> bytes:
    """Return an entry as a line of text."""
    columns = (
        f"{entry.position:>9}",
        f"{rfc3339(entry.time):27}",
        f"{short_type(entry.type):24}",
        f"{entry.subject:32}",
        entry.data.decode(),
    )
    return ("  ".join(columns) + "\n").encode()


COMMANDS = {"tail": tail_command}
