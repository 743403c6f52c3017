"""Answers and log rows as the walk-through shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from events.instants import EPOCH, MICROSECOND, Instant
from events.registry import short_type
from gridcall.demo.licheng.units import ZONE
from gridcall.demo.sandbox import StepFailed

SHOWN_FIELDS = frozenset(
    {
        "status", "reference", "id", "tracking", "position", "time", "outcome", "declined",
        "because", "events", "type", "detail", "title", "category", "urgency", "matter", "holder",
        "level", "grid", "worker", "located_by", "from_level", "to_level", "receiver", "unit",
        "officer", "rule", "by", "root_cause",
    }
)  # fmt: skip
TAIL_LINE = re.compile(r"^ *(\d+)  (\S+) +(\S+) +\S+ +(\{.*\})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of a log. `kind` is its short type."""

    position: int
    time: datetime
    kind: str
    data: dict[str, Any]

    def __str__(self) -> str:
        wall_time = f"{self.time.astimezone(ZoneInfo(ZONE)):%H:%M:%S}"
        return f"{self.position:>4}  {wall_time}  {self.kind:17}  {short_json(self.data)}"


def short_json(value: Any) -> str:
    """Return JSON with an ellipsis for fields that are not shown."""
    return json.dumps(shorten(value), ensure_ascii=False).replace('"…": "…"', "…")


def shorten(value: Any) -> Any:
    """Return the shown fields, with an ellipsis for others and for the rest of a long id."""
    match value:
        case dict():
            shown = {
                name: shorten(inner)
                for name, inner in value.items()
                if name in SHOWN_FIELDS and inner is not None
            }
            return shown if len(shown) == len(value) else {**shown, "…": "…"}
        case list():
            return [shorten(inner) for inner in value]
        case str() if re.fullmatch("[0-9a-f]{32}", value):
            return value[:8] + "…"
    return value


def parse_tail(text: str) -> list[LogRow]:
    """Return the rows that `gridcall tail` printed."""
    return [
        LogRow(int(position), datetime.fromisoformat(time), kind, json.loads(data))
        for position, time, kind, data in TAIL_LINE.findall(text)
    ]


def parse_log(text: str) -> list[LogRow]:
    """Return the rows of a log over HTTP."""
    return [
        LogRow(
            event["position"],
            datetime.fromisoformat(event["time"]),
            short_type(event["type"]),
            event["data"],
        )
        for event in map(json.loads, text.splitlines())
    ]


def first_of(kind: str, rows: Sequence[LogRow]) -> LogRow:
    """Return the first row of a kind. Raises StepFailed if there is none."""
    row = next((row for row in rows if row.kind == kind), None)
    if row is None:
        kinds = ", ".join(row.kind for row in rows) or "no rows"
        raise StepFailed(f"no {kind} among {kinds}")
    return row


def wall_clock(at: Instant) -> str:
    """Return the district's time of day at an instant."""
    return f"{(EPOCH + at * MICROSECOND).astimezone(ZoneInfo(ZONE)):%H:%M}"


def require(condition: object, otherwise: str) -> None:
    """Raise StepFailed if a condition is false."""
    if not condition:
        raise StepFailed(otherwise)
