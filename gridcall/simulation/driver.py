"""simulate: a historical data set through the real deciders, in its own time (docs/simulate.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from eventlog.content_codec import encode_content
from eventlog.core.decider import REFERENCE
from eventlog.core.row import Draft
from events.catalogue import ReferenceAdopted, ReferenceKind
from events.instants import Instant
from events.reference_data import Content, GridMap
from events.topology import DECIDER_VERSION
from gridcall.simulation.city.defaults import one_worker_per_grid, policies_of
from gridcall.simulation.city.profile import Profile
from gridcall.simulation.feed import Feed, without_collecting
from gridcall.simulation.results import LogReader, Run, write_results

BATCH = 1000


class Pipeline(Protocol):
    """Intake's log, the stages behind it, and the reader that makes reports of their logs."""

    async def begin(self, drafts: Sequence[Draft], contents: Mapping[str, bytes]) -> int:
        """Begin with reference data, unless an earlier run did.

        Returns the number of inputs that were fed already.
        """

    async def feed(self, drafts: Sequence[Draft]) -> None:
        """Accept inputs. Everything follows from them."""

    async def announce(self, watermark: Instant) -> None:
        """Let time pass without an input."""

    async def settle(self) -> Instant:
        """Wait until everything has followed. Returns the instant up to which time has passed."""

    async def describe_storage(self) -> str:
        """Return where the logs are now, as a sentence for people."""


def first_adoptions(
    profile: Profile, grids: GridMap, at: Instant
) -> tuple[list[Draft], dict[str, bytes]]:
    """Return the first rows of intake's log, and their contents by digest.

    They adopt the map, the roster, the policies and the decider version.
    """
    reference_data: list[tuple[ReferenceKind, Content]] = [
        ("map", grids),
        ("roster", one_worker_per_grid(grids)),
        ("policies", policies_of(profile)),
    ]
    contents: dict[str, bytes] = {}
    events: list[ReferenceAdopted] = []
    for kind, content in reference_data:
        digest, body = encode_content(content)
        contents[digest] = body
        events.append(ReferenceAdopted(kind=kind, name=profile.profile, digest=digest))
    events.append(ReferenceAdopted(kind="decider", name=DECIDER_VERSION, digest=""))
    return [Draft(at, REFERENCE, event) for event in events], contents


async def simulate(
    profile: Profile,
    grids: GridMap,
    feed: Feed,
    until: Instant,
    folder: Path,
    reader: LogReader,
    pipeline: Pipeline,
    batch: int = BATCH,
    mark: Callable[[Instant, Instant], Instant | None] = lambda last, following: None,
    progress: Callable[[int], None] = lambda count: None,
) -> Run:
    """Feed everything, let time pass up to `until`, and write all five files.

    Takes the inputs out of `feed`. `mark` may name an instant to announce between the last input
    and the following one, which changes nothing.
    """
    fed = await pipeline.begin(*first_adoptions(profile, grids, feed.next_at(until)))
    feed.skip(fed)
    progress(fed)
    with without_collecting():
        while part := feed.take(batch):
            await pipeline.feed(part)
            watermark = mark(part[-1].at, feed.next_at(until))
            if watermark is not None:
                await pipeline.announce(watermark)
            progress(len(part))
            await asyncio.sleep(0)  # An interruption gets through here.
        await pipeline.announce(until)
        time_passed = await pipeline.settle()
    return write_results(profile, feed, until, folder, reader, time_passed)
