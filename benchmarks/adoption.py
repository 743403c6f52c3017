"""Measure how a roster or a map that is adopted reaches the open cases of a district.

python -m benchmarks.adoption [CASES]

The district has 2,000 grids. Of its open cases 1 % are parked, and one raises at the adoption. A
decision is made in a thread, as the runner does. Its seconds and those of a processor are measured,
and the seconds of its commit. So is the longest time that the event loop waited, the memory that
was added, and the bytes of the rows.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.servers import own_server
from eventlog.codec import entry
from eventlog.content_codec import encode_content
from eventlog.core.decider import REFERENCE, Input, ReferenceChanged
from eventlog.core.log import Log, MemoryLog
from eventlog.core.row import Draft, Row
from eventlog.core.stage import Stage
from eventlog.input_order import SingleOrder
from eventlog.notifier import Notifier
from eventlog.postgres.lease import LEASE_SECONDS
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import open_database
from eventlog.runner import BATCH, Runner
from events.catalogue import (
    CaseReassigned,
    Event,
    IssueReported,
    OnCall,
    PlaceClaim,
    ReferenceAdopted,
    ReferenceKind,
    VisitMade,
)
from events.reference_data import Content, Grid, GridMap, Roster
from gridcall.host.migrations import prepare
from httpedge.memory import collect_seldom
from intake.core.identity import issue_id
from intake.store import IntakeStore
from routing.core.decider import Routing, RoutingView
from routing.reference_store import ContentLibrary
from routing.spatial.locator import GridIndexes, Locator

DISTRICT = "district"
COLUMNS, ROWS, STREETS = 50, 40, 17  # Of grids, each of which is a square of a hundredth degree.
SIDE = 0.01
MIB = 1 << 20


class Adoption(NamedTuple):
    """An adoption, as it was measured.

    `processor` are the seconds of a processor that the decision took, and `wait` is the longest
    that the event loop waited.
    """

    what: str
    moved: int
    decision: float
    processor: float
    commit: float
    wait: float
    mib: float
    mib_of_rows: float

    def __str__(self) -> str:
        return (
            f"{self.what:30} {self.moved:7,} moved; decision {self.decision:5.2f} s "
            f"({self.processor:.2f} of a processor), "
            f"commit {self.commit:5.2f} s, loop waited {self.wait:5.2f} s; "
            f"{self.mib:4.0f} MiB, {self.mib_of_rows:3.0f} MiB of rows"
        )


class FailingRouting(Routing):
    """Routing that fails at every visit, and at the adoptions of one case."""

    failing = ""

    def decide(self, input_: Input, view: RoutingView) -> Sequence[Any]:
        is_adoption = isinstance(input_.event, ReferenceChanged)
        if isinstance(input_.event, VisitMade) or (is_adoption and input_.subject == self.failing):
            raise ValueError("a fault of this benchmark")
        return super().decide(input_, view)


class City:
    """A district with open cases, and the reference data that it adopts."""

    def __init__(self, cases: int) -> None:
        self.contents: dict[str, bytes] = {}
        self.cases = [issue_id(DISTRICT, "benchmark", "hotline", str(n)) for n in range(cases)]
        self.codes = [f"{x:02}{y:02}" for y in range(ROWS) for x in range(COLUMNS)]

    def adoption(self, kind: ReferenceKind, name: str, content: Content) -> ReferenceAdopted:
        digest, body = encode_content(content)
        self.contents[digest] = body
        return ReferenceAdopted(kind=kind, name=name, digest=digest)

    def map(self, name: str, east: float) -> ReferenceAdopted:
        """Return the adoption of a map whose grids are that far east of the first map's."""
        grids = tuple(
            Grid(code, f"{n % STREETS:02}", False, square(n % COLUMNS, n // COLUMNS, east))
            for n, code in enumerate(self.codes)
        )
        return self.adoption("map", name, GridMap(DISTRICT, "District", grids))

    def roster(self, name: str, share: float) -> ReferenceAdopted:
        """Return the adoption of a roster with other workers in a share of the grids."""
        changed = int(len(self.codes) * share)
        workers = {
            code: f"w:{code}" + (f":{name}" if n < changed else "")
            for n, code in enumerate(self.codes)
        }
        return self.adoption("roster", name, Roster(workers, (OnCall(DISTRICT, "o:1", None),)))

    def reports(self) -> Iterator[tuple[str, Event]]:
        """Yield the reports of all cases, at places all over the map, then visits that fail."""
        chance = random.Random(1)
        for name in self.cases:
            east, north = chance.uniform(0, COLUMNS * SIDE), chance.uniform(0, ROWS * SIDE)
            yield name, report(name, PlaceClaim(by="point", lat=north, lon=east))
        for number, name in enumerate(self.cases[7::100]):
            yield f"visit {number}", VisitMade(action=f"visit {number}", issue=name, by="w:1")


def square(x: int, y: int, east: float) -> dict[str, Any]:
    """Return a grid's outline, `east` degrees further than on the first map."""
    west, south = x * SIDE + east, y * SIDE
    corners = [(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE), (0, 0)]
    return {"type": "Polygon", "coordinates": [[[west + dx, south + dy] for dx, dy in corners]]}


def report(name: str, point: PlaceClaim) -> IssueReported:
    """Return the report of a case at a point."""
    return IssueReported(
        issue=name,
        source="benchmark",
        line="hotline",
        reference=name,
        category="Noise",
        urgency="normal",
        due=None,
        claims=(point,),
        rules=(),
    )


class Heartbeat:
    """The longest time for which the event loop had no turn for anybody."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0.005)
            now = time.perf_counter()
            self.longest, before = max(self.longest, now - before), now


async def measure(city: City, intake: Any, sink: Log) -> list[Adoption]:
    """Adopt each of the reference data while the cases are open; return the figures."""
    library = ContentLibrary(city.contents)
    decider = FailingRouting(DISTRICT, library)
    stage: Stage[Any, Any] = Stage(decider, DISTRICT, Locator(GridIndexes(library)))
    runner: Runner[Any, Any] = Runner(stage, SingleOrder(intake), sink, BATCH)
    decider.failing = city.cases[3]
    first = [city.map("map-1", 0.0), city.roster("roster-1", 0.0)]
    await append(intake, 1, [*((REFERENCE, each) for each in first), *city.reports()])
    while await runner.step():
        pass
    adoptions = (
        ("a roster: 10 % of the workers", city.roster("roster-2", 0.1)),
        ("a roster: all of the workers", city.roster("roster-3", 1.0)),
        ("a map: half of the cases", city.map("map-2", SIDE / 2)),
    )
    measured = []
    for second, (what, event) in enumerate(adoptions, 2):
        await append(intake, second, [(REFERENCE, event)])
        measured.append(await measure_adoption(what, runner, sink))
        print(measured[-1], flush=True)
    return measured


async def append(intake: Any, second: int, events: Sequence[tuple[str, Event]]) -> None:
    """Append inputs to intake's log, in parts."""
    drafts = [Draft(second * 1_000_000, subject, event) for subject, event in events]
    for start in range(0, len(drafts), 2_000):
        await intake.append(DISTRICT, drafts[start : start + 2_000])


async def measure_adoption(what: str, runner: Runner[Any, Any], sink: Log) -> Adoption:
    """Let the stage decide about the adoption, and commit it, as the runner does."""
    stage, heartbeat = runner.stage, Heartbeat()
    beating = asyncio.create_task(heartbeat.run())
    gc.collect()
    memory = resident()
    rows = await runner.order.read(DISTRICT, stage.read, BATCH)
    begun = time.perf_counter()
    decided, processor = await asyncio.to_thread(apply_timed, stage, rows)  # As the runner does.
    decision = time.perf_counter() - begun
    begun = time.perf_counter()
    await sink.commit(DISTRICT, decided, stage.progress)
    commit = time.perf_counter() - begun
    await asyncio.sleep(0.01)
    used = resident() - memory
    beating.cancel()
    return Adoption(
        what, count_moved(decided), decision, processor, commit, heartbeat.longest, used / MIB,
        sum(len(entry(row).data) for row in decided) / MIB,
    )  # fmt: skip


def apply_timed(stage: Stage[Any, Any], rows: Sequence[Row]) -> tuple[list[Row], float]:
    """Return the rows that a stage decides, and the seconds of a processor that it took."""
    begun = time.thread_time()
    return stage.apply(rows), time.thread_time() - begun


def count_moved(rows: Sequence[Row]) -> int:
    """Return the number of cases that have another holder by these rows."""
    return sum(isinstance(row.event, CaseReassigned) for row in rows)


def resident() -> int:
    """Return the bytes of memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


async def measure_in_memory(cases: int) -> list[Adoption]:
    """Measure on logs in memory."""
    return await measure(City(cases), MemoryLog("intake"), MemoryLog("cases"))


async def measure_on_postgres(cases: int, url: str) -> list[Adoption]:
    """Measure on logs in Postgres."""
    await prepare(url, forget=True)
    async with open_database(url) as database:
        intake = PostgresLog("intake", "intake", database, Notifier())
        sink = PostgresLog("cases", "routing", database, Notifier(), "benchmark")
        await IntakeStore(database).add_district(DISTRICT)
        assert await sink.lease(DISTRICT)
        return await measure(City(cases), intake, sink)


def main() -> None:
    """Print the figures, first in memory, then on Postgres."""
    collect_seldom()
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print(f"{cases:,} open cases, 1 % of them parked, one that raises; in memory:", flush=True)
    asyncio.run(measure_in_memory(cases))
    print(f"on Postgres, where a lease ends after {LEASE_SECONDS:.0f} s without a write:")
    with own_server() as server:
        asyncio.run(measure_on_postgres(cases, server.get_uri("adoption")))


if __name__ == "__main__":
    main()
