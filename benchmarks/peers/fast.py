"""FastStream in batches: a subscriber whose answers are published to another topic.

fast.py BROKER IN OUT
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker

BATCH, BYTES = 500, 1 << 19  # That fit into one write to the broker.


def main(address: str, source: str, sink: str) -> None:
    """Run until the process ends."""
    broker = KafkaBroker(address, acks="all", max_batch_size=BYTES)

    @broker.subscriber(
        source, group_id=sink, auto_offset_reset="earliest", batch=True, max_records=BATCH
    )
    @broker.publisher(sink, batch=True)
    async def report(bodies: list[bytes]) -> list[dict[str, Any]]:
        return [answer_to(json.loads(body)) for body in bodies]

    asyncio.run(FastStream(broker).run())


def answer_to(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event about an issue."""
    return {
        "type": "case-reported",
        "case": event["subject"],
        "category": event["data"].get("category"),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
