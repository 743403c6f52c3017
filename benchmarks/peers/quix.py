"""Quix Streams, as its users write it: a stateful fold over a topic, and an event for each issue.

quix.py BROKER IN OUT FOLDER GUARANTEE
"""

from __future__ import annotations

import sys
from typing import Any, Literal

from quixstreams import Application, State


def main(
    broker: str,
    source: str,
    sink: str,
    folder: str,
    guarantee: Literal["at-least-once", "exactly-once"],
) -> None:
    """Run until the process ends."""
    app = Application(
        broker_address=broker,
        consumer_group=sink,
        auto_offset_reset="earliest",
        state_dir=folder,
        auto_create_topics=True,
        processing_guarantee=guarantee,
    )
    frame = app.dataframe(app.topic(source, value_deserializer="json"))

    def fold(event: dict[str, Any], state: State) -> dict[str, Any]:
        known = state.get(event["subject"], default=None)
        case = known or {"case": event["subject"], "events": 0, "reported": event["time"]}
        case["events"] += 1
        state.set(event["subject"], case)
        return {
            "type": "case-reported",
            "case": case["case"],
            "category": event["data"].get("category"),
            "seq": case["events"],
        }

    frame.apply(fold, stateful=True).to_topic(app.topic(sink, value_serializer="json"))
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
