"""The cost of traces: the CPU of an issue through all services, with them and without.

python -m benchmarks.traces

The same 64 senders post to three systems in turn. One has no traces, one samples an issue in a
hundred, and one samples all. A collector beside them decodes what they send.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack

from benchmarks.growth.districts import FEW, ISSUES, Cluster, open_cluster
from benchmarks.report import Line, print_lines
from benchmarks.servers import own_server
from tests.harness.otlp import Collector, running_collector

ROUNDS = 5
WITHOUT, SOME, ALL = "no traces", "traces of 1 % of the issues", "traces of all issues"
GOALS = {SOME: 5.0, ALL: None}  # Percent.


def variables(collector: Collector) -> dict[str, Mapping[str, str]]:
    """Return the environment of each system."""
    sampler = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
    return {
        WITHOUT: {},
        SOME: {**collector.variables, **sampler},
        ALL: collector.variables,
    }


def measure(clusters: Mapping[str, Cluster]) -> dict[str, float]:
    """Return the µs of CPU for an issue in each system: the median of rounds in turn."""
    for cluster in clusters.values():
        cluster.post_round(FEW)  # Plans are made, and intake learns all keys.
    rounds = [
        {name: sum(each.cost(each.post_round).values()) for name, each in clusters.items()}
        for _ in range(ROUNDS)
    ]
    return {
        name: statistics.median(each[name] for each in rounds) / ISSUES * 1e6 for name in clusters
    }


def main() -> None:
    """Measure, and print the table."""
    with own_server() as server, running_collector() as collector, ExitStack() as stack:
        clusters = {
            name: stack.enter_context(open_cluster(server, 1, each))
            for name, each in variables(collector).items()
        }
        costs = measure(clusters)
    lines = [Line(f"CPU of an issue, {WITHOUT}, µs", costs[WITHOUT], None, None)]
    for name, goal in GOALS.items():
        more = 100 * (costs[name] / costs[WITHOUT] - 1)
        lines.append(Line(f"CPU of an issue, {name}, µs", costs[name], None, None))
        lines.append(Line(f"{name}: % more", more, None, goal, 1))
    print_lines(lines)
    print(f"{len(collector.spans):,} spans were received")


if __name__ == "__main__":
    main()
