"""Measure a replay of a real year: processor seconds and memory, with shared values and without.

python -m benchmarks.replay DATA [MONTHS]
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.boston import city
from eventlog.codec import Entry, stored_row
from eventlog.core.row import Draft, Row
from eventlog.runner import BATCH
from eventlog.shared_values import SharedValues
from gridcall.pipeline import pipeline
from gridcall.simulation.driver import simulate
from gridcall.simulation.feed import without_collecting
from gridcall.simulation.pipelines.memory import MemoryPipeline
from gridcall.simulation.reports.reader import ReportReader
from httpedge.memory import collect_seldom, return_memory

DISTRICT = "boston"
CONTENTS = "contents"
ROUNDS = 2
PAGE_BYTES = 4096
FOLDS = {"routing": ("cases",), "escalation": ("calls",)}
LOGS = ("cases", "calls")


class Recorder(ReportReader):
    """Writes the entries of each log to a file of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.files = {log: (folder / log).open("wb") for log in LOGS}

    def read(self, log: str, shard: str, entries: Sequence[Entry]) -> None:
        super().read(log, shard, entries)
        if log in self.files:
            for each in entries:
                pickle.dump(tuple(each), self.files[log])


class RecordedPipeline(MemoryPipeline):
    """A pipeline that writes its reference data to a file, too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(DISTRICT, Recorder(folder))
        self.folder = folder

    async def begin(self, drafts: Sequence[Draft], contents: Mapping[str, bytes]) -> int:
        (self.folder / CONTENTS).write_bytes(pickle.dumps(dict(contents)))
        return await super().begin(drafts, contents)


def record(data: Path, months: int, folder: Path) -> None:
    """Write the logs of the first months to a folder."""
    pipeline_ = RecordedPipeline(folder)
    with without_collecting(), tempfile.TemporaryDirectory() as out:
        fed, reader = city(data, months), ReportReader()
        asyncio.run(
            simulate(fed.profile, fed.grids, fed.feed, fed.until, Path(out), reader, pipeline_)
        )


# ── In a process of its own ──────────────────────────────────────────────────────────────────────


def read_rows(folder: Path, logs: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of logs by their times, each with copies of its own, as a store gives them."""

    def entries(log: str) -> Iterator[tuple[int, int, str, Any]]:
        with (folder / log).open("rb") as file:
            while True:
                try:
                    each = pickle.load(file)
                except EOFError:
                    return
                yield each[1], LOGS.index(log), log, each

    for _, _, log, each in heapq.merge(*map(entries, logs), key=lambda item: item[:2]):
        yield stored_row(log, DISTRICT, each)


def make_fold(service: str, folder: Path) -> Any:
    """Return the function that folds the next rows."""
    contents = pickle.loads((folder / CONTENTS).read_bytes())
    (stages,) = (each for each in pipeline(contents) if (each.sink,) == FOLDS[service])
    return stages.make(DISTRICT).replay


def replay(service: str, folder: Path, shared: bool) -> None:
    """Replay the logs of a service, and print the figures."""
    collect_seldom()
    return_memory()
    fold, values, count = make_fold(service, folder), SharedValues(), 0
    rows, before, started = read_rows(folder, FOLDS[service]), resident_mib(), time.process_time()
    while batch := list(islice(rows, BATCH)):
        if shared:
            values.share(batch)
        fold(batch)
        count += len(batch)
    seconds, mib = time.process_time() - started, resident_mib() - before
    started = time.perf_counter()
    gc.collect()
    full_ms = 1e3 * (time.perf_counter() - started)
    gc.freeze()
    started = time.perf_counter()
    gc.collect()
    frozen_ms = 1e3 * (time.perf_counter() - started)
    print(
        f"{service:10} {'shared' if shared else 'copies':6} {count:9,} rows {seconds:6.2f} s "
        f"{mib:5.0f} MiB; a full collection {full_ms:5.0f} ms, after a freeze {frozen_ms:.1f} ms",
        flush=True,
    )


def resident_mib() -> float:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 2**20


def main() -> None:
    """Print all figures, in turns."""
    if sys.argv[1] in FOLDS:
        replay(sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "shared")
        return
    data, months = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 12
    with tempfile.TemporaryDirectory() as folder:
        record(data, months, Path(folder))
        for service in FOLDS:
            for how in ("copies", "shared") * ROUNDS:
                subprocess.run(
                    [sys.executable, "-m", "benchmarks.replay", service, folder, how], check=True
                )


if __name__ == "__main__":
    main()
