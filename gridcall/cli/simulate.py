"""`gridcall simulate`: a city's historical records run through the real deciders."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Literal, NoReturn

import click

from embedded.server import database_url
from eventlog.kafka.topics import Cluster
from events.instants import Instant
from events.reference_data import GridMap
from events.topology import WRITER
from gridcall.cli.city_files import read_map, read_profile
from gridcall.cli.options import json_option, profile_option
from gridcall.cli.progress import ProgressBar
from gridcall.cli.terminal import (
    INTERRUPTED,
    NOTHING_RAN,
    REJECTED,
    UNREACHABLE,
    emit,
    fail,
    frame,
    say,
)
from gridcall.simulation.city.local_time import LocalClock
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.city.profile_loader import SourceLines
from gridcall.simulation.csv_source import InputError
from gridcall.simulation.driver import BATCH, Pipeline, simulate
from gridcall.simulation.feed import Feed, read_feed_in_child, without_collecting
from gridcall.simulation.report_worker import ReportWorker, start_report_worker
from gridcall.simulation.reports.files import as_json
from gridcall.simulation.results import Run, results_folder

KAFKA = "GRIDCALL_KAFKA"
READER_HELP = (
    "How the stages read: from tables of Postgres, over Kafka, or in memory without any store."
)

Reader = Literal["memory", "table", "kafka"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A city's records, and the way to run them."""

    profile: Profile
    source_lines: SourceLines
    grids: GridMap
    inputs: tuple[Path, ...]
    until: Instant
    out: Path
    reader: Reader
    kafka: str
    replicas: int
    batch: int

    @property
    def district(self) -> str:
        return self.profile.map.district.code


@click.command("simulate")
@profile_option
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
@json_option
def simulate_command(
    profile_path: Path,
    map_folder: Path,
    inputs: tuple[Path, ...],
    more_inputs: tuple[Path, ...],
    until_text: str,
    out: Path,
    reader: Reader,
    replicas: int,
    kafka: str | None,
    batch: int,
    json_output: bool,
) -> None:
    """Run a city's historical records through gridcall, in their own time, and write tables.

    With --json summary.json is printed, too.

    \b
    Exit status: 0 every row accepted · 1 rejected.csv has rows, or a check failed · 2 nothing ran
                 3 the disk cannot be reached · 130 interrupted
    Example:     gridcall simulate --profile profiles/exampleville.yaml --map maps/ \\
                   --input 2019.csv --until 2020-01-01 --out out/
    """
    signal.signal(signal.SIGTERM, interrupt)
    try:
        with ProgressBar() as bar, without_collecting():
            check_broker(reader, kafka)
            profile, source_lines = read_profile(profile_path)
            until = parse_until(until_text, profile)
            check_out(out)
            job = Job(
                profile=profile,
                source_lines=source_lines,
                grids=read_map(map_folder, profile),
                inputs=(*inputs, *more_inputs),
                until=until,
                out=out,
                reader=reader,
                kafka=kafka or "",
                replicas=replicas,
                batch=batch,
            )
            run, feed = run_job(job, bar)
        emit(as_json(run.summary) if json_output else summary_table(run))
    except KeyboardInterrupt:
        fail(INTERRUPTED, "interrupted; nothing was written")
    except OSError as error:
        fail(
            UNREACHABLE,
            f"{error.filename or out}: {error.strerror}; make room or name another --out, then "
            "run again",
        )
    conclude(run, feed, out)


def interrupt(signum: int, frame: object) -> NoReturn:
    """End a run on SIGTERM like on Ctrl-C."""
    raise KeyboardInterrupt


def check_broker(reader: Reader, kafka: str | None) -> None:
    """End the program if the reader needs a broker and none is named."""
    if reader == "kafka" and not kafka:
        fail(
            NOTHING_RAN,
            "--reader kafka needs a broker: make kafka starts one; name it with --kafka "
            f"HOST:PORT or in {KAFKA}",
        )


def parse_until(text: str, profile: Profile) -> Instant:
    """Return the instant of --until, or end the program. Without an offset it is local."""
    try:
        return LocalClock(profile.zone).instant(datetime.fromisoformat(text))[0]
    except (ValueError, OverflowError):
        fail(
            NOTHING_RAN,
            f"--until {text!r} is not an ISO 8601 time; write for example 2016-01-01T00:00:00",
        )


