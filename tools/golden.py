"""The golden lines: `python -m tools.golden` appends a line for each event that has none.

A golden line is an envelope of an event with something in every field. Once published it never
changes, so that every log ever written still reads.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import events.catalogue  # noqa: F401  # It fills the registry.
from eventlog.codec import envelope
from eventlog.core.row import Row
from events.registry import CATALOGUE, EventType

GOLDEN = Path(__file__).parents[1] / "tests" / "unit" / "golden" / "events-v1.jsonl"
TIME = 1_420_089_609_000_000
EXAMPLES: dict[type[Any], Any] = {
    int: TIME,
    float: 53.335,
    bool: True,
    date: date(2015, 1, 1),
    dict: {"action": "a1"},
}


def missing_types(lines: list[bytes]) -> list[EventType]:
    """Return the types of the catalogue that have no line."""
    known = {json.loads(line)["type"] for line in lines}
    return [kind for name, kind in CATALOGUE.items() if name not in known]


def example_line(kind: EventType, position: int) -> bytes:
    """Return the envelope of an example of an event."""
    event = example_event(kind.cls)
    time = TIME + position
    return envelope(
        Row(kind.logs[0], "city", position, time, position, 1, "c" * 32, position, "", event)
    )


def example_event(cls: type[Any]) -> Any:
    """Return an event or a value with something in every field."""
    hints = get_type_hints(cls)
    return cls(**{each.name: example_value(hints[each.name], each.name) for each in fields(cls)})


def example_value(hint: Any, name: str) -> Any:
    """Return an example of a type. `X | None` is an X, and a literal its first value."""
    args = get_args(hint)
    if is_dataclass(hint):
        return example_event(hint)  # type: ignore[arg-type]
    if hint is str:
        return f"{name}-ä"
    if example := EXAMPLES.get(get_origin(hint) or hint):
        return example
    if args and args[-1] is Ellipsis:
        return (example_value(args[0], name),)
    return example_value(args[0], name) if isinstance(args[0], type) else args[0]


def main() -> None:
    """Append the missing lines, and print their types."""
    lines = GOLDEN.read_bytes().splitlines()
    for kind in missing_types(lines):
        lines.append(example_line(kind, len(lines) + 1))
        print(f"added {kind.name}")
    GOLDEN.write_bytes(b"".join(line + b"\n" for line in lines))


if __name__ == "__main__":
    main()
