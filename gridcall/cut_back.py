"""Cuts a district back to an instant, after a leap of the clock was followed by mistake.

Intake's log ends before the instant, and goes on as a new generation. Each stage loses what follows
from later inputs, and the deadlines that passed from then on. The inputs that are taken out are
written to a file first: their senders post them again.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from embedded.server import data_folder
from eventlog.codec import entry_envelope
from eventlog.postgres.generation import DatabaseCheck, cut, order_generations
from eventlog.postgres.migrate import open_connection
from events.errors import Halted
from events.instants import Instant, rfc3339
from events.topology import UPSTREAM
from intake.store import CutStore, IntakeStore, RecordStore
from intake.store.record import StoredInput

PAGE = 1000


class CutBack(NamedTuple):
    """The position after which a district goes on, and the inputs after it by source and type."""

    position: int
    inputs: Mapping[tuple[str, str], int]


async def cut_back(
    url: str,
    service_databases: Mapping[str, str],
    district: str,
    time: Instant,
    path: Path,
    *,
    dry_run: bool,
) -> CutBack:
    """Write the inputs of a district from an instant on to a file, and take them out.

    A dry run takes nothing out. Raises Halted if the district cannot be cut there.
    """
    async with open_transactions(url, service_databases) as connections:
        intake = connections["intake"]
        store = CutStore(intake)
        position = await checked_position(store, IntakeStore(intake), district, time)
        inputs = await write_inputs(RecordStore(intake), district, position, path)
        if dry_run:
            return CutBack(position, inputs)
        await store.cut(district, position, time)
        for stage, before in UPSTREAM.items():
            read = await order_generations(before, connections)
            await cut(stage, connections[stage], read, {district: time})
        check = DatabaseCheck(data_folder(), url, "intake")
        state = await check.state(intake)
    check.announce(state)
    return CutBack(position, inputs)


@asynccontextmanager
async def open_transactions(
    url: str, service_databases: Mapping[str, str]
) -> AsyncIterator[dict[str, Any]]:
    """Open a connection for each service, each in a transaction that the block's end commits."""
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(open_connection(url))
        connections = dict.fromkeys(("intake", *UPSTREAM), shared)
        for service, service_url in service_databases.items():
            opened = open_connection(service_url)
            connections[service] = await stack.enter_async_context(opened)
        for each in {id(each): each for each in connections.values()}.values():
            await stack.enter_async_context(each.transaction())
        yield connections


async def checked_position(
    store: CutStore, clock: IntakeStore, district: str, time: Instant
) -> int:
    """Return the position after which a district is cut. Raises Halted if that cannot be."""
    end, now = await store.lock(district), await clock.clock()
    if end is None:
        raise Halted(f"there is no district {district}: gridcall doctor lists them")
    if time > now:
        raise Halted(f"{rfc3339(time)} is still to come: name an instant before the leap")
    if time >= end.time:
        raise Halted(f"{district} is at {rfc3339(end.time)}: nothing is after {rfc3339(time)}")
    position = await store.last_before(district, time)
    if position <= await store.last_generation_start(district):
        raise Halted(
            f"{district} began, or was restored, after {rfc3339(time)}: restore a backup instead"
        )
    return position


async def write_inputs(
    record: RecordStore, district: str, position: int, path: Path
) -> Mapping[tuple[str, str], int]:
    """Write the inputs after a position, one JSON a line; return their numbers. Raises OSError."""
    counts: Counter[tuple[str, str]] = Counter()
    with path.open("x") as file:
        while inputs := await record.inputs(district, position, PAGE):
            for each in inputs:
                counts[each.sender.source, each.entry.type] += 1
                file.write(json.dumps(to_line(district, each), ensure_ascii=False) + "\n")
            position = inputs[-1].entry.position
        file.flush()
        os.fsync(file.fileno())
    return counts


def to_line(district: str, stored: StoredInput) -> dict[str, Any]:
    """Return an input with its sender and its CloudEvent."""
    return {
        "source": stored.sender.source,
        "credential": stored.sender.credential,
        "event": json.loads(entry_envelope("intake", district, stored.entry)),
    }
