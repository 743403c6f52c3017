"""The command line of gridcall. Data on stdout, progress on stderr; an error says what, why and the next command."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import traceback
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import NoReturn

import click

from events.catalogue import Instant
from events.embedded import url_of
from events.errors import Away, CannotGoOn
from events.generation import NewGeneration
from events.reference import GridMap
from events.topics import Cluster
from gridcall.administration import KINDS, clock_group, key_group, loader, map_load, restore_group, topics_group
from gridcall.apart import tables_apart
from gridcall.demo.story import demo_command
from gridcall.elsewhere import KAFKA, PORTS
from gridcall.feed import Feed, read_apart, without_collecting
from gridcall.files import InputError
from gridcall.operations import (
    doctor_command,
    parked_command,
    retry_command,
    service_command,
    status_command,
    tail_command,
    up_command,
    verify_command,
)
from gridcall.quarantine import quarantine_group
from gridcall.services import BEHIND
from gridcall.sheet import sheet_command
from gridcall.simulate import BATCH, InMemory, Pipeline, Run, results_folder, simulate
from gridcall.tabled import Tabled, over_kafka, tabled
from gridcall.tables import as_json
from gridcall.terminal import INTERRUPTED, NOTHING_RAN, OWN_FAULT, REJECTED, UNREACHABLE, Bar, emit, fail, summary_table
from intake.door import ClockLeapt
from intake.gridmap import Checked, check_map
from intake.profile import Lines, Profile, ProfileError, load_profile
from intake.times import Clockface

READER_HELP = "How the stages read: from tables of Postgres, over Kafka, or in memory without any store."


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="gridcall")
def main() -> None:
    """Takes citizens' problems from four lines, makes one case of each matter, and calls for help level by level."""


def entry() -> None:
    """The program. A fault of its own has a status of its own, so that nobody takes it for rejected rows."""
    try:
        main()
    except NewGeneration as error:
        fail(UNREACHABLE, f"{error}. Look which database this is; to go on with it: gridcall restore accept")
    except ClockLeapt as error:
        fail(UNREACHABLE, f"{error}. Look which of the two is right, and confirm: gridcall clock confirm")
    except Away as error:
        fail(UNREACHABLE, f"{error}; see GRIDCALL_DATABASE_URL, or ask `gridcall doctor`")
    except CannotGoOn as error:
        fail(NOTHING_RAN, str(error))
    except OSError as error:
        fail(UNREACHABLE, f"{error.filename or 'stdout'}: {error.strerror}; make room, then run again")
    except Exception:
        traceback.print_exc()
        fail(OWN_FAULT, "this is a fault of gridcall; please report it, with what stands above")


for command in (up_command, status_command, tail_command, verify_command, parked_command, retry_command, doctor_command):
    main.add_command(command)
for command in (key_group, clock_group, restore_group, topics_group, quarantine_group, demo_command, sheet_command):
    main.add_command(command)
for service in PORTS:
    main.add_command(service_command(service))
for kind in KINDS:
    main.add_command(click.Group(kind, [loader(kind)], help=f"The {kind} of a district."))


@main.group("map")
def map_() -> None:
    """The map of the grids."""


@map_.command("check")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--profile", "profile_path", required=True, type=click.Path(path_type=Path), help="The city's profile.")
@click.option("--json", "as_json_", is_flag=True, help="Findings as JSON.")
def map_check(folder: Path, profile_path: Path, as_json_: bool) -> None:
    """Check a map: every finding by feature, place and measure.

    \b
    Exit status: 0 usable, 2 refused.
    Example:     gridcall map check maps/ --profile profiles/exampleville.yaml
    """
    profile, _ = the_profile(profile_path)
    checked = check_map(folder, profile.map)
    if as_json_:
        emit(as_json([finding.as_json() for finding in checked.findings]))
    else:
        emit("".join(f"{finding}\n" for finding in checked.findings).encode())
    click.echo(f"{folder}: {found_in(checked)}", err=True)
    sys.exit(NOTHING_RAN if checked.refused else 0)


@map_.command("load")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--profile", "profile_path", required=True, type=click.Path(path_type=Path), help="The city's profile.")
def map_load_command(folder: Path, profile_path: Path) -> None:
    """Adopt a map in the running system, with the roster and the policies of its profile; the district is made with it.

    \b
    Example:     gridcall map load maps/ --profile profiles/exampleville.yaml
    """
    map_load(folder, profile_path)


