"""Measure a real year through all stages on Postgres, beside a bare append of the same bytes.

python -m benchmarks.table [DATA] [MONTHS]

Ours is the part of `gridcall simulate --reader table` between the files and the tables: feed,
intake's log, routing and escalation, each with its own commits. The peer appends the same rows,
commit by commit, to fresh tables of the same shape, with the same settings. Its rows are made
before the clock starts. The whole command is measured, too.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from benchmarks.boston import DATA, PROFILE, UNTIL, City, city, inputs
from benchmarks.report import Line, print_lines
from benchmarks.servers import Peak, cpu_seconds, own_server, settings
from embedded.server import PostgresServer
from eventlog.codec import Entry, entry
from eventlog.core.row import Row
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database, open_database
from events.topology import WRITER
from gridcall.host.migrations import prepare
from gridcall.simulation.driver import BATCH, first_adoptions
from gridcall.simulation.feed import Feed, without_collecting
from gridcall.simulation.pipelines.postgres import open_stored_pipeline
from gridcall.simulation.report_worker import Heads, ReportWorker

ROUNDS = 3
# The columns of a log in SQL, in the order of an Entry.
COLUMNS = ("shard", "pos", "ts", "input", "n", "subject", "seq", "cause", "type", "data")

Commit = tuple[str, list[Entry]]  # A log, and the rows that one commit wrote to it.


# ── Ours ─────────────────────────────────────────────────────────────────────────────────────────


class NoReports(ReportWorker):
    """A report worker that does nothing, because reports are no part of this measurement."""

    def __init__(self) -> None:
        super().__init__(*Pipe())

    def read_from(self, urls: Mapping[str, str], shard: str, heads: Heads) -> None:
        """Ignore the positions of the logs."""


class Spent(NamedTuple):
    """Seconds of wall time, of Python and of Postgres."""

    wall: float
    python: float
    postgres: float


async def all_stages(server: PostgresServer, url: str, fed: City) -> Spent:
    """Feed everything to a fresh database, and wait until all stages have applied it."""
    assert isinstance(fed.feed.inputs, list)
    feed = Feed(fed.feed.inputs.copy())
    async with open_stored_pipeline(
        url, "benchmark", fed.profile.map.district.code, NoReports()
    ) as pipeline:
        await checkpoint(url)
        wall, python, postgres = time.perf_counter(), time.process_time(), cpu_seconds(server)
        await pipeline.begin(*first_adoptions(fed.profile, fed.grids, feed.next_at(fed.until)))
        while part := feed.take(BATCH):
            await pipeline.feed(part)
        await pipeline.announce(fed.until)
        await pipeline.settle()
        return Spent(
            time.perf_counter() - wall, time.process_time() - python, cpu_seconds(server) - postgres
        )


async def checkpoint(url: str) -> None:
    """Write dirty pages now, so that earlier work does not slow the next measurement."""
    async with open_database(url, size=1) as database:
        await database.fetch("CHECKPOINT")


@contextmanager
def record_commits(commits: list[Commit]) -> Iterator[None]:
    """Record the rows of every commit, in the order of the commits."""
    remember = PostgresLog._remember

    def record_written(self: PostgresLog, shard: str, epoch: int, rows: Sequence[Row]) -> None:
        commits.append((self.name, [entry(row) for row in rows]))
        remember(self, shard, epoch, rows)

    PostgresLog._remember = record_written  # type: ignore[method-assign]
    try:
        yield
    finally:
        PostgresLog._remember = remember  # type: ignore[method-assign]


# ── The peer ─────────────────────────────────────────────────────────────────────────────────────

UNNEST = f"""
INSERT INTO bare.{{log}} ({", ".join(COLUMNS)})
SELECT $1, row.* FROM unnest(
  $2::bigint[], $3::bigint[], $4::bigint[], $5::int[], $6::text[],
  $7::int[], $8::text[], $9::text[], $10::bytea[]) AS row
