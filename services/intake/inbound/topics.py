"""The topics of the upstream lines: issues come in on one, and are answered on the other."""

from __future__ import annotations

from eventlog.kafka.topics import A_WEEK, Cluster, Topic
from events.catalogue import LINES

INBOUND = "inbound"
RECEIPTS = "receipts"


def line_topic(cluster: Cluster, kind: str, line: str) -> str:
    """Return the name of the topic of a line: `kind` is INBOUND or RECEIPTS."""
    return cluster.shared_topic(f"{kind}.{line}")


def line_topics(cluster: Cluster) -> list[Topic]:
    """Return the topics of all lines, with one partition each."""
    return [
        Topic(line_topic(cluster, kind, line), 1, A_WEEK)
        for kind in (INBOUND, RECEIPTS)
        for line in LINES
    ]
