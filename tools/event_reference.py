"""Make docs/events.md from the catalogue: `python -m tools.event_reference` prints it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any, TypeGuard

from events.registry import TYPE_OF, newer_version

CHAPTERS = ("values", "reference", "issues", "cases", "calls", "outcomes", "evaluations")

HEAD = """# Events

Made from `libs/events/catalogue/` by `make docs`; `make check` fails when they differ.

Every event, in the order of a case's life. An event is stored, hashed and published as a
CloudEvents 1.0 JSON object (`libs/eventlog/codec.py`): sorted keys, no spaces, UTF-8. Beside the
attributes of the specification it has these:

| attribute | meaning |
|---|---|
| `id` | log/shard/position: unique for ever |
| `position` | its place in the log of its district: 1, 2, 3 … without gaps |
| `input` | the last input position that was applied when it was made; 0 in intake's log |
| `step` | its number within its decision; only the first lets time pass |
| `subject`, `sequence` | the aggregate, and its number there: 1, 2, 3 … |
| `causationid` | the row or clock from which it follows; absent if that is outside |
| `partitionkey` | the district |
| `dataclassification` | `personal` if a worker or an officer is named by code, else `internal` |

An `Instant` in `data` is an integer: microseconds since 1970-01-01T00:00:00Z. null means unknown,
or not applicable. `Code`, `Word` and `CallId` are texts with limits (`libs/events/texts.py`).

A type ends in its version. A log keeps each event in the version in which it was written, and
earlier versions stay in this list. [kafka.md](kafka.md#versions) says what a reader does with them.
"""


def render() -> str:
    """Return the whole document."""
    parts = [HEAD]
    for section, classes in sections():
        parts.append(f"## {section}\n")
        parts += [entry(cls) for cls in classes]
    return "\n".join(parts)


def sections() -> Iterator[tuple[str, list[type[Any]]]]:
    """Yield each chapter of the catalogue: its title, and its values and events in their order."""
    for name in CHAPTERS:
        chapter = import_module(f"events.catalogue.{name}")
        title = (chapter.__doc__ or "").strip().rstrip(".")
        yield (
            title,
            [each for each in vars(chapter).values() if is_declared(each, chapter.__name__)],
        )


def is_declared(each: object, chapter: str) -> TypeGuard[type[Any]]:
    """Tell a value or an event of this chapter from what the chapter imports."""
    return isinstance(each, type) and is_dataclass(each) and each.__module__ == chapter


def entry(cls: type[Any]) -> str:
    """Return the section of an event, or of a value that events carry."""
    kind = TYPE_OF.get(cls)
    words = inspect.cleandoc(cls.__doc__ or "")
    lines = [f"### {cls.__name__}", ""]
    if kind:
        logs = ", ".join(f"`{log}`" for log in kind.logs)
        lines += [f"`{kind.name}` · in {logs} · {'personal' if kind.personal else 'internal'}", ""]
    if kind and (newer := newer_version(kind)):
        lines += [f"An earlier version: it is read as `{newer.name}`.", ""]
    lines += [words, "", "| field | type |", "|---|---|"]
    lines += [
        f"| `{field.name}` | `{str(field.type).replace('|', chr(92) + '|')}` |"
        for field in fields(cls)
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(render(), end="")
