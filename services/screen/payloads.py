"""The payloads of the screen: plain values for JSON, as docs/screen.md lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from casebook import Call, Case
from eventlog.core.row import Row
from events.catalogue import (
    CallRaised,
    CaseQueued,
    CaseReassigned,
    CaseRouted,
    CaseWithheld,
    ClockStarted,
    IssueReported,
    PlaceClaim,
    ReferenceAdopted,
    ReopenedWithoutDeadline,
)
from events.registry import TYPE_OF
from screen.core.deadlines import Deadlines
from screen.core.projection import LATEST_MAX, CaseFile, DistrictProjection, row_order

Payload = dict[str, Any]
E = TypeVar("E")

OVERDUE_MAX = 200  # Of one answer.
DECISIONS_MAX = 40  # Of the latest events.
TOTALS = ("open", "overdue", "calling", "queued", "ended", "parked")
LINE_COUNTS = ("accepted", "open", "overdue")
GRID_COUNTS = ("open", "overdue", "calling")
# Fields of events that other members of the payload have, or that name people.
HIDDEN_FIELDS = frozenset({"by", "case", "issue", "source", "reference"})


def district_payload(projection: DistrictProjection, since: int) -> Payload:
    """Return a whole district; of its grids only those that changed after version `since`."""
    return {
        "totals": {name: projection.totals[name] for name in TOTALS},
        "lines": {line: line_payload(projection, line) for line in projection.lines},
        "ladder": ladder_payload(projection),
        "events": decisions_payload(projection),
        "grids": {
            grid: [projection.grids[grid][name] for name in GRID_COUNTS]
            for grid, version in projection.grid_versions.items()
            if version > since
        },
    }


def line_payload(projection: DistrictProjection, line: str) -> Payload:
    """Return the counts of a line and its latest cases."""
    counts, files = projection.lines[line], projection.files
    latest = [files[case] for case in reversed(projection.latest[line]) if case in files]
    return {
        **{name: counts[name] for name in LINE_COUNTS},
        "latest": [case_payload(file) for file in latest],
    }


def ladder_payload(projection: DistrictProjection) -> Payload:
    """Return who must act next: a grid on a case, a street or the district on a call."""
    levels: Mapping[str, Deadlines] = {"grid": projection.running, **projection.called}
    files = projection.files
    return {
        "grid": [case_payload(files[case]) for case in levels["grid"].first(LATEST_MAX)],
        **{level: calls_payload(projection, level) for level in projection.called},
        "counts": {level: len(deadlines) for level, deadlines in levels.items()},
    }


def calls_payload(projection: DistrictProjection, level: str) -> list[Payload]:
    """Return the open calls to a level, the soonest limit first."""
    calls = projection.called[level].first(LATEST_MAX)
    files = [(projection.file_of_call(call), call) for call in calls]
    return [call_payload(file.case, file.calls[call]) for file, call in files]


def case_payload(file: CaseFile) -> Payload:
    """Return a case for a list."""
    case = file.case
    return {
        "case": case.id,
        "reference": case.reference,
        "line": case.line,
        "category": case.category,
        "urgency": case.urgency,
        "grid": case.grid,
        "street": case.street,
        "state": "parked" if file.parked else case.stage,
        "reported": case.reported,
        "due": case.due,
        "overdue": case.overdue,
        "calling": file.highest_call,
    }


def call_payload(case: Case, call: Call) -> Payload:
    """Return a call for a list."""
    return {
        "call": call.id,
        "case": case.id,
        "category": case.category,
        "line": case.line,
        "grid": case.grid,
        "street": case.street,
        "to": call.to_level,
        "unit": call.unit,
        "because": call.because,
        "raised": call.raised,
        "answer_due": call.answer_due,
        "acknowledged": call.acknowledged is not None,
    }


def overdue_payload(projection: DistrictProjection, skip: int) -> Payload:
    """Return the overdue cases, the longest overdue first, without the first `skip` of them."""
    overdue, files = projection.overdue, projection.files
    cases = [case_payload(files[case]) for case in overdue.first(OVERDUE_MAX, skip)]
    return {"count": len(overdue), "cases": cases}


def decisions_payload(projection: DistrictProjection) -> list[Payload]:
    """Return the latest events, the newest first: those of one decision on a case in one item."""
    items: dict[tuple[str, int, str], Payload] = {}
    for row in reversed(projection.events):
        decision = row.log, row.position - row.step, row.subject
        if decision not in items:
            if len(items) == DECISIONS_MAX:
                break
            items[decision] = decision_payload(projection, row)
        items[decision]["events"].insert(0, event_name(row))
    return list(items.values())


def decision_payload(projection: DistrictProjection, row: Row) -> Payload:
    """Return a decision for a list, without its events. `id` is that of its last one."""
    file = projection.files.get(row.subject)
    case = file.case if file else Case(row.subject)
    return {
        "id": row.id,
        "ts": row.time,
        "events": [],
        "case": case.id,
        "line": case.line,
        "grid": case.grid,
        "street": case.street,
    }


def event_name(row: Row) -> str:
    """Return the type of an event without prefix and version.

    A call also names its level, and a reassignment the queue if it leads there.
    """
    match row.event:
        case CallRaised(to_level=level):
            return f"{type_name(row)}.{level}"
        case CaseReassigned(queued=True):
            return f"{type_name(row)}.queued"
        case _:
            return type_name(row)


def type_name(row: Row) -> str:
    """Return the type of an event without prefix and version."""
    return TYPE_OF[type(row.event)].short


def case_file_payload(file: CaseFile) -> Payload:
    """Return the life of a case, and the reasons for its place and its deadline."""
    rows = sorted(file.rows, key=row_order)
    return {
        "case": case_payload(file),
        "why_here": place_payload(file),
        "why_due": clock_payload(present_clock(file)),
        "timeline": timeline_payload(rows),
    }


def timeline_payload(rows: Sequence[Row]) -> list[Payload]:
    """Return the decisions on a case, the oldest first, each with its events and their details."""
    items: dict[tuple[str, int], Payload] = {}
    for row in rows:
        decision = row.log, row.position - row.step
        item = items.setdefault(
            decision, {"id": row.id, "ts": row.time, "log": row.log, "events": [], "detail": {}}
        )
        item["events"].append(event_name(row))
        item["detail"].update(detail_payload(row))
    return list(items.values())


def last_event(file: CaseFile, kind: type[E]) -> E | None:
    """Return the last event of a kind in the life of a case."""
    return next((row.event for row in reversed(file.rows) if isinstance(row.event, kind)), None)


def present_clock(file: CaseFile) -> ClockStarted | None:
    """Return the start of the clock that gave a case its deadline; None if it has none."""
    for row in reversed(file.rows):
        match row.event:
            case ClockStarted() as clock:
                return clock
            case ReopenedWithoutDeadline():
                return None
    return None


def last_placement(
    file: CaseFile,
) -> CaseRouted | CaseQueued | CaseWithheld | CaseReassigned | None:
    """Return the last event that gave the case a place."""
    for row in reversed(file.rows):
        if isinstance(row.event, CaseRouted | CaseQueued | CaseWithheld | CaseReassigned):
            return row.event
    return None


def place_payload(file: CaseFile) -> Payload | None:
    """Return the claims about the place, the one that won, and the reference data used."""
    placed = last_placement(file)
    if placed is None:
        return None
    issue = last_event(file, IssueReported)
    return {
        "by": placed.located_by,
        "claims": [claim_payload(claim) for claim in issue.claims] if issue else [],
        "level": placed.holder.level,
        "grid": placed.holder.grid,
        "street": placed.holder.street,
        "row": getattr(placed, "row", "") or None,
        "rules": list(placed.rules),
        "versions": msgspec.to_builtins(placed.used),
    }


def claim_payload(claim: PlaceClaim) -> Payload:
    """Return a claim about a place."""
    return {"by": claim.by, "lat": claim.lat, "lon": claim.lon, "code": claim.code}


def clock_payload(clock: ClockStarted | None) -> Payload | None:
    """Return the rule of a deadline and the intervals that it counts.

    There is one interval, as long as limits count only hours and calendar days.
    """
    if clock is None:
        return None
    return {
        "rule": clock.rule,
        "policies": clock.policies,
        "started": clock.started,
        "due": clock.due,
        "intervals": [[clock.started, clock.due, clock.rule]],
    }


def detail_payload(row: Row) -> Payload:
    """Return the plain fields of an event that say more than its type.

    Values inside an event may name people, so none of them is shown as a whole.
    """
    if isinstance(row.event, IssueReported | ReferenceAdopted):
        return {}
    fields: Payload = msgspec.to_builtins(row.event)
    detail = {
        name: value
        for name, value in fields.items()
        if name not in HIDDEN_FIELDS and isinstance(value, str | int) and value != ""
    }
    if holder := fields.get("holder"):
        detail["level"] = holder["level"]
    if receiver := fields.get("receiver"):
        detail["unit"] = receiver["unit"]
    return detail
