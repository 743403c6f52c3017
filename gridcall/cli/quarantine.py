"""`gridcall quarantine`: records that upstream systems published and intake did not accept."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import click

from eventlog.postgres.pool import Database
from events.catalogue import LINES
from gridcall.cli.options import json_option
from gridcall.cli.queries import change_database, run_on_database
from gridcall.cli.terminal import (
    NOTHING_RAN,
    REJECTED,
    UNREACHABLE,
    emit,
    fail,
    one_line,
    print_rows,
    say,
)
from gridcall.simulation.reports.files import as_json
from intake.inbound.dead_letters import DeadLetter
from intake.store import InboundStore

RETRY_SECONDS = 15
POLL_SECONDS = 0.2  # Intake retries in another process, which sends no notification.
REASON_CHARACTERS = 100

line_option = click.option("--line", type=click.Choice(LINES), help="All records of this line.")
ids_argument = click.argument("ids", metavar="[ID]...", nargs=-1, type=int)


@click.group("quarantine")
def quarantine_group() -> None:
    """Inspect, retry and discard records of inbound.LINE that intake did not accept."""


@quarantine_group.command("list")
@line_option
@json_option
def list_command(line: str | None, json_output: bool) -> None:
    """List the records in quarantine, each with the reason.

    \b
    Example:     gridcall quarantine list --line hotline
    """
    records = run_on_database(lambda database: InboundStore(database).dead_letters(line))
    rows = [
        {
            **identity(record),
            "reason": record.reason if json_output else shorten(record.reason),
        }
        for record in records
    ]
    print_rows(rows, json_output, "nothing is in quarantine")


@quarantine_group.command("show")
@click.argument("record_id", metavar="ID", type=int)
@click.option(
    "--json", "json_output", is_flag=True, help="Print JSON, with key and value in base64."
)
def show_command(record_id: int, json_output: bool) -> None:
    """Show a record as it was published, and everything that is wrong with it.

    \b
    Example:     gridcall quarantine show 17
    """
    (record,) = select((record_id,))
    if json_output:
        coded = {
            name: value and base64.b64encode(value).decode()
            for name, value in key_and_value(record).items()
        }
        fields = identity(record) | {"problem": record.problem, "headers": headers(record)} | coded
        emit(as_json(fields))
    else:
        emit("".join(f"{one_line(line)}\n" for line in description(record)).encode())


def description(record: DeadLetter) -> list[str]:
    """Return the lines that describe a record."""
    problem = record.problem
    lines = [f"{name:9}  {value}" for name, value in identity(record).items()]
    lines.append(f"reason     {problem['status']} {problem['title']}: {problem['detail']}")
    lines += [
        f"           {error['pointer'] or '(all of it)'}: {error['detail']}"
        for error in problem.get("errors", ())
    ]
    lines += [f"header     {name}: {value}" for name, value in headers(record)]
    if record.record is not None:
        lines += [f"{name:9}  {as_text(value)}" for name, value in key_and_value(record).items()]
    return lines


@quarantine_group.command("retry")
@ids_argument
@line_option
def retry_command(ids: tuple[int, ...], line: str | None) -> None:
    """Retry records. An accepted one leaves the quarantine and is answered on receipts.LINE.

    \b
    Exit status: 0 all accepted · 1 some refused or incomplete · 3 not retried yet
    Example:     gridcall quarantine retry 17
    """
    records = select(ids, line)
    complete = [record.id for record in records if record.is_whole]
    incomplete = [record.id for record in records if not record.is_whole]
    remaining = change_database(lambda database: retry(database, complete))
    for record in remaining:
        outcome = "not retried yet" if record.again else f"refused again: {one_line(record.reason)}"
        say(f"{record.id}: {outcome}", err=True)
    for record_id in incomplete:
        say(
            f"{record_id}: is incomplete and cannot be retried: gridcall quarantine discard "
            f"{record_id}",
            err=True,
        )
    say(f"{len(complete) - len(remaining)} of {len(records)} accepted")
    if any(record.again for record in remaining):
        fail(
            UNREACHABLE,
            "no intake that reads Kafka has retried them yet: they stay marked for the next one "
            "that starts",
        )
    if remaining or incomplete:
        raise SystemExit(REJECTED)


async def retry(database: Database, ids: Sequence[int]) -> list[DeadLetter]:
    """Mark records for retry, wait for intake, and return those that are still in quarantine."""
    if not ids:
        return []
    store = InboundStore(database)
    await store.retry(ids)
    for _ in range(round(RETRY_SECONDS / POLL_SECONDS)):
        remaining = await store.dead_letters(ids=ids)
        if not any(record.again for record in remaining):
            break
        await asyncio.sleep(POLL_SECONDS)
    return remaining


@quarantine_group.command("discard")
@ids_argument
@line_option
def discard_command(ids: tuple[int, ...], line: str | None) -> None:
    """Delete records for ever. What they reported is then unknown to gridcall.

    \b
    Example:     gridcall quarantine discard 17
    """
    selected = [record.id for record in select(ids, line)]
    say(f"{change_database(lambda database: InboundStore(database).discard(selected))} discarded")


def select(ids: Sequence[int], line: str | None = None) -> list[DeadLetter]:
    """Return the records of these ids, or of a line, or end the program."""
    if not ids and line is None:
        fail(
            NOTHING_RAN,
            "name records by ID, or all of a line with --line; gridcall quarantine list shows them",
        )
    records = run_on_database(lambda database: InboundStore(database).dead_letters(line, ids))
    if missing := set(ids) - {record.id for record in records}:
        fail(
            NOTHING_RAN,
            f"{min(missing)} is not in quarantine; gridcall quarantine list shows what is",
        )
    return records


def identity(record: DeadLetter) -> dict[str, Any]:
    """Return the fields that identify a record."""
    return {
        "id": record.id,
        "line": record.line,
        "partition": record.partition,
        "offset": record.place,
        "at": f"{record.at:%FT%TZ}",
        "bytes": record.size,
        "again": record.again,
    }


def headers(record: DeadLetter) -> list[tuple[str, str]]:
    """Return a record's headers as text."""
    if record.record is None:
        return []
    return [(name, as_text(value)) for name, value in record.record.headers]


def key_and_value(record: DeadLetter) -> dict[str, bytes | None]:
    """Return a record's key and value, each None if it is missing."""
    published = record.record
    return {
        "key": published.key if published else None,
        "value": published.value if published else None,
    }


def as_text(value: bytes | None) -> str:
    """Return bytes as text, with escapes for those that are not UTF-8."""
    return "(none)" if value is None else value.decode(errors="backslashreplace")


def shorten(text: str) -> str:
    """Return a reason that fits into a row of a table."""
    if len(text) <= REASON_CHARACTERS:
        return text
    return f"{text[: REASON_CHARACTERS - 1]}…"


COMMANDS = {"quarantine": quarantine_group}
