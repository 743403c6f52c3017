"""Sets the gauges that have a value only when somebody asks for metrics."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from eventlog.condition import Condition
from eventlog.host import ServiceHost
from eventlog.kafka.client import KAFKA
from eventlog.lag import Lag, lag_of
from events.errors import DATABASE, GridcallError, Unavailable
from events.instants import Instant
from httpedge import telemetry


async def measure(host: ServiceHost) -> None:
    """Set the gauges of a process. What cannot be read now has no value."""
    for gauge in telemetry.ASKED_GAUGES:
        gauge.clear()
    away = host.unavailable_neighbours()
    conditions: list[Condition] = []
    for service in host.services:
        if DATABASE in away:
            break  # Each statement would wait for it again.
        with note_fault(away):
            await service.measure()
            conditions.append(await service.condition(with_parked=False))
    clocks = [condition.clock for condition in conditions if condition.clock]
    for condition in conditions:
        measure_shards(condition, clocks[0] if clocks else time.time_ns() // 1000)
    if DATABASE not in away:
        with note_fault(away):
            measure_lag(await lag_of(host))
    measure_memory(host)
    measure_neighbours(host, away)


@contextmanager
def note_fault(away: set[str]) -> Iterator[None]:
    """Note a neighbour that turns out to be unavailable, and pass over any error of gridcall."""
    try:
        yield
    except Unavailable as fault:
        away.add(fault.about)
    except GridcallError:
        pass  # It is logged where the work is done.


def measure_shards(condition: Condition, now: Instant) -> None:
    """Set the gauges of the shards of one log. `now` is the districts' time."""
    for state in condition.shards:
        labels = condition.log, state.shard
        telemetry.TIME_BEHIND.labels(*labels).set((now - state.time) / 1e6)
        if condition.stage:
            telemetry.SHARD_OWNED.labels(*labels).set(bool(state.owner))
            telemetry.SHARD_HALTED.labels(*labels).set(bool(state.halted))
            if state.owner:
                telemetry.REPLAYED.labels(*labels).set(1)
    for replay in condition.replays:
        telemetry.REPLAYED.labels(*replay.name.split("/", 1)).set(replay.percent / 100)


def measure_lag(lag: Lag) -> None:
    """Set the gauges of what waits to be read or published."""
    for kind, places in lag.items():
        for place, rows in places.items():
            telemetry.LAG.labels(kind, *place.split("/", 1)).set(rows)


def measure_memory(host: ServiceHost) -> None:
    """Set the gauges of what this process knows by itself."""
    for name, log in host.followed.items():
        for shard, rows in log.count_received().items():
            telemetry.QUEUED.labels("received", name, shard).set(rows)
    busy, idle = host.database.count_connections()
    telemetry.DATABASE_CONNECTIONS.labels("busy").set(busy)
    telemetry.DATABASE_CONNECTIONS.labels("idle").set(idle)


def measure_neighbours(host: ServiceHost, away: Collection[str]) -> None:
    """Set for each neighbour of a process if it is available. `away` are those of outages."""
    neighbours = {"database": {DATABASE}}
    if host.peers:
        neighbours["kafka"] = {KAFKA}
        for service in host.peers.urls:
            logs = {f"log {log}" for log, writer in host.peers.writers.items() if writer == service}
            neighbours[service] = {service, *logs}
    for name, abouts in neighbours.items():
        telemetry.NEIGHBOUR_AVAILABLE.labels(name).set(abouts.isdisjoint(away))
