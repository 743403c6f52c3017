"""Every metric of every service: name, kind, unit, labels and meaning, declared once.

`GET /metrics` serves exactly these, and docs/metrics.md is generated from them. A label has few
values: a log, a district, the kind of a problem. It is never an id, nor a text that a sender wrote.
"""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from time import perf_counter
from typing import Any, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # Memory, files and CPU of this process.
disable_created_metrics()  # type: ignore[no-untyped-call]  # Its author left the types out.

LABELS = {
    "district": "the code of a district; for records of `inbound`, the partition",
    "kind": "the kind of what waits, or of an open request",
    "level": "the level that is called: `street` or `district`",
    "line": "`grid`, `sentiment`, `hotline` or `petition`; `actions` for what people do",
    "log": "`intake`, `cases`, `calls` or `evaluations`; `screen` for the read model",
    "neighbour": "`database`, `kafka`, or the name of another service",
    "outcome": "`accepted`, `repeated` (known already), `conflicting` (with other content) or "
    "`refused` (cannot be read)",
    "queue": "`inputs` that wait for their commit, or `received` rows that wait for their reader",
    "reason": "the kind of the problem",
    "state": "`busy` or `idle`",
    "status": "the HTTP status",
    "type": "the event, such as `DeadlineMissed`; `…V1` for an earlier version",
    "work": "`commit`, `decide`, `merge` (into facts), `fold` (into the read model) or `publish`",
}
BATCH_SECONDS_EDGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metric(NamedTuple):
    """A declaration. `name` is as it is served; a histogram adds `_bucket`, `_sum`, `_count`."""

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    meaning: str


METRICS: list[Metric] = []
ASKED_GAUGES: list[Gauge] = []  # What cannot be read at the moment has no value.


def counter(name: str, unit: str, meaning: str, *labels: str) -> Counter:
    """Declare a count of things that happened in this process since its start."""
    METRICS.append(Metric(name, "counter", unit, labels, meaning))
    return Counter(name, meaning, labels, registry=REGISTRY)


def gauge(name: str, unit: str, meaning: str, *labels: str) -> Gauge:
    """Declare a value of this moment."""
    METRICS.append(Metric(name, "gauge", unit, labels, meaning))
    return Gauge(name, meaning, labels, registry=REGISTRY)


def asked_gauge(name: str, unit: str, meaning: str, *labels: str) -> Gauge:
    """Declare a value that is set when somebody asks for it."""
    declared = gauge(name, unit, meaning, *labels)
    ASKED_GAUGES.append(declared)
    return declared


def histogram(
    name: str, unit: str, edges: Sequence[float], meaning: str, *labels: str
) -> Histogram:
    """Declare a distribution of values, counted between `edges`."""
    METRICS.append(Metric(name, "histogram", unit, labels, meaning))
    return Histogram(name, meaning, labels, registry=REGISTRY, buckets=edges)


# ── What comes in ────────────────────────────────────────────────────────────────────────────────

INPUTS = counter(
    "gridcall_inputs_total",
    "inputs",
    "Issues and actions that were sent, by line and by what became of them.",
    "line",
    "outcome",
)
REQUESTS_REFUSED = counter(
    "gridcall_requests_refused_total",
    "requests",
    "Requests that were answered by a problem, by its kind and status.",
    "reason",
    "status",
)
ITEMS_REFUSED = counter(
    "gridcall_items_refused_total",
    "items",
    "Items of larger requests that were refused, by the kind of the problem.",
    "reason",
)
REQUESTS_OPEN = gauge(
    "gridcall_requests_open",
    "requests",
    "Live streams, readers and senders who wait at the moment.",
    "kind",
)
CONNECTIONS = gauge("gridcall_connections", "connections", "Connections of clients that are open.")
CONNECTIONS_ENDED = counter(
    "gridcall_connections_ended_total",
    "connections",
    "Connections that the server ended early, and faults of an application, by the reason.",
    "reason",
)

# ── What is done ─────────────────────────────────────────────────────────────────────────────────

