"""Measure a real year: seconds, memory, cost per event, beside the cost that no program avoids.

python -m benchmarks.year DATA [MONTHS]
"""

from __future__ import annotations

import asyncio
import cProfile
import gzip
import io
import pstats
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.boston import PROFILE, UNTIL, inputs
from eventlog.codec import envelope
from eventlog.core.stage import Stage
from events.topology import WRITER
from gridcall.simulation.city.local_time import LocalClock
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile_loader import load_profile
from gridcall.simulation.driver import simulate
from gridcall.simulation.feed import read_feed, without_collecting
from gridcall.simulation.pipelines.memory import MemoryPipeline
from gridcall.simulation.reports.reader import ReportReader

ROUNDS = 3


class Timed:
    """Seconds and counts under names."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    @contextmanager
    def measure(self, name: str, count: int = 0) -> Iterator[None]:
        """Add the time of the block to the seconds of a name."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
        self.counts[name] = self.counts.get(name, 0) + count


def run_command(data: Path, paths: list[Path]) -> tuple[float, int]:
    """Run the command as a user does. Return its seconds and its peak memory in MiB."""
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
            "--input",
            *paths,
            "--until",
            UNTIL,
            "--out",
            Path(folder) / "out",
            "--json",
            "--reader",
            "memory",
        ]
        started = time.perf_counter()
        done = subprocess.run(
            [str(word) for word in command], check=True, capture_output=True, text=True
        )
        seconds = time.perf_counter() - started
    said = re.search(r"(\d+) MiB at most", done.stderr)
    assert said is not None
    return seconds, int(said[1])


def unavoidable_seconds(paths: list[Path], bodies: list[bytes]) -> float:
    """Return the seconds to unpack the input and to hash the output."""
    started = time.perf_counter()
    for path in paths:
        with gzip.open(path) as file:
            file.read()
    digest = sha256()
    for body in bodies:
        digest.update(body)
    return time.perf_counter() - started


def run_in_parts(
    data: Path, paths: list[Path], timed: Timed, profile_of: str = ""
) -> tuple[list[bytes], pstats.Stats | None]:
    """Run the same in this process, part by part. `profile_of` names a part to profile."""
    profiler = cProfile.Profile()
    with measure_parts(timed, profiler, profile_of), without_collecting():
        with timed.measure("map"):
            profile, lines = load_profile(PROFILE)
            grids = check_map(data / "boston_geo" / "wgs84", profile.map).grids
        assert grids is not None
        until = LocalClock(profile.zone).instant(datetime.fromisoformat(UNTIL))[0]
        with timed.measure("read"):
            feed = read_feed(profile, lines, paths, until)
        timed.counts["read"] = feed.rows
        with tempfile.TemporaryDirectory() as folder:
            reader = ReportReader()
            pipeline = MemoryPipeline(profile.map.district.code, reader)
            run = asyncio.run(simulate(profile, grids, feed, until, Path(folder), reader, pipeline))
    bodies = [b"x" * 350 for log in run.summary["log"].values() for _ in range(log["positions"])]
    return bodies, pstats.Stats(profiler, stream=io.StringIO()) if profile_of else None


@contextmanager
def measure_parts(timed: Timed, profiler: cProfile.Profile, profile_of: str) -> Iterator[None]:
    """Measure the stages and the report reader from outside, while the block runs."""
    apply, read, conclude = Stage.apply, ReportReader.read, ReportReader.conclude

    def call(name: str, count: int, function: Callable[..., Any], *args: Any) -> Any:
        with timed.measure(name, count):
            return profiler.runcall(function, *args) if name == profile_of else function(*args)

    def timed_apply(self: Stage[Any, Any], rows: Any) -> Any:
        return call(WRITER[self.decider.log], len(rows), apply, self, rows)

    def timed_read(self: ReportReader, log: str, shard: str, entries: Any) -> Any:
        return call("tables", len(entries), read, self, log, shard, entries)

    def timed_conclude(self: ReportReader, *args: Any) -> Any:
        return call("write", len(self.cases), conclude, self, *args)

    Stage.apply = timed_apply  # type: ignore[method-assign]
    ReportReader.read = timed_read  # type: ignore[method-assign]
    ReportReader.conclude = timed_conclude  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Stage.apply = apply  # type: ignore[method-assign]
        ReportReader.read = read  # type: ignore[method-assign]
        ReportReader.conclude = conclude  # type: ignore[method-assign]


def one_envelope() -> float:
    """Return the microseconds that an envelope of a typical row takes."""
    from eventlog.core.row import Row
    from events import catalogue as e

    holder = e.Assignment(
        level="grid", grid="0503", street="05", district="city", worker="w:0503", episode=1
    )
    matter = e.CaseFacts(
        line="hotline",
        category="Street Light Outages",
        urgency="normal",
        reported=1_420_089_609_000_000,
        due=None,
    )
    event = e.CaseRouted(
        case="c" * 32,
        matter=matter,
        holder=holder,
        located_by="point",
        rules=(),
        used=e.Versions("map", "roster", None),
    )
    row = Row(
        "cases",
        "city",
        12_345,
        1_420_089_609_000_000,
        222,
        2,
        "c" * 32,
        2,
        "intake/city/222",
        event,
    )
    started = time.perf_counter()
    for _ in range(100_000):
        envelope(row)
    return (time.perf_counter() - started) * 10


def main() -> None:
    """Print all figures."""
    data, months = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 12
    paths = inputs(data, months)
    runs = []
    for _ in range(ROUNDS):
        runs.append(run_command(data, paths))
        print(f"simulate: {runs[-1][0]:.1f} s wall, {runs[-1][1]} MiB at most", flush=True)
    timed = Timed()
    bodies, _ = run_in_parts(data, paths, timed)
    bare = statistics.median(unavoidable_seconds(paths, bodies) for _ in range(ROUNDS))
    seconds = statistics.median(run[0] for run in runs)
    print(
        f"\nmedian of {ROUNDS}: {seconds:.1f} s; ",
        f"unpacking the input and hashing as many bytes: {bare:.2f} s; ",
        sep="",
        end="",
    )
    print(f"ratio {seconds / bare:.0f}")
    print(f"one envelope: {one_envelope():.2f} µs\n\npart         seconds      count   µs each")
    for name, part in timed.seconds.items():
        count = timed.counts[name]
        print(f"{name:10} {part:9.2f} {count:10,} {part / count * 1e6 if count else 0:9.1f}")
    hottest = max(("routing", "escalation"), key=lambda name: timed.seconds[name])
    print(f"\nThe hottest stage, {hottest}, profiled (the profiler makes it slower):")
    _, stats = run_in_parts(data, paths[:2], Timed(), hottest)
    assert stats is not None
    stats.sort_stats("tottime").print_stats(12)
    report: str = stats.stream.getvalue()  # type: ignore[attr-defined]
    print("\n".join(line for line in report.splitlines() if line.strip())[-2000:])


if __name__ == "__main__":
    main()
