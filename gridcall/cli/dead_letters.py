"""`gridcall quarantine`: what upstream systems published and gridcall did not accept."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import click

from eventlog.postgres.pool import Database
from events.catalogue import LINES
from gridcall.cli.queries import asked, listed
from gridcall.cli.terminal import NOTHING_RAN, REJECTED, UNREACHABLE, emit, fail
from gridcall.simulation.reports.files import as_json
from intake.inbound.dead_letters import Kept, Quarantine

TRIED_SECONDS = 15  # How long `retry` waits for the intake that reads the line.
REASON_MAX = 100


@click.group("quarantine")
def quarantine_group() -> None:
    """Records of inbound.LINE that were not accepted: each stays until it is accepted after all, or discarded."""


@quarantine_group.command("list")
@click.option("--line", type=click.Choice(LINES), help="Only of this line.")
@click.option("--json", "as_json_", is_flag=True, help="As JSON.")
def list_command(line: str | None, as_json_: bool) -> None:
    """List what is in quarantine, and why.

    \b
    Example:     gridcall quarantine list --line hotline
    """
    found = asked(lambda database: Quarantine(database).listed(line))
    rows = [
        {**summary(each), "reason": each.reason if as_json_ else shown(shortened(each.reason))}
        for each in found
    ]
    listed(rows, as_json_, "nothing is in quarantine")


@quarantine_group.command("show")
@click.argument("number", metavar="ID", type=int)
@click.option("--json", "as_json_", is_flag=True, help="As JSON, with key and value in base64.")
def show_command(number: int, as_json_: bool) -> None:
    """Show one record as it came, and all that is wrong with it.

    \b
    Example:     gridcall quarantine show 17
    """
    (found,) = the_ones((number,))
    if as_json_:
        coded = {
            name: value and base64.b64encode(value).decode() for name, value in parts(found).items()
        }
        emit(
            as_json(summary(found) | {"problem": found.problem, "headers": headers(found)} | coded)
        )
        return
    lines = [f"{name:9}  {value}" for name, value in summary(found).items()]
    lines.append(
        f"reason     {found.problem['status']} {found.problem['title']}: {found.problem['detail']}"
    )
    lines += [
        f"           {error['pointer'] or '(all of it)'}: {error['detail']}"
        for error in found.problem.get("errors", ())
    ]
    lines += [f"header     {name}: {value}" for name, value in headers(found)]
    if found.record is not None:
        lines += [f"{name:9}  {readable(value)}" for name, value in parts(found).items()]
    emit("".join(f"{shown(line)}\n" for line in lines).encode())


@quarantine_group.command("retry")
@click.argument("numbers", metavar="[ID]...", nargs=-1, type=int)
@click.option("--line", type=click.Choice(LINES), help="All of this line.")
def retry_command(numbers: tuple[int, ...], line: str | None) -> None:
    """Let records be tried again: what is accepted leaves the quarantine, and is answered on receipts.LINE.

    \b
    Exit status: 0 all are accepted · 1 some are refused again, or not whole · 3 no intake has tried them yet
    Example:     gridcall quarantine retry 17
    """
    found = the_ones(numbers, line)
    whole = [each.id for each in found if each.is_whole]

    async def retried(database: Database) -> list[Kept]:
        quarantine = Quarantine(database)
        await quarantine.retry(whole)
        for _ in range(TRIED_SECONDS * 5):
            left = await quarantine.listed(ids=whole) if whole else []
            if not any(each.again for each in left):
                break
            await asyncio.sleep(0.2)  # Another process tries them, and announces nothing.
        return left

    left = asked(retried)
    waiting = [each for each in left if each.again]
    for each in left:
        click.echo(
            f"{each.id}: {'not tried yet' if each.again else f'refused again: {shown(each.reason)}'}",
            err=True,
        )
    for each in found:
        if not each.is_whole:
            click.echo(
                f"{each.id}: is not whole, so it cannot be tried again: gridcall quarantine discard {each.id}",
                err=True,
            )
    click.echo(f"{len(whole) - len(left)} of {len(found)} accepted")
    if waiting:
        fail(
            UNREACHABLE,
            "no intake that reads Kafka has tried them: they stay marked, and are tried as soon as one runs",
        )
    if left or len(whole) < len(found):
        raise SystemExit(REJECTED)


@quarantine_group.command("discard")
@click.argument("numbers", metavar="[ID]...", nargs=-1, type=int)
@click.option("--line", type=click.Choice(LINES), help="All of this line.")
def discard_command(numbers: tuple[int, ...], line: str | None) -> None:
    """Forget records for ever. What they would have reported is not known to gridcall then.

    \b
    Example:     gridcall quarantine discard 17
    """
    ids = [each.id for each in the_ones(numbers, line)]
    click.echo(f"{asked(lambda database: Quarantine(database).discard(ids))} discarded")


def the_ones(numbers: Sequence[int], line: str | None = None) -> list[Kept]:
    """What was named, or the end of the program."""
    if not numbers and line is None:
        fail(
            NOTHING_RAN,
            "name records by ID, or all of a line with --line; gridcall quarantine list shows them",
        )
    found = asked(lambda database: Quarantine(database).listed(line, numbers))
    if missing := set(numbers) - {each.id for each in found}:
        fail(
            NOTHING_RAN,
            f"{min(missing)} is not in quarantine; gridcall quarantine list shows what is",
        )
    return found


def summary(each: Kept) -> dict[str, Any]:
    """What identifies a record."""
    return {
        "id": each.id, "line": each.line, "partition": each.partition, "offset": each.place, "at": f"{each.at:%FT%TZ}",
        "bytes": each.size, "again": each.again,
    }  # fmt: skip


def headers(each: Kept) -> list[tuple[str, str]]:
    """Its headers as text."""
    return [(name, readable(value)) for name, value in each.record.headers] if each.record else []


def parts(each: Kept) -> dict[str, bytes | None]:
    """Its key and value."""
    return {
        "key": each.record.key if each.record else None,
        "value": each.record.value if each.record else None,
    }


def readable(value: bytes | None) -> str:
    """Bytes as text."""
    return "(none)" if value is None else value.decode(errors="backslashreplace")


def shown(text: str) -> str:
    """A text for a terminal: whoever sent a record does not steer it."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def shortened(text: str) -> str:
    """A reason in one line of a table."""
    return text if len(text) <= REASON_MAX else f"{text[: REASON_MAX - 1]}…"


COMMANDS = {"quarantine": quarantine_group}
