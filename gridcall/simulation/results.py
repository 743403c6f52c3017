"""The files of a run of simulate, its summary, and the checks that must hold."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from eventlog.codec import Entry
from events.instants import Instant, rfc3339
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.feed import Feed
from gridcall.simulation.reports.files import REJECTED_COLUMNS, as_json, write_csv
from gridcall.simulation.reports.summary import Tables


class EntryReader(Protocol):
    """Reads the logs of a pipeline that reports are made of."""

    def read(self, log: str, shard: str, entries: Sequence[Entry]) -> None:
        """Take the next entries of one log. A cause comes before its effects."""


class LogReader(EntryReader, Protocol):
    """Makes tables of these logs, and knows nothing else."""

    def conclude(self, folder: Path, district: str, until: Instant, file_format: int) -> Tables:
        """Write the three tables into a folder."""


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
    tables = reader.conclude(folder, profile.map.district.code, until, file_format)
    summary = {
        "format": file_format,
        "profile": profile.profile,
        "until": rfc3339(until),
        "rows": feed.rows,
        "rejected": len(feed.rejected),
        "duplicates": feed.duplicates,
        "after_until": feed.after_until,
        "accepted": feed.accepted,
        **tables.summary,
        "published": compare_verdicts(tables.overdue, feed, profile.published is not None),
    }
    (folder / "summary.json").write_bytes(as_json(summary))
    return Run(summary, tuple(failures(summary, until, time_passed)))


def compare_verdicts(overdue: Set[str], feed: Feed, has_column: bool) -> dict[str, int]:
    """Count verdicts that differ from the source's own. `overdue` has the references of those.

    `has_column` is True if the profile names a column of verdicts.
    """
    published = feed.published.items()
    return {
        "compared": len(published),
        "differ": sum((reference in overdue) != verdict for reference, verdict in published),
        "blank": feed.accepted - len(published) if has_column else 0,
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