"""
Ready = tuple[str, Any]
Append = Callable[[Any, str, Any], Awaitable[Any]]


async def fresh_tables(database: Database) -> None:
    """Make empty tables of the shape of all logs, with their primary key."""
    await database.fetch("DROP SCHEMA IF EXISTS bare CASCADE")
    await database.fetch("CREATE SCHEMA bare")
    for log, writer in WRITER.items():
        await database.fetch(f"CREATE TABLE bare.{log} (LIKE {writer}.log INCLUDING ALL)")
    await database.fetch("CHECKPOINT")


async def append_all(url: str, commits: Sequence[Ready], append: Append) -> float:
    """Append each commit in a transaction of its own. Return the seconds."""

    async def all_of_them(connection: asyncpg.Connection[Any]) -> float:
        started = time.perf_counter()
        for log, ready in commits:
            await append(connection, log, ready)
        return time.perf_counter() - started

    async with open_database(url, size=1) as database:
        await fresh_tables(database)
        return await database.on_connection(all_of_them)


async def by_copy(connection: Any, log: str, records: Any) -> None:
    """Append by COPY, in the binary format."""
    await connection.copy_records_to_table(
        log, schema_name="bare", records=records, columns=COLUMNS
    )


async def by_unnest(connection: Any, log: str, columns: Any) -> None:
    """Append by INSERT … SELECT … FROM unnest."""
    await connection.fetch(UNNEST.format(log=log), *columns)


def ready_to_copy(shard: str, commits: Sequence[Commit]) -> list[Ready]:
    """Return the records of each commit."""
    return [(log, [(shard, *each) for each in entries]) for log, entries in commits]


def ready_to_unnest(shard: str, commits: Sequence[Commit]) -> list[Ready]:
    """Return the columns of each commit."""
    return [(log, [shard, *map(list, zip(*entries, strict=True))]) for log, entries in commits]


async def measure_stages(server: PostgresServer, data: Path, months: int) -> list[Line]:
    """Measure ours and its peers, in turns."""
    url, bare_url = server.get_uri("benchmark_year"), server.get_uri("benchmark_bare")
    await prepare(bare_url)
    async with open_database(bare_url, size=1) as database:
        print(await settings(database), flush=True)
    fed, commits = city(data, months), list[Commit]()
    with without_collecting():
        with record_commits(commits):
            await all_stages(server, url, fed)
        size = sum(len(each.data) for _, entries in commits for each in entries)
        shard, rows = fed.profile.map.district.code, sum(len(entries) for _, entries in commits)
        print(
            f"{len(fed.feed.inputs):,} inputs → {rows:,} log rows,",
            f"{size / 1e6:,.0f} MB of events, {len(commits):,} commits",
        )
        copied, unnested = ready_to_copy(shard, commits), ready_to_unnest(shard, commits)
        spent, copy, unnest = list[Spent](), list[float](), list[float]()
        for _ in range(ROUNDS):
            spent.append(await all_stages(server, url, fed))
            copy.append(await append_all(bare_url, copied, by_copy))
            unnest.append(await append_all(bare_url, unnested, by_unnest))
            print(
                f"all stages {spent[-1].wall:.1f} s ({spent[-1].python:.1f} s of Python's CPU, ",
                end="",
            )
            print(
                f"{spent[-1].postgres:.1f} s of Postgres's);",
                f"COPY {copy[-1]:.1f} s, unnest {unnest[-1]:.1f} s",
                flush=True,
            )
    ours = rows / statistics.median(each.wall for each in spent)
    return [
        Line("all stages beside bare COPY, log rows/s", ours, rows / statistics.median(copy), 0.35),
        Line(
            "all stages beside bare INSERT … unnest, log rows/s",
            ours,
            rows / statistics.median(unnest),
            0.4,
        ),
    ]


# ── The command ──────────────────────────────────────────────────────────────────────────────────


def run_command(home: Path, server: PostgresServer, data: Path, months: int) -> tuple[float, Peak]:
    """Run the command as a user does, on the server of `home`. Return seconds and peak."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "gridcall",
            "simulate",
            "--profile",
            PROFILE,
            "--map",
            data / "boston_geo" / "wgs84",
        ]
        command += [
            "--until",
            UNTIL,
            "--out",
            Path(folder) / "out",
            "--json",
            "--input",
            *inputs(data, months),
        ]
        environment = {**os.environ, "GRIDCALL_HOME": str(home)}
        environment.pop("GRIDCALL_DATABASE_URL", None)
        started, pid = time.perf_counter(), server.get_pid()
        assert pid is not None
        words, quiet, pipe = [str(word) for word in command], subprocess.DEVNULL, subprocess.PIPE
        with (
            subprocess.Popen(
                words, env=environment, stdout=quiet, stderr=pipe, text=True
            ) as running,
            Peak(running.pid, pid) as peak,
        ):
            _, said = running.communicate()
        assert running.returncode in (0, 1), said
        return time.perf_counter() - started, peak


def measure_command(server: PostgresServer, data: Path, months: int) -> list[Line]:
    """Measure the command some times."""
    runs = []
    for _ in range(ROUNDS):
        seconds, peak = run_command(server.pgdata.parent, server, data, months)
        runs.append((seconds, peak.together))
        print(f"the command: {seconds:.1f} s; at most {peak.together:.0f} MiB together, ", end="")
        print(f"{peak.gridcall:.0f} MiB gridcall, {peak.postgres:.0f} MiB Postgres", flush=True)
    seconds, together = (statistics.median(each) for each in zip(*runs, strict=True))
    return [
        Line("the whole command, seconds", seconds, None, 40, 1),
        Line("its memory with all of Postgres, MiB of PSS", together, None, 400),
    ]


def main() -> None:
    """Print all figures."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    months = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    with own_server() as server:
        lines = measure_command(server, data, months)
        print_lines([*asyncio.run(measure_stages(server, data, months)), *lines])


if __name__ == "__main__":
    main()
