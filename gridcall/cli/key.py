"""`gridcall key`: the keys of senders and readers."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

import click

from eventlog.postgres.pool import Database
from events.catalogue import LINES
from events.instants import instant_of
from gridcall.cli.options import SeenText, district_option, json_option
from gridcall.cli.queries import change_database, run_on_database
from gridcall.cli.terminal import NOTHING_RAN, fail, print_rows, say
from intake.api_keys import ON_KAFKA, READER, ApiKeys
from intake.districts import require_district
from intake.store import IntakeStore

LENGTH = re.compile(r"([0-9]{1,5})([dh])")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1)}


class Expiry(click.ParamType[datetime]):
    """The instant at which a key expires: a length from now, the last day (UTC), or a time."""

    name = "when"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            expires = value if isinstance(value, datetime) else expiry_of(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r}: write 90d, 12h, 2027-06-30 or a time of RFC 3339", param, ctx)
        if expires <= datetime.now(UTC):
            self.fail(f"{value!r} is over already", param, ctx)
        return expires


def expiry_of(text: str) -> datetime:
    """Return the instant that a text names. Raises ValueError, OverflowError."""
    if length := LENGTH.fullmatch(text):
        return datetime.now(UTC) + int(length[1]) * UNITS[length[2]]
    if DATE.fullmatch(text):
        return datetime.combine(date.fromisoformat(text), time(), UTC) + timedelta(days=1)
    return datetime.fromtimestamp(instant_of(text) / 1e6, UTC)


@click.group("key")
def key_group() -> None:
    """Make, list and revoke keys. A key permits a source to post to its lines."""


@key_group.command("add")
@district_option
@click.option(
    "--source",
    required=True,
    type=SeenText(),
    metavar="NAME",
    help="The sender. A part of every identity.",
)
@click.option(
    "--line",
    "lines",
    multiple=True,
    required=True,
    type=click.Choice([*LINES, READER, *ON_KAFKA]),
    help="May be repeated.",
)
@click.option(
    "--expires",
    type=Expiry(),
    metavar="WHEN",
    help="In 90d or 12h, after the day 2027-06-30 (UTC), or at a time of RFC 3339.",
)
def key_add(district: str, source: str, lines: tuple[str, ...], expires: datetime | None) -> None:
    """Make a key and print it once: only its digest is stored. `--line log` permits reading logs.

    `--line inbound.hotline` lets the source publish issues on that topic of Kafka. No key is sent
    there: the broker decides who may write to it.

    \b
    Example:     gridcall key add --district licheng --source 12345 --line hotline --expires 90d
    """

    async def add(database: Database) -> str:
        await require_district(IntakeStore(database), district)
        return await ApiKeys(database).add(district, source, lines, expires)

    say(change_database(add))


@key_group.command("list")
@json_option
def key_list(json_output: bool) -> None:
    """List all keys, without their secrets.

    \b
    Example:     gridcall key list
    """
    keys = run_on_database(lambda database: ApiKeys(database).all())
    rows = [
        {
            **key._asdict(),
            "lines": ",".join(key.lines),
            "made": time_cell(key.made),
            "expires": time_cell(key.expires),
            "revoked": time_cell(key.revoked),
        }
        for key in keys
    ]
    print_rows(rows, json_output, "no key yet: gridcall key add")


def time_cell(time: datetime | None) -> str:
    """Return a time as a cell; empty for None."""
    return f"{time:%FT%TZ}" if time else ""


@key_group.command("revoke")
@click.argument("key_id", metavar="ID")
def key_revoke(key_id: str) -> None:
    """Revoke a key. Within a second it is refused, and what it holds open ends.

    \b
    Example:     gridcall key revoke 3f2a91c0
    """
    if not change_database(lambda database: ApiKeys(database).revoke(key_id)):
        fail(NOTHING_RAN, f"no valid key {key_id!r}; gridcall key list shows all")


COMMANDS = {"key": key_group}
