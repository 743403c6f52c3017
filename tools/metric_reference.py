"""The page docs/metrics.md, generated from the declarations: `python -m tools.metric_reference`."""

from __future__ import annotations

from httpedge.telemetry import BATCH_SECONDS_EDGES, LABELS, METRICS, Metric

HEAD = """# Metrics

Generated from [telemetry.py](../libs/httpedge/telemetry.py) by `make docs`; `make check` fails when
they differ.

Every service serves exactly these at `/metrics`, in the text format of Prometheus.
[operations.md](operations.md#probes-and-metrics) says for whom. Beside them are memory, files
and CPU of the process: `process_resident_memory_bytes`, `process_open_fds`,
`process_cpu_seconds_total` and so on.

A counter begins at 0 with its process: ask for `rate` or `increase`, and sum over processes. Every
process on one database shows all of its shards. So take `max` over them, not the sum.

| metric | kind | unit | labels | meaning |
|---|---|---|---|---|
"""
LABEL_HEAD = """
## Labels

| label | values |
|---|---|
"""


def document() -> str:
    """Return the whole page."""
    edges = ", ".join(f"`{each:g}`" for each in BATCH_SECONDS_EDGES)
    labels = "".join(f"| `{name}` | {values} |\n" for name, values in LABELS.items())
    edges_line = f"\nThe buckets of `gridcall_batch_seconds`, in seconds:\n{edges}.\n"
    return HEAD + "".join(map(row, METRICS)) + edges_line + LABEL_HEAD + labels


def row(metric: Metric) -> str:
    """Return the row of a metric."""
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    meaning = metric.meaning.replace("|", "\\|")
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {meaning} |\n"


if __name__ == "__main__":
    print(document(), end="")
