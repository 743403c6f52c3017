"""simulate: a historical data set through the real deciders, in its own time; tables come out (docs/simulate.md)."""

from __future__ import annotations

import asyncio
import csv
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from eventlog.codec import Entry, entry
from eventlog.content_codec import encode_content
from eventlog.core.decider import REFERENCE
from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft
from events.catalogue import ReferenceAdopted, ReferenceKind
from events.instants import Instant, rfc3339
from events.reference_data import Content, GridMap
from gridcall.pipeline import pipeline
from gridcall.simulation.city.defaults import one_worker_per_grid, policies_of
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.feed import Feed, without_collecting
from gridcall.simulation.reports.files import REJECTED_COLUMNS, as_json, write_csv
from routing.core.reference import VERSIONS

BATCH = 1000


class Reader(Protocol):
    """What makes tables of the three logs and knows nothing else."""

    def read(self, log: str, shard: str, entries: Sequence[Entry]) -> None:
        """Take the next entries of one log. The logs among each other come in an order that keeps cause before effect."""

    def conclude(self, folder: Path, district: str, until: Instant) -> dict[str, Any]:
        """Write the three tables into a folder; give what summary.json says of them."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is over: its summary, and the checks that failed."""

    summary: dict[str, Any]
    failed: tuple[str, ...]


class Pipeline(Protocol):
    """Intake's log, routing and escalation, and the reader that makes tables of the three logs."""

    async def adopt(self, drafts: Sequence[Draft], contents: Mapping[str, bytes]) -> int:
        """Begin with reference data, unless that was done before; the number of inputs that were fed already."""

    async def feed(self, drafts: Sequence[Draft]) -> None:
        """Accept inputs; everything follows from them."""

    async def announce(self, watermark: Instant) -> None:
        """Let time pass without an input."""

    async def settled(self) -> Instant:
        """Wait until everything has followed; how far time has passed then."""


class InMemory:
    """The pipeline without any store."""

    def __init__(self, district: str, reader: Reader, batch: int = BATCH) -> None:
        self.district = district
        self.intake = MemoryLog("intake", readers=("cases", "tables"))
        self.cases = MemoryLog("cases", readers=("calls", "tables"))
        self.calls = MemoryLog("calls", readers=("tables",))
        self._contents: dict[str, bytes] = {}
        self._logs = {log.name: log for log in (self.intake, self.cases, self.calls)}
        self.routing, self.escalation = (
            stages.processor(district, self._logs, batch) for stages in pipeline(self._contents)
        )
        self._reader = reader
        self._read = dict.fromkeys(self._logs, 0)

    async def adopt(self, drafts: Sequence[Draft], contents: Mapping[str, bytes]) -> int:
        self._contents.update(contents)
        await self.feed(drafts)
        return 0

    async def feed(self, drafts: Sequence[Draft]) -> None:
        await self.intake.append(self.district, drafts)
        await self._follow()

    async def announce(self, watermark: Instant) -> None:
        await self.intake.announce(self.district, watermark)
        await self._follow()

    async def settled(self) -> Instant:
        return self.escalation.stage.watermark

    async def _follow(self) -> None:
        await self.routing.catch_up()
        await self.escalation.catch_up()
        self.intake.acknowledge("cases", self.district, self.routing.stage.input)
        self.cases.acknowledge("calls", self.district, self.escalation.stage.input)
        for log in self._logs.values():
            rows = await log.read(self.district, self._read[log.name], 2**63)
            self._reader.read(log.name, self.district, [entry(row) for row in rows])
            self._read[log.name] += len(rows)
            log.acknowledge("tables", self.district, self._read[log.name])


def adoptions(
    profile: Profile, grids: GridMap, at: Instant
) -> tuple[list[Draft], dict[str, bytes]]:
    """The first rows of intake's log, and their contents: the map, the roster, the policies, the decider version."""
    contents: dict[str, bytes] = {}
    events: list[ReferenceAdopted] = []
    adopted: list[tuple[ReferenceKind, Content]] = [
        ("map", grids),
        ("roster", one_worker_per_grid(grids)),
        ("policies", policies_of(profile)),
    ]
    for kind, content in adopted:
        digest, body = encode_content(content)
        contents[digest] = body
        events.append(ReferenceAdopted(kind=kind, name=profile.profile, digest=digest))
    events.append(ReferenceAdopted(kind="decider", name=VERSIONS[-1], digest=""))
    return [Draft(at, REFERENCE, event) for event in events], contents


