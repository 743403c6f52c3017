"""The topics of Kafka: their names, and the records that say how far time has passed.

A shard's number in the first service's list is its partition in every topic. Positions count;
offsets are never stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from events.errors import Invalid
from events.instants import Instant

Headers = list[tuple[str, bytes]]

OWN_PREFIX = "gridcall"
CONTENT_TYPE = ("content-type", b"application/cloudevents+json; charset=UTF-8")
JSON = ("content-type", b"application/json")
GENERATION = "generation"
FOR_EVER = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
A_WEEK = {"retention.ms": str(7 * 24 * 3600 * 1000), "cleanup.policy": "delete"}
NEWEST = {"cleanup.policy": "compact", "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1"}


@dataclass(frozen=True)
class Access:
    """The proofs of a connection: `ca` checks the brokers, `user` and `password` are the client's.

    Without `ca` a connection is not encrypted, and without a user it is anonymous.
    """

    ca: Path | None = None
    user: str = ""
    password: str = field(default="", repr=False)


class Cluster(NamedTuple):
    """The brokers, as HOST:PORT,…, the prefix of a system's topics there, and the access to it."""

    brokers: str
    prefix: str = OWN_PREFIX
    access: Access = Access()

    @classmethod
    def parse(cls, text: str, access: Access = Access()) -> Cluster:
        """Read HOST:PORT,… or, if several systems share the brokers, HOST:PORT,…/PREFIX."""
        brokers, slash, prefix = text.partition("/")
        return cls(brokers, prefix if slash else OWN_PREFIX, access)

    def __str__(self) -> str:
        """Return where and as whom a program connects, for its messages."""
        user = f" as {self.access.user}" if self.access.user else ""
        return f"{self.brokers}{user}{' over TLS' if self.access.ca else ''}"

    def topic(self, log: str) -> str:
        """Return the topic that carries a log."""
        return f"{self.prefix}.{log}"

    @property
    def time(self) -> str:
        """The topic of the watermarks."""
        return f"{self.prefix}.time"

    def shared_topic(self, name: str) -> str:
        """Return the topic that other systems know by this name.

        The name has a prefix only if several systems share the brokers.
        """
        return name if self.prefix == OWN_PREFIX else f"{self.prefix}.{name}"


class Mark(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename={"position": "pos", "watermark": "w"},
):
    """A watermark on the topic of time: up to `position`, no more rows came before `watermark`.

    `head` is the hash in hex that covers all rows up to there, of a log that has one.
    """

    generation: int
    head: str = ""
    log: str
    position: int
    shard: str
    watermark: Instant


encode_mark = msgspec.json.Encoder().encode
read_mark = msgspec.json.Decoder(Mark).decode


def parse_mark(line: bytes) -> Mark:
    """Return the watermark of a record that somebody has stored. Raises Invalid."""
    try:
        return read_mark(line)
    except msgspec.DecodeError as fault:
        shown = line[:80].decode(errors="replace")
        raise Invalid("watermark", shown, str(fault)) from fault


class Topic(NamedTuple):
    """A topic as it should be."""

    name: str
    partitions: int
    settings: dict[str, str]


def log_topics(cluster: Cluster, logs: Iterable[str], shards: int) -> list[Topic]:
    """Return the topics of logs and of time for a number of shards; partitions only ever grow."""
    partitions = max(1, shards)
    return [
        *(Topic(cluster.topic(log), partitions, FOR_EVER) for log in logs),
        Topic(cluster.time, partitions, NEWEST),
    ]
