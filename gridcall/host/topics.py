"""All topics of a system on Kafka."""

from __future__ import annotations

from eventlog.kafka.topics import Cluster, Topic, log_topics
from events.topology import LOGS
from intake.inbound.topics import line_topics


def system_topics(cluster: Cluster, districts: int) -> list[Topic]:
    """Return the topics of the logs, of time and of the lines for a number of districts."""
    return [*log_topics(cluster, LOGS, districts), *line_topics(cluster)]
