"""Read the hotline's issues from the topic gridcall.intake, without gridcall's code.

python examples/kafka/read_intake.py ADDRESS [--topic gridcall.intake] [--until-end]

The program needs confluent-kafka and jsonschema. It validates every event against
docs/asyncapi.json. One integer per district decides the order, as docs/kafka.md says.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7

ISSUE = "gridcall.issue-reported.v1"
DOCUMENT = Path(__file__).parents[2] / "docs" / "asyncapi.json"


class Order:
    """The generation and the last position of each district, which decide the next record."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[int, int]] = {}

    def takes(self, district: str, generation: int, position: int) -> bool:
        """Return True for the next record, False for a repeat. Raises SystemExit at a gap."""
        known, last = self.last.get(district, (generation, 0))
        if generation > known and position <= last:
            sys.stderr.write(
                f"{district}: generation {generation} begins;"
                f" drop the rows from position {position} on\n"
            )
            last = position - 1
        if generation < known or position <= last:
            return False
        if position > last + 1:
            sys.exit(
                f"{district}: a gap after position {last}:"
                f" ask the service for GET /log/{district}?after={last}"
            )
        self.last[district] = (generation, position)
        return True


def read(address: str, topic: str, until_end: bool) -> None:
    """Print the hotline's issues, in the order of each district."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "read-intake",  # The library asks for one; nothing is committed under it.
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    if not partitions:
        sys.exit(f"there is no topic {topic} on {address}")
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    order, checks = Order(), checks_of(json.loads(DOCUMENT.read_text(encoding="utf-8")))
    ended: set[int] = set()
    while not (until_end and len(ended) == len(partitions)):
        record = consumer.poll(1.0)
        if record is None:
            continue
        if record.error() is None:
            take(record, order, checks)
        elif record.error().code() == KafkaError._PARTITION_EOF:
            ended.add(record.partition())
        else:
            raise KafkaException(record.error())
    consumer.close()


def take(record: Any, order: Order, checks: dict[str, Draft7Validator]) -> None:
    """Check a record. Print it if it is the next of its district and an issue of the hotline."""
    event = json.loads(record.value())
    if event["type"] in checks:  # The type of a new event is unknown, but its position counts.
        checks[event["type"]].validate(event)
    generation = int(dict(record.headers())["generation"])
    if order.takes(event["partitionkey"], generation, event["position"]):
        data = event["data"]
        if event["type"] == ISSUE and data["line"] == "hotline":
            sys.stdout.write(
                "  ".join((event["id"], event["time"], data["reference"], data["category"])) + "\n"
            )
            sys.stdout.flush()


def checks_of(document: Any) -> dict[str, Draft7Validator]:
    """Return a validator of the payload for each message of the topic, by its name."""
    registry: Registry[Any] = Registry().with_resource(
        "urn:gridcall", DRAFT7.create_resource(document)
    )
    names = document["channels"]["intake"]["messages"]
    payload = "urn:gridcall#/components/messages/{}/payload"
    return {
        name: Draft7Validator({"$ref": payload.format(name)}, registry=registry) for name in names
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the hotline's issues from gridcall.intake.")
    parser.add_argument("address", help="host:port of a broker")
    parser.add_argument(
        "--topic", default="gridcall.intake", help="its name in your cluster, if it is another one"
    )
    parser.add_argument("--until-end", action="store_true", help="stop at the end of the topic")
    options = parser.parse_args()
    try:
        read(options.address, options.topic, options.until_end)
    except KafkaException as fault:
        sys.exit(f"the broker at {options.address}: {fault}")
    except KeyboardInterrupt:
        sys.exit(130)
