"""`gridcall simulate`: the command, from its words to its exit status."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import NoReturn

import click

from embedded.server import url_of
from eventlog.kafka.topics import Cluster
from events.instants import Instant
from gridcall.cli.map import the_map, the_profile
from gridcall.cli.terminal import (
    INTERRUPTED,
    NOTHING_RAN,
    REJECTED,
    UNREACHABLE,
    Bar,
    emit,
    fail,
    summary_table,
)
from gridcall.host.migrations import BEHIND, KAFKA
from gridcall.simulation.city.local_time import Clockface
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.csv_source import InputError
from gridcall.simulation.driver import BATCH, InMemory, Pipeline, Run, results_folder, simulate
from gridcall.simulation.feed import Feed, read_apart, without_collecting
from gridcall.simulation.pipelines.postgres import Tabled, over_kafka, tabled
from gridcall.simulation.report_worker import tables_apart
from gridcall.simulation.reports.files import as_json

READER_HELP = (
    "How the stages read: from tables of Postgres, over Kafka, or in memory without any store."
)


@click.command("simulate")
@click.option(
    "--profile",
    "profile_path",
    required=True,
    type=click.Path(path_type=Path),
    help="The city's profile.",
)
@click.option(
    "--map",
    "map_folder",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder of its GeoJSON.",
)
@click.option(
    "--input",
    "inputs",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="CSV files (.gz too).",
)
@click.argument("more_inputs", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option(
    "--until",
    "until_text",
    required=True,
    metavar="TIME",
    help="ISO 8601; local to the profile without an offset.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder to make: absent or empty.",
)
@click.option(
    "--reader",
    type=click.Choice(["memory", "table", "kafka"]),
    default="table",
    show_default=True,
    help=READER_HELP,
)
@click.option(
    "--replicas",
    default=1,
    show_default=True,
    type=click.IntRange(1, 9),
    help="Of each service; with --reader kafka.",
)
@click.option(
    "--kafka",
    envvar=KAFKA,
    metavar="HOST:PORT",
    help="The broker, with --reader kafka: make kafka starts one.",
)
@click.option(
    "--batch", default=BATCH, show_default=True, hidden=True, type=click.IntRange(1, 10_000)
)
@click.option("--json", "as_json_", is_flag=True, help="summary.json on stdout.")
def simulate_command(
    profile_path: Path,
    map_folder: Path,
    inputs: tuple[Path, ...],
    more_inputs: tuple[Path, ...],
    until_text: str,
    out: Path,
    reader: str,
    replicas: int,
    kafka: str | None,
    batch: int,
    as_json_: bool,
) -> None:
    """Send a city's historical records through gridcall, in their own time; tables come out.

    \b
    Exit status: 0 every row accepted · 1 rejected.csv has rows, or a check failed · 2 nothing ran
                 3 the disk cannot be reached · 130 interrupted
    Example:     gridcall simulate --profile profiles/exampleville.yaml --map maps/ --input 2019.csv \\
                   --until 2020-01-01 --out out/
    """
    signal.signal(signal.SIGTERM, interrupted)
    try:
        with Bar() as bar, without_collecting():
            paths = (*inputs, *more_inputs)
            broker = brokers(reader, kafka)
            run, feed = simulated(
                profile_path,
                map_folder,
                paths,
                until_text,
                out,
                reader,
                broker,
                replicas,
                batch,
                bar,
            )
        emit(as_json(run.summary) if as_json_ else summary_table(run.summary))
    except KeyboardInterrupt:
        fail(INTERRUPTED, "interrupted; nothing was written")
    except OSError as error:
        fail(
            UNREACHABLE,
            f"{error.filename or out}: {error.strerror}; make room or name another --out, then run again",
        )
    conclude(run, feed, out)


def brokers(reader: str, kafka: str | None) -> str:
    """Where Kafka is, if it is needed."""
    if reader == "kafka" and not kafka:
        fail(
            NOTHING_RAN,
            f"--reader kafka needs a broker: make kafka starts one; name it with --kafka HOST:PORT or in {KAFKA}",
        )
    return kafka or ""


def interrupted(signum: int, frame: object) -> NoReturn:
    """SIGTERM ends a run like Ctrl-C."""
    raise KeyboardInterrupt


def simulated(
    profile_path: Path,
    map_folder: Path,
    inputs: tuple[Path, ...],
    until_text: str,
    out: Path,
    reader: str,
    kafka: str,
    replicas: int,
    batch: int,
    bar: Bar,
) -> tuple[Run, Feed]:
    """Read, run and write."""
    profile, lines = the_profile(profile_path)
    until = the_instant(until_text, profile)
    check_out(out)
    grids = the_map(map_folder, profile)
    with tables_apart() as tables, results_folder(out) as folder:
        try:
            feed = read_apart(profile, lines, inputs, until, bar.task("Reading", None))
        except InputError as error:
            fail(NOTHING_RAN, str(error))
        started = time.monotonic()
        total = len(feed.inputs)
        district, progress = profile.map.district.code, bar.task("Feeding", total)

        async def through(pipeline: Pipeline) -> Run:
            return await simulate(
                profile, grids, feed, until, folder, tables, pipeline, batch, progress=progress
            )

        name = f"{profile.profile} until {until}, inputs {feed.digest}"
        database = f"simulate_{profile.profile}"

        async def stored_by(made: AbstractAsyncContextManager[Tabled]) -> tuple[Run, str]:
            async with made as pipeline:
                run = await through(pipeline)
                return run, await pipeline.stored()

        if reader == "memory":
            run, stored = (
                asyncio.run(through(InMemory(district, tables, batch))),
                "nothing is committed to a disk",
            )
        elif reader == "table":
            run, stored = asyncio.run(
                stored_by(tabled(url_of(database), name, district, tables, batch))
            )
        else:
            urls = {
                "intake": url_of(database),
                **{each: url_of(f"{database}_{each}") for each in BEHIND},
            }
            cluster = Cluster(Cluster.named(kafka).brokers, database)
            run, stored = asyncio.run(
                stored_by(over_kafka(urls, cluster, replicas, name, district, tables, batch))
            )
        seconds = time.monotonic() - started
    positions = sum(log["positions"] for log in run.summary["log"].values())
    memory = (getrusage(RUSAGE_SELF).ru_maxrss + tables.memory_kib) // 1024
    bar.console.print(
        f"{total:,} inputs → {positions:,} log rows in {seconds:.1f} s ({total / max(seconds, 1e-9):,.0f} inputs/s); "
        f"{memory} MiB at most in two processes; {stored}"
    )
    return run, feed


def the_instant(text: str, profile: Profile) -> Instant:
    """The instant of --until, local to the profile without an offset, or the end of the program."""
    try:
        return Clockface(profile.zone).instant(datetime.fromisoformat(text))[0]
    except (ValueError, OverflowError):
        fail(
            NOTHING_RAN,
            f"--until {text!r} is not an ISO 8601 time; write for example 2016-01-01T00:00:00",
        )


def check_out(out: Path) -> None:
    """Nothing is overwritten."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        fail(
            NOTHING_RAN,
            f"--out {out} is not empty; nothing is overwritten: name a new folder, or remove it first",
        )


def conclude(run: Run, feed: Feed, out: Path) -> NoReturn:
    """Say what failed, and end with the status that says so."""
    for failure in run.failed:
        click.echo(f"gridcall: check failed: {failure}", err=True)
    if feed.rejected:
        click.echo(
            f"gridcall: {len(feed.rejected):,} rows were rejected: {out / 'rejected.csv'} says why",
            err=True,
        )
    sys.exit(REJECTED if run.failed or feed.rejected else 0)


COMMANDS = {"simulate": simulate_command}