EVENTS = counter(
    "gridcall_events_total",
    "rows",
    "Rows that a stage of this process committed, by event: `DeadlineMissed` counts missed "
    "deadlines, `CallRaised` calls, `CaseParked` faults.",
    "log",
    "type",
)
BATCH_SECONDS = histogram(
    "gridcall_batch_seconds",
    "seconds",
    BATCH_SECONDS_EDGES,
    "Time that a batch took, by the log that it is for and by what was done.",
    "log",
    "work",
)
OWNER_CHANGES = counter(
    "gridcall_owner_changes_total",
    "changes",
    "Shards of a log that this process took over, once they were replayed.",
    "log",
    "district",
)

# ── How each shard of a log is ───────────────────────────────────────────────────────────────────

TIME_BEHIND = asked_gauge(
    "gridcall_time_behind_seconds",
    "seconds",
    "The age of a log's watermark: district time behind the clock; below 0 it is ahead.",
    "log",
    "district",
)
SHARD_OWNED = asked_gauge(
    "gridcall_shard_owned",
    "0 or 1",
    "1 if a process has the lease of a stage's shard, else 0: then nothing is decided.",
    "log",
    "district",
)
REPLAYED = asked_gauge(
    "gridcall_replayed_ratio",
    "ratio",
    "Part of a log that its owner has replayed: 1 once the shard is taken over; none without one. "
    "Of the screen, only while it replays.",
    "log",
    "district",
)
SHARD_HALTED = asked_gauge(
    "gridcall_shard_halted",
    "0 or 1",
    "1 if this process waits for an operator before it goes on with a shard, else 0.",
    "log",
    "district",
)
PARKED = asked_gauge(
    "gridcall_parked_cases",
    "cases",
    "Cases that this process owns and could not decide.",
    "log",
    "district",
)
NOT_STORED = asked_gauge(
    "gridcall_rows_after_checkpoint",
    "rows",
    "Rows of a log that no stored state has: a new owner folds them again. Over 100,000 for "
    "minutes, states are not stored.",
    "log",
    "district",
)
LAG = asked_gauge(
    "gridcall_lag_rows",
    "rows",
    "Rows or records that wait: `unread`, `unpublished` or `inbound`.",
    "kind",
    "log",
    "district",
)
QUEUED = asked_gauge(
    "gridcall_queue_items",
    "items",
    "Inputs or rows that wait in the memory of this process.",
    "queue",
    "log",
    "district",
)
OPEN_CALLS = asked_gauge(
    "gridcall_open_calls",
    "calls",
    "Calls that are neither answered nor withdrawn, as the screen has read them. Each screen "
    "has them all.",
    "district",
    "level",
)

# ── Neighbours ───────────────────────────────────────────────────────────────────────────────────

NEIGHBOUR_AVAILABLE = asked_gauge(
    "gridcall_neighbour_available",
    "0 or 1",
    "0 while this process meets an outage of its database, of Kafka, or of another service; else "
    "1. A screen without Kafka asks the writers, and meets none.",
    "neighbour",
)
DATABASE_CONNECTIONS = asked_gauge(
    "gridcall_database_connections",
    "connections",
    "Connections of this process to its database.",
    "state",
)


# A look-up by labels takes as long as to count. Each batch needs two, and each request one.
batches_of, events_of = cache(BATCH_SECONDS.labels), cache(EVENTS.labels)
inputs_of = cache(INPUTS.labels)


@contextmanager
def batch_time(log: str, work: str) -> Iterator[None]:
    """Measure the work on a batch, unless it fails."""
    begun = perf_counter()
    yield
    batches_of(log, work).observe(perf_counter() - begun)


def count_events(log: str, events: Iterable[Any]) -> None:
    """Count events that were committed to a log."""
    for kind, number in Counts(map(type, events)).items():
        events_of(log, kind.__name__).inc(number)


def exposition() -> tuple[bytes, str]:
    """Return the present values in the text format of Prometheus, and its media type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
