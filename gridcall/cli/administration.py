"""What administrators do: keys, reference data, and the clock of the door."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

import asyncpg
import click

from embedded.server import data_folder, server_url
from eventlog.core.row import Generation
from eventlog.kafka.topics import Cluster, apply, plan
from eventlog.postgres.generation import DatabaseCheck, generations
from eventlog.postgres.pool import Database, reached
from events.catalogue import LINES
from events.topology import UPSTREAM
from gridcall.cli.queries import asked, listed, named
from gridcall.cli.reference_data import DistrictCode
from gridcall.cli.terminal import NOTHING_RAN, REJECTED, fail
from gridcall.host.migrations import prepare
from gridcall.host.topics import system_topics
from intake.acceptor import now_us
from intake.api_keys import ON_KAFKA, READER, Keys

# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

OPENED = [*LINES, READER, *ON_KAFKA]  # What a key can be for.


@click.group("key")
def key_group() -> None:
    """Keys: who may post to which line."""


@key_group.command("add")
@click.option(
    "--district",
    required=True,
    type=DistrictCode(),
    metavar="CODE",
    help="The district that it stands for.",
)
@click.option(
    "--source", required=True, metavar="NAME", help="Who posts; a part of every identity."
)
@click.option(
    "--line",
    "lines",
    multiple=True,
    required=True,
    type=click.Choice(OPENED),
    help="May be given again.",
)
def key_add(district: str, source: str, lines: tuple[str, ...]) -> None:
    """Make a key and print it, this once: what is stored is its digest. `--line log` lets it read logs.

    `--line inbound.hotline` lets its source publish issues on that topic of Kafka. No key is sent there: the broker decides
    who may write to it.

    \b
    Example:     gridcall key add --district licheng --source 12345 --line hotline
    """
    click.echo(asked(lambda database: Keys(database).add(district, source, lines)))


@key_group.command("list")
@click.option("--json", "as_json_", is_flag=True, help="As JSON.")
def key_list(as_json_: bool) -> None:
    """List all keys, without their secrets.

    \b
    Example:     gridcall key list
    """
    rows = [
        {
            **key._asdict(),
            "lines": ",".join(key.lines),
            "made": f"{key.made:%FT%TZ}",
            "revoked": str(key.revoked or ""),
        }
        for key in asked(lambda database: Keys(database).listed())
    ]
    listed(rows, as_json_, "no key yet: gridcall key add")


@key_group.command("revoke")
@click.argument("key_id", metavar="ID")
def key_revoke(key_id: str) -> None:
    """Revoke a key. Doors that have just seen it believe it for two seconds more.

    \b
    Example:     gridcall key revoke 3f2a91c0
    """
    if not asked(lambda database: Keys(database).revoke(key_id)):
        fail(NOTHING_RAN, f"no key {key_id!r} that still holds; gridcall key list shows all")


@click.group("clock")
def clock_group() -> None:
    """The clock of the door."""


@clock_group.command("confirm")
def clock_confirm() -> None:
    """Confirm the database's clock where it leapt ahead: its time is taken from now on, and cannot be taken back.

    \b
    Example:     gridcall clock confirm
    """

    async def confirmed(database: Database) -> int:
        sql = "INSERT INTO intake.confirmed_clock (ahead_us) VALUES (intake.clock() - $1) RETURNING ahead_us"
        return int((await database.fetch(sql, now_us()))[0][0])

    click.echo(f"confirmed: {asked(confirmed) / 1e6:+,.0f} s beside this machine's clock")


@click.group("restore")
def restore_group() -> None:
    """A database that was restored, promoted or exchanged."""


@restore_group.command("accept")
@click.option(
    "--apart",
    multiple=True,
    metavar="SERVICE=URL",
    help="A service with a database of its own; may be given again.",
)
def restore_accept(apart: tuple[str, ...]) -> None:
    """Accept intake's database as it is, as a new generation: stages are cut back to what they can have read, time stays.

    \b
    What was accepted after the backup is lost: upstream systems post it again, with the same references.
    A second time it cuts what was not reached the first time, and begins no other generation.
    Example:     gridcall restore accept
    """
    url = server_url()
    urls = {"intake": url, **named(apart)}

    async def accepted() -> dict[str, Generation]:
        await prepare(url)
        async with AsyncExitStack() as stack:
            connections = {}
            for service, its in urls.items():
                with reached():
                    connections[service] = await asyncpg.connect(its)
                stack.push_async_callback(connections[service].close)
            intake = connections.pop("intake")
            await DatabaseCheck(data_folder(), url, "intake").accept(intake, UPSTREAM, connections)
            return await generations("intake", intake)

    for district, generation in asyncio.run(accepted()).items():
        click.echo(
            f"{district}: generation {generation.number}, which goes on after position {generation.forked_at}"
        )


@click.group("topics")
def topics_group() -> None:
    """The topics of Kafka."""


def topics_options(command: Callable[..., None]) -> Callable[..., None]:
    """What both commands ask."""
    for option in (
        click.option("--json", "as_json_", is_flag=True, help="As JSON."),
        click.option(
            "--districts",
            default=16,
            show_default=True,
            help="A partition each; more can be added, never fewer.",
        ),
        click.option(
            "--kafka",
            required=True,
            envvar="GRIDCALL_KAFKA",
            metavar="HOST:PORT[/PREFIX]",
            help="The broker.",
        ),
    ):
        command = option(command)
    return command


@topics_group.command("plan")
@topics_options
def topics_plan(kafka: str, districts: int, as_json_: bool) -> None:
    """Say what the broker's topics lack, and change nothing.

    \b
    Exit status: 0 nothing · 1 something
    Example:     gridcall topics plan --kafka 127.0.0.1:19092
    """
    steps = asyncio.run(plan(cluster := Cluster.named(kafka), system_topics(cluster, districts)))
    listed([step._asdict() for step in steps], as_json_, "All topics are as they should be.")
    sys.exit(REJECTED if steps else 0)


@topics_group.command("apply")
@topics_options
def topics_apply(kafka: str, districts: int, as_json_: bool) -> None:
    """Make topics that are not there, and add partitions. A setting that differs is told and left: an operator decides.

    \b
    Exit status: 0 all are as they should be · 1 a setting differs
    Example:     gridcall topics apply --kafka 127.0.0.1:19092 --districts 12
    """
    steps = asyncio.run(apply(cluster := Cluster.named(kafka), system_topics(cluster, districts)))
    listed([step._asdict() for step in steps], as_json_, "All topics are as they should be.")
    sys.exit(REJECTED if any(step.what == "differs" for step in steps) else 0)


COMMANDS = {
    "key": key_group,
    "clock": clock_group,
    "restore": restore_group,
    "topics": topics_group,
}
