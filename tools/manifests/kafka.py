"""Topics and users of Kafka for Strimzi, from what gridcall makes and reads itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eventlog.kafka.administration import REPLICAS
from eventlog.kafka.topics import Cluster
from events.catalogue import LINES
from events.topology import DIRECTORY, SERVICES, Service
from gridcall.cli.topics import DISTRICTS
from gridcall.host.topics import system_topics
from intake.inbound.topics import INBOUND, RECEIPTS, line_topic
from tools.manifests.names import KAFKA, PART_OF, Manifest, metadata

CLUSTER = Cluster("")
OF_CLUSTER = {"strimzi.io/cluster": KAFKA, **PART_OF}
READS, WRITES = ("Read",), ("Write",)  # Each permits Describe as well.


def topics() -> Iterator[Manifest]:
    """Yield the topics that `gridcall topics apply` would make."""
    for topic in system_topics(CLUSTER, DISTRICTS):
        yield {
            "apiVersion": "kafka.strimzi.io/v1",
            "kind": "KafkaTopic",
            "metadata": metadata(topic.name, OF_CLUSTER),
            "spec": {
                "partitions": topic.partitions,
                "replicas": REPLICAS,
                "config": {**topic.settings, "min.insync.replicas": str(REPLICAS - 1)},
            },
        }


def users() -> Iterator[Manifest]:
    """Yield a user for each service, and one for the upstream system of each line."""
    for service in SERVICES:
        yield user(service.name, service_rights(service))
    for line in LINES:
        yield user(f"line-{line}", line_rights(line))


def service_rights(service: Service) -> list[Manifest]:
    """Return the rights of a service: it writes its log, and reads those that it follows."""
    reads = [CLUSTER.topic(log) for log in service.inputs]
    writes = [CLUSTER.topic(service.log)] if service.log else []
    if service.inputs:
        reads.append(CLUSTER.time)
    if service.log:
        writes.append(CLUSTER.time)
    if service.name == DIRECTORY:
        # It compares its database with what readers know, and answers the lines.
        reads += [*writes, *(line_topic(CLUSTER, INBOUND, line) for line in LINES)]
        writes += [line_topic(CLUSTER, RECEIPTS, line) for line in LINES]
    rights = [right("topic", topic, READS) for topic in reads]
    rights += [right("topic", topic, WRITES) for topic in writes]
    if service.inputs:
        rights.append(right("group", CLUSTER.topic(service.name), READS))
    return rights


def line_rights(line: str) -> list[Manifest]:
    """Return the rights of an upstream system: it reports on its line, and reads the answers."""
    return [
        right("topic", line_topic(CLUSTER, INBOUND, line), WRITES),
        right("topic", line_topic(CLUSTER, RECEIPTS, line), READS),
        right("group", f"line-{line}", READS),
    ]


def right(kind: str, name: str, operations: Sequence[str]) -> Manifest:
    """Return a right on one thing of exactly this name."""
    return {
        "type": "allow",
        "resource": {"type": kind, "name": name, "patternType": "literal"},
        "operations": list(operations),
    }


def user(name: str, rights: Sequence[Manifest]) -> Manifest:
    """Return a user with a password, which Strimzi makes, and with these rights alone."""
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": metadata(name, OF_CLUSTER),
        "spec": {
            "authentication": {"type": "scram-sha-512"},
            "authorization": {"type": "simple", "acls": list(rights)},
        },
    }
