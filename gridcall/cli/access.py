"""`gridcall access`: who read logs, and which credentials were refused."""

from __future__ import annotations

from datetime import timedelta

import click

from gridcall.cli.options import json_option
from gridcall.cli.queries import run_on_database
from gridcall.cli.terminal import print_rows
from intake.access_log import AccessCount, utc_now
from intake.store import AccessStore


@click.command("access")
@click.option(
    "--hours",
    default=24,
    show_default=True,
    type=click.IntRange(1, 24 * 90),
    help="Since so many hours ago. Older ones are deleted after 90 days.",
)
@json_option
def access_command(hours: int, json_output: bool) -> None:
    """List reads of logs and refused credentials, counted by hour, key and address.

    \b
    Example:     gridcall access --hours 168 --json
    """
    start = utc_now() - timedelta(hours=hours)
    counts = run_on_database(lambda database: AccessStore(database).counts_since(start))
    print_rows([to_fields(each) for each in counts], json_output, "no access is recorded")


def to_fields(counted: AccessCount) -> dict[str, str | int]:
    """Return a count as it is printed."""
    access = counted.access
    return {
        "first": f"{counted.first:%FT%TZ}",
        "last": f"{counted.last:%FT%TZ}",
        "count": counted.number,
        "kind": access.kind,
        "key": access.credential,
        "address": access.address,
        "district": access.district,
        "what": access.what,
    }


COMMANDS = {"access": access_command}