async def simulate(
    profile: Profile,
    grids: GridMap,
    feed: Feed,
    until: Instant,
    folder: Path,
    reader: Reader,
    pipeline: Pipeline,
    batch: int = BATCH,
    mark: Callable[[Instant, Instant], Instant | None] = lambda last, following: None,
    progress: Callable[[int], None] = lambda count: None,
) -> Run:
    """Feed everything, let time pass up to `until`, write all five files. Takes the inputs out of `feed` as it goes.

    `mark` may name an instant to announce between the time of the last input and that of the following one: it changes nothing.
    """
    fed = await pipeline.adopt(*adoptions(profile, grids, feed.next_at() or until))
    feed.skip(fed)
    progress(fed)
    with without_collecting():
        while part := feed.take(batch):
            await pipeline.feed(part)
            watermark = mark(part[-1].at, feed.next_at() or until)
            if watermark is not None:
                await pipeline.announce(watermark)
            progress(len(part))
            await asyncio.sleep(0)  # Where an interruption is heard.
        await pipeline.announce(until)
        passed = await pipeline.settled()
    return concluded(profile, feed, until, folder, reader, passed)


def concluded(
    profile: Profile, feed: Feed, until: Instant, folder: Path, reader: Reader, passed: Instant
) -> Run:
    """The files of a run, and its checks. `passed`: how far time passed in the last log."""
    write_csv(
        folder / "rejected.csv",
        REJECTED_COLUMNS,
        [[str(cell) for cell in row] for row in feed.rejected],
    )
    summary = {
        "format": 1,
        "profile": profile.profile,
        "until": rfc3339(until),
        "rows": feed.rows,
        "rejected": len(feed.rejected),
        "duplicates": feed.duplicates,
        "after_until": feed.after_until,
        "accepted": feed.accepted,
        **reader.conclude(folder, profile.map.district.code, until),
        "published": published(folder / "cases.csv", feed, profile.published is not None),
    }
    (folder / "summary.json").write_bytes(as_json(summary))
    return Run(summary, tuple(failures(summary, until, passed)))


def published(cases: Path, feed: Feed, named: bool) -> dict[str, int]:
    """How the verdicts of cases.csv compare with the source's own; `named`: the profile has a column of them."""
    with cases.open(encoding="utf-8", newline="") as file:
        ours = ((case["reference"], case["verdict"] == "overdue") for case in csv.DictReader(file))
        differ = sum(
            1 for reference, overdue in ours if feed.published.get(reference, overdue) != overdue
        )
    return {
        "compared": len(feed.published),
        "differ": differ,
        "blank": feed.accepted - len(feed.published) if named else 0,
    }


def failures(summary: dict[str, Any], until: Instant, passed: Instant) -> Iterator[str]:
    """What does not add up, each in a sentence."""
    if summary["rows"] != sum(
        summary[key] for key in ("accepted", "rejected", "duplicates", "after_until")
    ):
        yield "rows is not the sum of accepted, rejected, duplicates and after_until"
    if (
        summary["accepted"] != sum(summary["issues"].values())
        or summary["accepted"] != summary["cases"]
    ):
        yield "accepted is not the sum of issues, or not the number of cases"
    if passed < until:
        yield "time did not pass up to until"
    if summary["issues"]["parked"]:
        yield f"{summary['issues']['parked']} cases are parked: deciding them failed (see CaseParked in the logs)"


@contextmanager
def results_folder(out: Path) -> Iterator[Path]:
    """A folder that becomes `out` at the end, or leaves nothing. An `out` that is there and empty is filled instead."""
    out = out.resolve()
    there = out.exists()
    made = [] if there else missing_parents(out)
    for parent in made:
        parent.mkdir()
    folder = Path(tempfile.mkdtemp(prefix=".gridcall-", dir=out if there else out.parent))
    try:
        yield folder
        if there:
            for path in folder.iterdir():
                path.rename(out / path.name)
        else:
            folder.chmod(0o777 & ~umask())
            folder.rename(out)
            made = []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in reversed(made):
            parent.rmdir()


def missing_parents(path: Path) -> list[Path]:
    """The folders above a path that are not there, the uppermost first."""
    return [parent for parent in reversed(path.parents) if not parent.exists()]


def umask() -> int:
    """The mask of the permissions that new files and folders get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
