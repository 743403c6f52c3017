"""The relay publishes what a service has committed to Kafka, in order.

Rows are published after the position in the table `sent`, and the position moves when the broker
has acknowledged them. A crash publishes some rows twice, and leaves out none. A reader takes each
position once (reader.py), so that a doubled, restarted or zombie relay harms nobody. No commit
waits for a relay.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from eventlog.codec import Entry, entry_envelope
from eventlog.core.row import Generation, Watermark
from eventlog.kafka.publisher import NO_TRACES, Publisher
from eventlog.kafka.topics import CONTENT_TYPE, GENERATION, JSON, Mark, encode_mark
from eventlog.log_once import LogOnce, Outages
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.outbox import advance_published, take_published
from eventlog.retry import Backoff
from eventlog.tracing import BatchSpan, span_block
from events.errors import Halted, Unavailable
from events.instants import BEGINNING
from httpedge.telemetry import batch_time

ROWS_MAX = 1000  # Rows of one read.
POLL_SECONDS = 1.0  # A relay looks by itself this often, in case a notification was lost.
log = logging.getLogger("gridcall")


class Relay:
    """Publishes one shard of a log for as long as it has the lease. Relays beside it wait.

    `published` is the position up to which all rows are published, None while it is not known.
    """

    def __init__(
        self,
        source: PostgresLog,
        shard: str,
        partition: int,
        publisher: Publisher,
        outages: Outages | None = None,
    ) -> None:
        self.source = source
        self.shard = shard
        self.partition = partition
        self.publisher = publisher
        self.published: int | None = None
        self._generation = Generation(0)
        self._announced = BEGINNING
        self._backoff = Backoff()
        self._outages = outages or Outages(log, source.schema)
        self._log = LogOnce(log, service=source.schema, district=shard)

    async def run(self) -> None:
        """Publish until cancelled."""
        source, shard = self.source, self.shard
        name = f"{source.name}/{shard} is not published"
        while True:
            count = source.notifier.count(source.name, shard)
            try:
                if await self.step():
                    continue
                seconds = POLL_SECONDS
                self._outages.end(name)
                self._log.clear()
                self._backoff.reset()
            except Unavailable as fault:
                seconds = self._pause_seconds()
                self._outages.begin(name, fault)
            except Halted as fault:
                seconds = self._pause_seconds()
                self._log.warning(f"{name}, retrying: {fault}")
            await source.notifier.wait(source.name, shard, count, seconds)

    def _pause_seconds(self) -> float:
        """Return the pause before the next try. The published position is looked up again."""
        self.published = None
        return self._backoff.pause_seconds()

    async def step(self) -> int:
        """Publish the next rows, or the watermark; return the number of rows."""
        mark, generation, digest = await self.source.head(self.shard)
        if generation != self._generation:
            # The position of another generation says nothing about this one.
            self.published, self._generation, self._announced = None, generation, BEGINNING
        if self.published is None or mark.position <= self.published:
            self.published = await take_published(self.source, self.shard)
        if self.published is None:
            return 0
        entries: Sequence[Entry] = ()
        if mark.position > self.published:
            entries = await self.source.entries(self.shard, self.published, ROWS_MAX)
        if entries and generation == await self.source.generation(self.shard):
            await self._publish_rows(entries, generation)
            last = entries[-1].position
            self.published = await advance_published(self.source, self.shard, last)
        elif mark.watermark > self._announced:
            await self._publish_mark(mark, generation, digest)
            self._announced = mark.watermark
        return len(entries)

    async def _publish_rows(self, entries: Sequence[Entry], generation: Generation) -> None:
        name, shard = self.source.name, self.shard
        records = [(shard.encode(), entry_envelope(name, shard, each)) for each in entries]
        headers = [CONTENT_TYPE, generation_header(generation)]
        topic = self.publisher.cluster.topic(name)
        span, traces = self._trace(entries)
        with span_block(span), batch_time(name, "publish"):
            await self.publisher.publish(topic, self.partition, records, headers, traces)

    def _trace(self, entries: Sequence[Entry]) -> tuple[BatchSpan | None, Mapping[int, str]]:
        """Return the span of a batch, and the contexts of its rows by their numbers."""
        tracing, name = self.source.tracing, self.source.name
        if tracing is None:
            return None, NO_TRACES
        contexts = [
            tracing.contexts.get(f"{name}/{self.shard}/{each.position}") for each in entries
        ]
        traces = {number: context for number, context in enumerate(contexts) if context}
        inputs = {f"{name}/{number}": context for number, context in traces.items()}
        return tracing.begin_batch("publish", name, inputs, len(entries), self.shard), traces

    async def _publish_mark(self, mark: Watermark, generation: Generation, digest: bytes) -> None:
        name, shard = self.source.name, self.shard
        value = encode_mark(
            Mark(
                generation=generation.number,
                head=digest.hex(),
                log=name,
                position=mark.position,
                shard=shard,
                watermark=mark.watermark,
            )
        )
        records = [(f"{name}/{shard}".encode(), value)]
        headers = [JSON, generation_header(generation)]
        topic = self.publisher.cluster.time
        await self.publisher.publish(topic, self.partition, records, headers)


def generation_header(generation: Generation) -> tuple[str, bytes]:
    """Return the header that names the generation of a record."""
    return GENERATION, str(generation.number).encode()
