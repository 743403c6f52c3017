"""A district's history in a database: cases that ended long ago, and cases that are open.

The real stages decide it, in its own time, so that every table is as a district leaves it.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from itertools import islice

from benchmarks.table import NoReports
from eventlog.core.row import Draft
from events.catalogue import EndedAtSource, IssueReported, PlaceClaim
from events.instants import Instant
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile_loader import load_profile
from gridcall.simulation.driver import BATCH, first_adoptions
from gridcall.simulation.feed import without_collecting
from gridcall.simulation.pipelines.postgres import open_stored_pipeline
from intake.core.identity import action_id, issue_id
from tests.harness.exampleville import CITY, PROFILE

DISTRICT, SOURCE = "exampleville", "test"
SECOND_US, HOUR_US = 1_000_000, 3_600_000_000
START: Instant = 1_577_836_800_000_000  # 2020: all of it is over when a process follows.
DUE: Instant = 1_893_456_000_000_000  # 2030.


def make_report(number: int, at: Instant, chance: random.Random) -> Draft:
    """Return the report of a case somewhere in the made-up city."""
    reference = f"H-{number:08}"
    name = issue_id(DISTRICT, SOURCE, "hotline", reference)
    lat, lon = chance.uniform(53.32, 53.36), chance.uniform(-6.3, -6.25)
    event = IssueReported(
        issue=name,
        source=SOURCE,
        line="hotline",
        reference=reference,
        category="Noise",
        urgency="normal",
        due=DUE,
        claims=(PlaceClaim(by="point", lat=lat, lon=lon),),
        rules=(),
    )
    return Draft(at, name, event)


def make_ending(issue: str, at: Instant) -> Draft:
    """Return the end of a case at its source."""
    action = action_id(DISTRICT, SOURCE, f"{issue}/ended")
    return Draft(at, action, EndedAtSource(action=action, issue=issue, outcome="closed", rules=()))


def make_inputs(settled: int, open_: int) -> Iterator[Draft]:
    """Yield a report a second. The first `settled` cases end after an hour."""
    chance, endings = random.Random(1), deque[Draft]()
    for number in range(settled + open_):
        at = START + number * SECOND_US
        report = make_report(number, at, chance)
        yield report
        if number < settled:
            endings.append(make_ending(report.subject, at + HOUR_US))
        if endings and endings[0].at <= at:
            yield endings.popleft()
    yield from endings


async def write_history(url: str, settled: int, open_: int) -> None:
    """Let all stages decide such a history in a fresh database."""
    profile, _ = load_profile(PROFILE)
    grids = check_map(CITY, profile.map).grids
    assert grids is not None
    inputs = make_inputs(settled, open_)
    async with open_stored_pipeline(url, "growth", DISTRICT, NoReports()) as pipeline:
        await pipeline.begin(*first_adoptions(profile, grids, START))
        with without_collecting():
            while part := list(islice(inputs, BATCH)):
                await pipeline.feed(part)
        await pipeline.announce(START + (settled + open_) * SECOND_US + 2 * HOUR_US)
        await pipeline.settle()