def check_out(out: Path) -> None:
    """End the program if the folder for the results is not empty."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        fail(
            NOTHING_RAN,
            f"--out {out} is not empty; nothing is overwritten: name a new folder, or remove it "
            "first",
        )


def run_job(job: Job, bar: ProgressBar) -> tuple[Run, Feed]:
    """Read the records, feed them to a pipeline, and write the results."""
    with start_report_worker() as reports, results_folder(job.out) as folder:
        feed = read_inputs(job, bar)
        started = time.monotonic()
        total = len(feed.inputs)
        run, storage = asyncio.run(feed_pipeline(job, feed, reports, folder, bar))
        seconds = time.monotonic() - started
    positions = sum(log["positions"] for log in run.summary["log"].values())
    memory_mib = (getrusage(RUSAGE_SELF).ru_maxrss + reports.memory_kib) // 1024
    bar.console.print(
        f"{total:,} inputs → {positions:,} log rows in {seconds:.1f} s "
        f"({total / max(seconds, 1e-9):,.0f} inputs/s); "
        f"{memory_mib} MiB at most in two processes; {storage}"
    )
    return run, feed


def read_inputs(job: Job, bar: ProgressBar) -> Feed:
    """Return the feed of the job's files, or end the program."""
    progress = bar.begin("Reading", None)
    try:
        return read_feed_in_child(job.profile, job.source_lines, job.inputs, job.until, progress)
    except InputError as error:
        fail(NOTHING_RAN, str(error))


async def feed_pipeline(
    job: Job, feed: Feed, reports: ReportWorker, folder: Path, bar: ProgressBar
) -> tuple[Run, str]:
    """Feed all inputs. Return the run, and a sentence on the storage of its logs."""
    progress = bar.begin("Feeding", len(feed.inputs))
    async with open_pipeline(job, feed, reports) as pipeline:
        run = await simulate(
            job.profile,
            job.grids,
            feed,
            job.until,
            folder,
            reports,
            pipeline,
            job.batch,
            progress=progress,
        )
        return run, await pipeline.describe_storage()


@asynccontextmanager
async def open_pipeline(job: Job, feed: Feed, reports: ReportWorker) -> AsyncIterator[Pipeline]:
    """Open the pipeline of the chosen reader, which alone is imported.

    A database of the same inputs is continued; any other one of this profile is made again.
    """
    if job.reader == "memory":
        from gridcall.simulation.pipelines.memory import MemoryPipeline

        yield MemoryPipeline(job.district, reports, job.batch)
        return
    name = f"{job.profile.profile} until {job.until}, inputs {feed.digest}"
    database = f"simulate_{job.profile.profile}"
    if job.reader == "table":
        from gridcall.simulation.pipelines.postgres import open_stored_pipeline

        stored: AbstractAsyncContextManager[Pipeline] = open_stored_pipeline(
            database_url(database), name, job.district, reports, job.batch
        )
    else:
        from eventlog.settings import KafkaAccessSettings, load_settings
        from gridcall.simulation.pipelines.kafka import open_kafka_pipeline

        urls = {service: database_url(f"{database}_{service}") for service in WRITER.values()}
        urls["intake"] = database_url(database)
        access = load_settings(KafkaAccessSettings).access
        cluster = Cluster.parse(job.kafka, access)._replace(prefix=database)
        stored = open_kafka_pipeline(
            urls, cluster, job.replicas, name, job.district, reports, job.batch
        )
    async with stored as pipeline:
        yield pipeline


def summary_table(run: Run) -> bytes:
    """Return the summary for people."""
    figures = {
        name: value for name, value in run.summary.items() if name not in ("profile", "until")
    }
    return frame(f"{run.summary['profile']} until {run.summary['until']}", figures)


def conclude(run: Run, feed: Feed, out: Path) -> NoReturn:
    """Print what failed, and exit with the status of the run."""
    for failure in run.failed:
        say(f"gridcall: check failed: {failure}", err=True)
    if feed.rejected:
        say(
            f"gridcall: {len(feed.rejected):,} rows were rejected: {out / 'rejected.csv'} says why",
            err=True,
        )
    sys.exit(REJECTED if run.failed or feed.rejected else 0)


COMMANDS = {"simulate": simulate_command}
