"""The metrics of all services, declared once, in the text format of Prometheus.

A name ends in its unit; `_total` is added to that of a counter. A label has few values: a log, a
district, the kind of a problem. It is never an id, nor a text that a sender wrote.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # Memory, files and CPU of this process.
disable_created_metrics()  # type: ignore[no-untyped-call]  # Its author left the types out.

# ── What is refused ──────────────────────────────────────────────────────────────────────────────

REQUESTS_REFUSED = Counter(
    "gridcall_requests_refused",
    "Requests that were answered by a problem, by its kind and status.",
    ["reason", "status"],
    registry=REGISTRY,
)
ITEMS_REFUSED = Counter(
    "gridcall_items_refused",
    "Items of larger requests that were refused, by the kind of the problem.",
    ["reason"],
    registry=REGISTRY,
)
REQUESTS_OPEN = Gauge(
    "gridcall_requests_open",
    "Live streams, readers and senders who wait at the moment.",
    ["kind"],
    registry=REGISTRY,
)

# ── Connections ──────────────────────────────────────────────────────────────────────────────────

CONNECTIONS = Gauge(
    "gridcall_connections",
    "Connections of clients that are open.",
    registry=REGISTRY,
)
CONNECTIONS_ENDED = Counter(
    "gridcall_connections_ended",
    "Connections that the server ended early, and faults of an application, by the reason.",
    ["reason"],
    registry=REGISTRY,
)

# ── How each shard of a log is ───────────────────────────────────────────────────────────────────

SHARD_LABELS = ["log", "district"]

TIME_BEHIND = Gauge(
    "gridcall_time_behind_seconds",
    "District time by which a log is behind the clock; below 0 it is ahead.",
    SHARD_LABELS,
    registry=REGISTRY,
)
SHARD_OWNED = Gauge(
    "gridcall_shard_owned",
    "1 if a process has the lease of a stage's shard, else 0: then nothing is decided.",
    SHARD_LABELS,
    registry=REGISTRY,
)
REPLAYED = Gauge(
    "gridcall_replayed_ratio",
    "Part of a log that its owner has replayed: 1 once the shard is taken over; none without one.",
    SHARD_LABELS,
    registry=REGISTRY,
)
SHARD_HALTED = Gauge(
    "gridcall_shard_halted",
    "1 if this process waits for an operator before it goes on with a shard, else 0.",
    SHARD_LABELS,
    registry=REGISTRY,
)
PARKED = Gauge(
    "gridcall_parked_cases",
    "Cases that this process owns and could not decide.",
    SHARD_LABELS,
    registry=REGISTRY,
)
NOT_STORED = Gauge(
    "gridcall_rows_after_checkpoint",
    "Rows of a log that no stored state has: a new owner folds them again.",
    SHARD_LABELS,
    registry=REGISTRY,
)
LAG = Gauge(
    "gridcall_lag_rows",
    "Rows or records that wait: `unread`, `unpublished` or `inbound`.",
    ["kind", "log", "district"],
    registry=REGISTRY,
)
SHARD_GAUGES = (TIME_BEHIND, SHARD_OWNED, REPLAYED, SHARD_HALTED, PARKED, NOT_STORED, LAG)


def metrics_response() -> Response:
    """Return the present values in the text format of Prometheus."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
