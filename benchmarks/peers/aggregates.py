"""An application of the package eventsourcing, as its users write it, on Postgres.

aggregates.py DATABASE HOST

Each line of standard input is a command. The answer is a line of JSON: the seconds that it took,
and the seconds of this process. `save SIZE COUNT` makes COUNT aggregates, SIZE in each save.
`replay SIZE` reads the log in sections of SIZE, and folds every aggregate from its events.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate
from eventsourcing.system import NotificationLogReader


class Issue(Aggregate):
    """An issue with the fields of one of gridcall's."""

    def __init__(self, reference: str, category: str, due: int, lat: float, lon: float) -> None:
        self.reference = reference
        self.category = category
        self.due = due
        self.lat = lat
        self.lon = lon


class Issues(Application[Any]):
    """The application that saves them."""

    log_section_size = 10_000


def save(issues: Issues, size: int, count: int) -> int:
    """Make aggregates, and save so many at a time. Return their number."""
    for start in range(0, count, size):
        numbers = range(start, start + size)
        issues.save(*(Issue(f"D-{n:06}", "Noise", 1_767_225_600, 53.335, -6.285) for n in numbers))
    return count


def replay(issues: Issues, size: int) -> int:
    """Fold all aggregates from the log. Return the number of events."""
    states: dict[Any, Any] = {}
    count = 0
    for notification in NotificationLogReader(issues.notification_log, size).read(start=1):
        event: Any = issues.mapper.to_domain_event(notification)
        states[event.originator_id] = event.mutate(states.get(event.originator_id))
        count += 1
    assert len(states) == count, "each aggregate has one event"
    return count


def main(database: str, host: str) -> None:
    """Answer commands until standard input ends."""
    settings = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": database,
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": "5432",
        "POSTGRES_USER": "postgres",
        "POSTGRES_PASSWORD": "none",
    }
    issues = Issues(settings)
    commands: dict[str, Callable[..., int]] = {"save": save, "replay": replay}
    for line in sys.stdin:
        name, *sizes = line.split()
        wall, cpu = time.perf_counter(), time.process_time()
        count = commands[name](issues, *map(int, sizes))
        seconds, busy = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"count": count, "seconds": seconds, "busy": busy}), flush=True)
    issues.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