@main.command("simulate")
@click.option("--profile", "profile_path", required=True, type=click.Path(path_type=Path), help="The city's profile.")
@click.option("--map", "map_folder", required=True, type=click.Path(path_type=Path), help="The folder of its GeoJSON.")
@click.option("--input", "inputs", required=True, multiple=True, type=click.Path(path_type=Path), help="CSV files (.gz too).")
@click.argument("more_inputs", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option("--until", "until_text", required=True, metavar="TIME", help="ISO 8601; local to the profile without an offset.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to make: absent or empty.")
@click.option("--reader", type=click.Choice(["memory", "table", "kafka"]), default="table", show_default=True, help=READER_HELP)
@click.option(
    "--replicas", default=1, show_default=True, type=click.IntRange(1, 9), help="Of each service; with --reader kafka."
)
@click.option("--kafka", envvar=KAFKA, metavar="HOST:PORT", help="The broker, with --reader kafka: make kafka starts one.")
@click.option("--batch", default=BATCH, show_default=True, hidden=True, type=click.IntRange(1, 10_000))
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
            run, feed = simulated(profile_path, map_folder, paths, until_text, out, reader, broker, replicas, batch, bar)
        emit(as_json(run.summary) if as_json_ else summary_table(run.summary))
    except KeyboardInterrupt:
        fail(INTERRUPTED, "interrupted; nothing was written")
    except OSError as error:
        fail(UNREACHABLE, f"{error.filename or out}: {error.strerror}; make room or name another --out, then run again")
    conclude(run, feed, out)


def brokers(reader: str, kafka: str | None) -> str:
    """Where Kafka is, if it is needed."""
    if reader == "kafka" and not kafka:
        fail(NOTHING_RAN, f"--reader kafka needs a broker: make kafka starts one; name it with --kafka HOST:PORT or in {KAFKA}")
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
            return await simulate(profile, grids, feed, until, folder, tables, pipeline, batch, progress=progress)

        name = f"{profile.profile} until {until}, inputs {feed.digest}"
        database = f"simulate_{profile.profile}"

        async def stored_by(made: AbstractAsyncContextManager[Tabled]) -> tuple[Run, str]:
            async with made as pipeline:
                run = await through(pipeline)
                return run, await pipeline.stored()

        if reader == "memory":
            run, stored = asyncio.run(through(InMemory(district, tables, batch))), "nothing is committed to a disk"
        elif reader == "table":
            run, stored = asyncio.run(stored_by(tabled(url_of(database), name, district, tables, batch)))
        else:
            urls = {"intake": url_of(database), **{each: url_of(f"{database}_{each}") for each in BEHIND}}
            cluster = Cluster(Cluster.named(kafka).brokers, database)
            run, stored = asyncio.run(stored_by(over_kafka(urls, cluster, replicas, name, district, tables, batch)))
        seconds = time.monotonic() - started
    positions = sum(log["positions"] for log in run.summary["log"].values())
    memory = (getrusage(RUSAGE_SELF).ru_maxrss + tables.memory_kib) // 1024
    bar.console.print(
        f"{total:,} inputs → {positions:,} log rows in {seconds:.1f} s ({total / max(seconds, 1e-9):,.0f} inputs/s); "
        f"{memory} MiB at most in two processes; {stored}"
    )
    return run, feed


def the_profile(path: Path) -> tuple[Profile, Lines]:
    """The profile, or the end of the program."""
    try:
        return load_profile(path)
    except ProfileError as error:
        fail(NOTHING_RAN, f"the profile cannot be used\n{error}")


def the_instant(text: str, profile: Profile) -> Instant:
    """The instant of --until, local to the profile without an offset, or the end of the program."""
    try:
        return Clockface(profile.zone).instant(datetime.fromisoformat(text))[0]
    except (ValueError, OverflowError):
        fail(NOTHING_RAN, f"--until {text!r} is not an ISO 8601 time; write for example 2016-01-01T00:00:00")


def the_map(folder: Path, profile: Profile) -> GridMap:
    """The map, or the end of the program with what refuses it."""
    checked: Checked = check_map(folder, profile.map)
    if checked.grids is None:
        found = "\n".join(str(finding) for finding in checked.refused)
        fail(NOTHING_RAN, f"the map is refused\n{found}\nall findings: gridcall map check {folder} --profile …")
    if checked.findings:
        click.echo(f"{folder}: {found_in(checked)}; gridcall map check names each", err=True)
    return checked.grids


def found_in(checked: Checked) -> str:
    """What was found in a map, in one line."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in checked.kinds().items()) or "nothing"
    return f"{len(checked.grids.grids)} grids; found: {kinds}" if checked.grids else f"refused; found: {kinds}"


def check_out(out: Path) -> None:
    """Nothing is overwritten."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        fail(NOTHING_RAN, f"--out {out} is not empty; nothing is overwritten: name a new folder, or remove it first")


def conclude(run: Run, feed: Feed, out: Path) -> None:
    """Say what failed, and end with the status that says so."""
    for failure in run.failed:
        click.echo(f"gridcall: check failed: {failure}", err=True)
    if feed.rejected:
        click.echo(f"gridcall: {len(feed.rejected):,} rows were rejected: {out / 'rejected.csv'} says why", err=True)
    sys.stderr.flush()
    os._exit(REJECTED if run.failed or feed.rejected else 0)  # To free a million objects one by one would take a second.
