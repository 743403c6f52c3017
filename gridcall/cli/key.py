"""`gridcall key`: the keys of senders and readers."""

from __future__ import annotations

import click

from events.catalogue import LINES
from gridcall.cli.options import district_option, json_option
from gridcall.cli.queries import run_on_database
from gridcall.cli.terminal import NOTHING_RAN, fail, print_rows
from intake.api_keys import ON_KAFKA, READER, ApiKeys


@click.group("key")
def key_group() -> None:
    """Make, list and revoke keys. A key permits a source to post to its lines."""


@key_group.command("add")
@district_option
@click.option(
    "--source", required=True, metavar="NAME", help="The sender. A part of every identity."
)
@click.option(
    "--line",
    "lines",
    multiple=True,
    required=True,
    type=click.Choice([*LINES, READER, *ON_KAFKA]),
    help="May be repeated.",
)
def key_add(district: str, source: str, lines: tuple[str, ...]) -> None:
    """Make a key and print it once: only its digest is stored. `--line log` permits reading logs.

    `--line inbound.hotline` lets the source publish issues on that topic of Kafka. No key is sent
    there: the broker decides who may write to it.

    \b
    Example:     gridcall key add --district licheng --source 12345 --line hotline
    """
    click.echo(run_on_database(lambda database: ApiKeys(database).add(district, source, lines)))


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
            "made": f"{key.made:%FT%TZ}",
            "revoked": str(key.revoked or ""),
        }
        for key in keys
    ]
    print_rows(rows, json_output, "no key yet: gridcall key add")


@key_group.command("revoke")
@click.argument("key_id", metavar="ID")
def key_revoke(key_id: str) -> None:
    """Revoke a key. Processes that have just seen it accept it for two more seconds.

    \b
    Example:     gridcall key revoke 3f2a91c0
    """
    if not run_on_database(lambda database: ApiKeys(database).revoke(key_id)):
        fail(NOTHING_RAN, f"no valid key {key_id!r}; gridcall key list shows all")


COMMANDS = {"key": key_group}
