"""FastStream, as its users write it: a subscriber whose answer is published to another topic.

fast.py BROKER IN OUT
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker


def main(address: str, source: str, sink: str) -> None:
    """Run until the process ends."""
    broker = KafkaBroker(address, acks="all")

    @broker.subscriber(source, group_id=sink, auto_offset_reset="earliest")
    @broker.publisher(sink)
    async def report(body: bytes) -> dict[str, Any]:
        event = json.loads(body)
        return {
            "type": "case-reported",
            "case": event["subject"],
            "category": event["data"].get("category"),
        }

    asyncio.run(FastStream(broker).run())


if __name__ == "__main__":
    main(*sys.argv[1:])
