"""The files of a run of simulate, its summary, and the checks that must hold."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

from eventlog.codec import Entry
from events.instants import Instant, rfc3339
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.feed import Feed
from gridcall.simulation.reports.files import REJECTED_COLUMNS, as_json, write_csv


class EntryReader(Protocol):
    """Reads the logs of a pipeline that reports are made of."""

    def read(self, log: str, shard: str, entries: Sequence[Entry]) -> None:
        """Take the next entries of one log. A cause comes before its effects."""


class LogReader(EntryReader, Protocol):
    """Makes tables of these logs, and knows nothing else."""

    def conclude(
        self, folder: Path, district: str, until: Instant, file_format: int
    ) -> dict[str, Any]:
        """Write the three tables into a folder. Returns their part of summary.json."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its summary, and the checks that failed."""

    summary: dict[str, Any]
    failed: tuple[str, ...]


def write_results(
    profile: Profile,
    feed: Feed,
    until: Instant,
    folder: Path,
    reader: LogReader,
    time_passed: Instant,
) -> Run:
    """Write the files of a run. `time_passed` is the instant that the last log has reached."""
    write_csv(
        folder / "rejected.csv",
        REJECTED_COLUMNS,
        [[str(cell) for cell in row] for row in feed.rejected],
    )
    file_format = int(profile.format)
    summary = {
        "format": file_format,
        "profile": profile.profile,
        "until": rfc3339(until),
        "rows": feed.rows,
        "rejected": len(feed.rejected),
        "duplicates": feed.duplicates,
        "after_until": feed.after_until,
        "accepted": feed.accepted,
        **reader.conclude(folder, profile.map.district.code, until, file_format),
        "published": compare_verdicts(folder / "cases.csv", feed, profile.published is not None),
    }
    (folder / "summary.json").write_bytes(as_json(summary))
    return Run(summary, tuple(failures(summary, until, time_passed)))


def compare_verdicts(cases: Path, feed: Feed, has_column: bool) -> dict[str, int]:
    """Count verdicts of cases.csv that differ from the source's own.

    `has_column` is True if the profile names a column of verdicts.
    """
    with cases.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        columns = next(rows)
        read = itemgetter(columns.index("reference"), columns.index("verdict"))
        differ = 0
        for reference, verdict in map(read, rows):
            overdue = verdict == "overdue"
            differ += feed.published.get(reference, overdue) != overdue
    return {
        "compared": len(feed.published),
        "differ": differ,
        "blank": feed.accepted - len(feed.published) if has_column else 0,
    }


def failures(summary: dict[str, Any], until: Instant, time_passed: Instant) -> Iterator[str]:
    """Yield a sentence for each figure that does not add up."""
    parts = ("accepted", "rejected", "duplicates", "after_until")
    if summary["rows"] != sum(summary[part] for part in parts):
        yield "rows is not the sum of accepted, rejected, duplicates and after_until"
    if not summary["accepted"] == sum(summary["issues"].values()) == summary["cases"]:
        yield "accepted is not the sum of issues, or not the number of cases"
    if time_passed < until:
        yield "time did not pass up to until"
    if parked := summary["issues"]["parked"]:
        yield f"{parked} cases are parked: deciding them failed (see CaseParked in the logs)"


@contextmanager
def results_folder(out: Path) -> Iterator[Path]:
    """Hold a folder that becomes `out` at the end of the block, or leaves nothing.

    An empty `out` that exists is filled instead.
    """
    out = out.resolve()
    exists = out.exists()
    created = [] if exists else missing_parents(out)
    for parent in created:
        parent.mkdir()
    folder = Path(tempfile.mkdtemp(prefix=".gridcall-", dir=out if exists else out.parent))
    try:
        yield folder
        if exists:
            for path in folder.iterdir():
                path.rename(out / path.name)
        else:
            folder.chmod(0o777 & ~umask())
            folder.rename(out)
            created = []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in reversed(created):
            parent.rmdir()


def missing_parents(path: Path) -> list[Path]:
    """Return the folders above a path that do not exist, the uppermost first."""
    return [parent for parent in reversed(path.parents) if not parent.exists()]


def umask() -> int:
    """Return the mask of the permissions of new files and folders."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
