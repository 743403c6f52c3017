"""What operations teams ask of a running gridcall, or of a database that one left behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from collections.abc import Callable

import click

from embedded.server import data_folder, server_url, url_of
from eventlog.codec import enveloped
from eventlog.core.row import Row
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, connected, listen
from events.catalogue import CaseParked, RetryAsked
from events.errors import Unavailable
from events.instants import Instant, rfc3339
from events.registry import short_type
from events.topology import WRITER
from gridcall.cli.queries import asked, listed, named
from gridcall.cli.terminal import NOTHING_RAN, REJECTED, UNREACHABLE, Bar, emit, fail
from gridcall.host.migrations import prepare
from gridcall.host.status import parked, status
from gridcall.simulation.reports.files import as_json
from gridcall.verify import Verified, verify
from intake.acceptor import AHEAD_US_MAX, Acceptor, now_us
from intake.core.identity import action_id
from intake.core.submission import item_of
from intake.outcomes import Outcomes

DECIDED_SECONDS = 10  # How long `retry` waits for what became of it.


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command("status")
@click.option("--json", "as_json_", is_flag=True, help="As JSON.")
def status_command(as_json_: bool) -> None:
    """How far every service is in every district, who owns it, and what is open.

    \b
    Example:     gridcall status --json
    """
    found = asked(status)
    if as_json_:
        emit(as_json(found))
        return
    listed(
        found["shards"],
        as_json_=False,
        empty="no district yet: gridcall map load DIR --profile FILE",
    )
    for district, counts in found["open"].items():
        said = ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items())) or "no case"
        emit(f"{district}: {said}\n".encode())


@click.command("tail")
@click.argument("log", type=click.Choice(list(WRITER)))
@click.option("--district", metavar="CODE", help="Which; not needed where there is one.")
@click.option(
    "--after",
    type=int,
    metavar="POSITION",
    help="From here on; without it the last ten, then what comes.",
)
@click.option(
    "--type",
    "kinds",
    multiple=True,
    metavar="WORD",
    help="Only types with this word, such as call-raised.",
)
@click.option("--subject", metavar="ID", help="Only this case.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Wait for what comes.")
@click.option("--json", "as_json_", is_flag=True, help="CloudEvents JSON, one a line.")
def tail_command(
    log: str,
    district: str | None,
    after: int | None,
    kinds: tuple[str, ...],
    subject: str | None,
    follow: bool,
    as_json_: bool,
) -> None:
    """Follow a log.

    \b
    Example:     gridcall tail calls --type call-raised --json
    """

    async def followed() -> None:
        url = server_url()
        await prepare(url)
        notifier = Notifier()
        async with connected(url, size=2) as database:
            source = PostgresLog(log, WRITER[log], database, notifier)
            name = district or await the_district(database)
            position = (
                max(0, (await source.watermark(name)).position - 10) if after is None else after
            )
            ringing = asyncio.create_task(listen(url, notifier))
            try:
                while True:
                    heard = notifier.count(log, name)
                    entries = await source.entries(name, position, 1000)
                    for kept in entries:
                        if (not subject or kept.subject == subject) and (
                            not kinds or any(kind in kept.type for kind in kinds)
                        ):
                            body = enveloped(log, name, kept)
                            emit(
                                body + b"\n"
                                if as_json_
                                else told(
                                    kept.position, kept.time, kept.type, kept.subject, kept.data
                                )
                            )
                        position = kept.position
                    if not entries:
                        if not follow:
                            return
                        await notifier.wait(log, name, heard, 5)
            finally:
                ringing.cancel()

    try:
        asyncio.run(followed())
    except KeyboardInterrupt:
        sys.exit(130)


def told(position: int, time: Instant, kind: str, subject: str, data: bytes) -> bytes:
    """An event in one line for people."""
    return f"{position:>9}  {rfc3339(time):27}  {short_type(kind):24}  {subject:32}  {data.decode()}\n".encode()


async def the_district(database: Database) -> str:
    """The only district there is."""
    found = [
        record["shard"]
        for record in await database.fetch("SELECT shard FROM intake.shard ORDER BY shard")
    ]
    if len(found) != 1:
        fail(
            NOTHING_RAN,
            f"name a district with --district: there are {', '.join(found) or 'none yet'}",
        )
    return str(found[0])


@click.command("parked")
@click.option("--json", "as_json_", is_flag=True, help="As JSON.")
def parked_command(as_json_: bool) -> None:
    """List parked cases: deciding them failed, and what came since waits behind them. See gridcall retry.

    \b
    Example:     gridcall parked
    """
    listed(asked(parked), as_json_, "no case is parked")


@click.command("retry")
@click.argument("case", metavar="CASE")
@click.option(
    "--by",
    default="operator",
    show_default=True,
    metavar="CODE",
    help="Who asks for it; it is kept in the log.",
)
def retry_command(case: str, by: str) -> None:
    """Decide a parked case again, with all that waits behind it. It goes on, or is parked as before.

    \b
    Exit status: 0 it goes on · 1 it is parked again · 2 it is not parked · 3 nothing has decided it yet
    Example:     gridcall retry 0b6cf6bd6ec3e7b0a1f6f7a3c5d1e2f4
    """

    async def retried(database: Database) -> list[tuple[str, Row | None]]:
        found = [
            (row["district"], row["log"]) for row in await parked(database) if row["case"] == case
        ]
        notifier = Notifier()
        logs = [PostgresLog(name, WRITER[name], database, notifier) for name in ("cases", "calls")]
        door, outcomes = Acceptor(database, notifier), Outcomes(logs[0], logs[1], notifier)
        said: list[tuple[str, Row | None]] = []
        for district, log in found:
            action = action_id(district, "gridcall", secrets.token_hex(16))
            (accepted,) = await door.accept(
                district, [item_of(RetryAsked(action=action, issue=case, log=log, by=by))]
            )
            rows = await outcomes.wait(district, accepted.position, DECIDED_SECONDS)
            said.append((log, rows[0] if rows else None))
        return said

    said = asked(retried)
    if not said:
        fail(NOTHING_RAN, f"case {case!r} is not parked; gridcall parked lists those that are")
    for log, row in said:
        if row is None:
            fail(
                UNREACHABLE,
                f"the retry in {log} is accepted, but nothing has decided it yet: does gridcall run? gridcall status",
            )
        if isinstance(row.event, CaseParked):
            fail(REJECTED, f"parked again in {log}: {row.event.fault}")
        click.echo(f"case {case} goes on in {log}, from position {row.position}")


@click.command("doctor")
def doctor_command() -> None:
    """Look whether everything that gridcall needs is there, and say what to do where it is not.

    \b
    Exit status: 0 all is well · 3 something is not
    Example:     gridcall doctor
    """
    ill = False
    for name, look in EXAMINED.items():
        try:
            said = look()
        except (Unavailable, OSError, RuntimeError) as fault:
            said, ill = f"ILL  {fault}", True
        click.echo(f"{name:12} {said}")
    sys.exit(UNREACHABLE if ill else 0)


def examined_folder() -> str:
    """It can be written, and has room."""
    folder = data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    stat = os.statvfs(folder)
    free = stat.f_bavail * stat.f_frsize // 2**20
    if free < 500:
        raise OSError(
            f"{folder} has {free} MiB left: make room, or name another folder in GRIDCALL_HOME"
        )
    return f"well {folder}, {free:,} MiB free"


def examined_database() -> str:
    """Reached, with which version and commit settings."""
    started = time.monotonic()

    async def look(database: Database) -> str:
        settings = [
            (await database.fetch(f"SHOW {name}"))[0][0]
            for name in ("server_version", "fsync", "synchronous_commit")
        ]
        return "Postgres {}, fsync {}, synchronous_commit {}".format(*settings)

    said = asked(look)
    where = "GRIDCALL_DATABASE_URL" if os.environ.get("GRIDCALL_DATABASE_URL") else "embedded"
    return f"well {where}: {said}; answered in {time.monotonic() - started:.1f} s"


def examined_clock() -> str:
    """The database's clock beside this machine's."""

    async def look(database: Database) -> int:
        return int((await database.fetch("SELECT intake.clock() - $1::bigint", now_us()))[0][0])

    ahead = asked(look)
    if ahead > AHEAD_US_MAX:
        raise RuntimeError(
            f"the database's clock is {ahead / 1e6:,.0f} s ahead: set it right, or confirm: gridcall clock confirm"
        )
    return f"well {ahead / 1e6:+.3f} s"


def examined_shards() -> str:
    """Nothing stands still."""
    shards = asked(status)["shards"]
    behind = [shard for shard in shards if shard["lag"]]
    if behind:
        raise RuntimeError(
            "; ".join(
                f"{shard['log']}/{shard['district']} is {shard['lag']:,} behind" for shard in behind
            )
        )
    return f"well {len(shards)} shards, none behind"


EXAMINED: dict[str, Callable[[], str]] = {
    "folder": examined_folder, "database": examined_database, "clock": examined_clock, "shards": examined_shards,
}  # fmt: skip


# ── Checking ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command("verify")
@click.option(
    "--database",
    metavar="NAME",
    help="Another database of the same server, for example one that simulate left.",
)
@click.option(
    "--district",
    "districts",
    multiple=True,
    metavar="CODE",
    help="Only this district; may be given again.",
)
@click.option(
    "--apart",
    multiple=True,
    metavar="SERVICE=URL",
    help="A service with a database of its own; may be given again.",
)
@click.option("--json", "as_json_", is_flag=True, help="What was found as JSON.")
def verify_command(
    database: str | None, districts: tuple[str, ...], apart: tuple[str, ...], as_json_: bool
) -> None:
    """Fold intake's log again, and compare `cases`, `calls` and the facts with it, byte for byte.

    \b
    Exit status: 0 they are equal · 1 they differ: the first difference is shown · 3 the database cannot be reached
    Example:     gridcall verify --database simulate_exampleville-2019
    """
    with Bar() as bar:
        url = url_of(database) if database else server_url()
        found = asyncio.run(verify(url, districts, bar.task("Folding", None), named(apart)))
    emit(
        as_json([as_record(each) for each in found])
        if as_json_
        else "".join(map(sentence, found)).encode()
    )
    sys.exit(REJECTED if any(each.difference for each in found) else 0)


def sentence(found: Verified) -> str:
    """What was found in one district."""
    if found.difference:
        return f"{found.district}: {found.difference}\n"
    equal = f"{found.rows:,} rows are equal, and so are {found.facts:,} facts"
    return f"{found.district}: {found.inputs:,} inputs folded again, {equal}\n"


def as_record(found: Verified) -> dict[str, object]:
    """The same for a program."""
    difference = found.difference.as_json() if found.difference else None
    return {
        "district": found.district,
        "inputs": found.inputs,
        "rows": found.rows,
        "facts": found.facts,
        "difference": difference,
    }


COMMANDS = {
    "status": status_command, "tail": tail_command, "parked": parked_command, "retry": retry_command,
    "doctor": doctor_command, "verify": verify_command,
}  # fmt: skip
