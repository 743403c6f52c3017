"""The screen's read model of one district: a fold of its logs over the casebook.

A fold is given the files that its rows concern, and says what has changed. So nothing is kept
between two of them. The order in which the logs are read against each other changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import nlargest
from typing import NamedTuple

from casebook import CALL_CHANGES, CallChange, Case, evolve_call, evolve_case, raised_call
from eventlog.core.row import Row
from events.catalogue import (
    CallAcknowledged,
    CallAnswered,
    CallRaised,
    CallWithdrawn,
    CaseParked,
    CaseReassigned,
    CaseReported,
    CaseRetried,
    DeadlineMissed,
    Event,
    InputDeclined,
    IssueReported,
    PoliciesAdopted,
    ReferenceAdopted,
)
from events.instants import Instant
from events.registry import TYPE_OF, newest_types
from screen.core.case_file import LOGS, CaseFile, Tally

# Of the read model. A build that folds, packs or sorts otherwise has a higher one, and builds a
# model of its own beside the live one.
VERSION = 1
LOG_ORDER = {log: number for number, log in enumerate(LOGS)}
EVENTS_MAX = 60  # Latest events of the district.
SHOWN_CONTENTS = frozenset({"map", "names"})  # The kinds of reference data that the page draws.
ZONE = "zone"

# The events among the latest: those that bring a case on, and those about deadlines and calls.
LISTED_EVENTS = frozenset(
    {
        *(kind.cls for kind in newest_types() if kind.case_stage),
        CaseParked, CaseRetried, DeadlineMissed, *CALL_CHANGES,
    }
    - {CaseReported}
)  # fmt: skip


class ListedEvent(NamedTuple):
    """A row among the latest events. The fields are in the order by which they are sorted.

    At one instant a cause precedes its effect. Rows of one decision have one `start`.
    """

    time: Instant
    log: int
    position: int
    start: int
    name: str
    case: str


class Fold:
    """The next rows of a district over the `files` of the cases that they concern.

    `settings` has the digest of each kind of content that the page draws, and the time zone.
    `changed` has the files of the cases that changed, `called` those whose open calls may have,
    and `tallies` by how much counts did.
    """

    def __init__(self, files: Mapping[str, CaseFile], settings: Mapping[str, str]) -> None:
        self.settings = dict(settings)
        self.positions: dict[str, int] = {}
        self.inputs: dict[str, int] = {}
        self.times: dict[str, Instant] = {}
        self.changed: dict[str, CaseFile] = {}
        self.called: dict[str, CaseFile] = {}
        self.tallies: Counter[Tally] = Counter()
        self.events: list[ListedEvent] = []
        self._files = dict(files)

    def apply(self, rows: Iterable[Row]) -> None:
        """Fold the next rows of one log. Their events are in the newest version."""
        for row in rows:
            self.positions[row.log] = row.position
            self.inputs[row.log] = row.input
            self.times[row.log] = row.time
            self._apply(row)

    def finish(self) -> None:
        """Count what changed, a case that changed several times once, and the latest events."""
        for file in self.changed.values():
            self.tallies.update(file.tallies())
        self.events = nlargest(EVENTS_MAX, self.events)

    def _apply(self, row: Row) -> None:
        match row.event:
            case ReferenceAdopted(kind=kind, digest=digest) if row.log == "intake":
                if kind in SHOWN_CONTENTS:
                    self.settings[kind] = digest
            case PoliciesAdopted(zone=zone) if row.log == "calls":
                self.settings[ZONE] = zone
            case event:
                name = concerned_case(row)
                if name is not None and not self._is_about_nothing(row, name):
                    self._apply_to_case(self._take(name), event, row)

    def _is_about_nothing(self, row: Row, name: str) -> bool:
        """Return True for a declined action whose case was never opened, and perhaps never is."""
        if row.log != "cases" or not isinstance(row.event, InputDeclined):
            return False
        file = self._files.get(name)
        return file is None or not file.opened

    def _take(self, name: str) -> CaseFile:
        """Return the file of a case, which is no part of any count from now on."""
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = CaseFile(Case(name))
        if name not in self.changed:
            self.changed[name] = file
            self.tallies.subtract(file.tallies())
        return file

    def _apply_to_case(self, file: CaseFile, event: Event, row: Row) -> None:
        evolve_case(file.case, row)
        file.opened |= isinstance(event, CaseReported)
        if isinstance(event, CallChange):
            apply_to_calls(file, event, row.time)
            self.called[file.case.id] = file
        file.life.setdefault(row.log, []).append(row.position)
        if type(event) in LISTED_EVENTS:
            self.events.append(listed_event(row, file.case.id))


def apply_to_calls(file: CaseFile, event: CallChange, time: Instant) -> None:
    """Change the open calls of a case."""
    match event:
        case CallRaised(call=call):
            file.calls[call] = raised_call(event, time)
        case CallAcknowledged(call=call) if call in file.calls:
            evolve_call(file.calls[call], event, time)
        case CallAnswered(call=call) | CallWithdrawn(call=call):
            file.calls.pop(call, None)


def concerned_case(row: Row) -> str | None:
    """Return the case that a row is about; None if it is about none."""
    if isinstance(row.event, IssueReported):
        return row.event.issue
    return getattr(row.event, "case", None) or None if row.log != "intake" else None


def concerned_cases(rows: Iterable[Row]) -> list[str]:
    """Return the cases that rows are about, each once, sorted."""
    return sorted({case for row in rows if (case := concerned_case(row))})


def listed_event(row: Row, case: str) -> ListedEvent:
    """Return a row about a case as it is listed among the latest events."""
    start, order = row.position - row.step, LOG_ORDER[row.log]
    return ListedEvent(row.time, order, row.position, start, event_name(row), case)


def row_order(row: Row) -> tuple[Instant, int, int]:
    """Return the sort key of rows of several logs: at one instant a cause precedes its effect."""
    return row.time, LOG_ORDER[row.log], row.position


def event_name(row: Row) -> str:
    """Return the type of an event without prefix and version.

    A call also names its level, and a reassignment the queue if it leads there.
    """
    name = TYPE_OF[type(row.event)].short
    match row.event:
        case CallRaised(to_level=level):
            return f"{name}.{level}"
        case CaseReassigned(queued=True):
            return f"{name}.queued"
        case _:
            return name
