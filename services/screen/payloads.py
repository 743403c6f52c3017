"""The payloads of the screen: plain values for JSON, as docs/screen.md lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from casebook import Call, Case
from eventlog.core.row import Row
from events.catalogue import (
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
from screen.core.case_file import LOGS, CaseFile
from screen.core.fold import ListedEvent, event_name, row_order
from screen.store.lists import CallPage, CasePage
from screen.store.pages import Board

Payload = dict[str, Any]
E = TypeVar("E")

DECISIONS_MAX = 40  # Of the latest events.
TOTALS = ("open", "overdue", "calling", "queued", "ended", "parked")
LINE_COUNTS = ("accepted", "open", "overdue")
# Fields of events that other members of the payload have, or that name people.
HIDDEN_FIELDS = frozenset({"by", "case", "issue", "source", "reference"})


def board_payload(board: Board) -> Payload:
    """Return a whole district; of its grids only those that the board has."""
    totals = board.totals
    return {
        "totals": {name: totals[name] for name in TOTALS},
        "lines": {
            line: {
                **{name: figures[name] for name in LINE_COUNTS},
                "latest": [case_payload(file) for file in board.latest[line]],
            }
            for line, figures in board.lines.items()
        },
        "ladder": {
            "grid": [case_payload(file) for file in board.deadlines],
            **{level: calls_payload(calls) for level, calls in board.calls.items()},
            "counts": {
                "grid": totals["open"] - totals["overdue"],
                **{level: totals[f"{level}_calls"] for level in board.calls},
            },
        },
        "events": decisions_payload(board.events),
        "grids": board.grids,
    }


def calls_payload(calls: Sequence[tuple[CaseFile, str]]) -> list[Payload]:
    """Return open calls for a list."""
    return [call_payload(file.case, file.calls[call]) for file, call in calls]


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
        "ended": case.ended,
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


def case_page_payload(page: CasePage, count: int) -> Payload:
    """Return a page of a list of cases, the length of the list, and where the next page begins."""
    cases = [case_payload(file) for file in page.files]
    return {"count": count, "cases": cases, "next": str(page.next) if page.next else None}


def call_page_payload(page: CallPage, count: int) -> Payload:
    """Return a page of a list of calls, the length of the list, and where the next page begins."""
    next_page = str(page.next) if page.next else None
    return {"count": count, "calls": calls_payload(page.calls), "next": next_page}


def decisions_payload(events: Sequence[tuple[ListedEvent, CaseFile | None]]) -> list[Payload]:
    """Return the latest events, the newest first: those of one decision on a case in one item."""
    items: dict[tuple[int, int, str], Payload] = {}
    for event, file in events:
        decision = event.log, event.start, event.case
        if decision not in items:
            if len(items) == DECISIONS_MAX:
                break
            items[decision] = decision_payload(event, file)
        items[decision]["events"].insert(0, event.name)
    return list(items.values())


def decision_payload(event: ListedEvent, file: CaseFile | None) -> Payload:
    """Return a decision for a list, without its events. `id` is that of its last one."""
    case = file.case if file else Case(event.case)
    return {
        "id": f"{LOGS[event.log]}/{event.position}",
        "ts": event.time,
        "events": [],
        "case": case.id,
        "line": case.line,
        "grid": case.grid,
        "street": case.street,
    }


def life_payload(file: CaseFile, life: Sequence[Row]) -> Payload:
    """Return the life of a case, and the reasons for its place and its deadline."""
    rows = sorted(life, key=row_order)
    return {
        "case": case_payload(file),
        "why_here": place_payload(rows),
        "why_due": clock_payload(present_clock(rows)),
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


def last_event(rows: Sequence[Row], kind: type[E]) -> E | None:
    """Return the last event of a kind in the life of a case."""
    return next((row.event for row in reversed(rows) if isinstance(row.event, kind)), None)


def present_clock(rows: Sequence[Row]) -> ClockStarted | None:
    """Return the start of the clock that gave a case its deadline; None if it has none."""
    for row in reversed(rows):
        match row.event:
            case ClockStarted() as clock:
                return clock
            case ReopenedWithoutDeadline():
                return None
    return None


def last_placement(
    rows: Sequence[Row],
) -> CaseRouted | CaseQueued | CaseWithheld | CaseReassigned | None:
    """Return the last event that gave the case a place."""
    for row in reversed(rows):
        if isinstance(row.event, CaseRouted | CaseQueued | CaseWithheld | CaseReassigned):
            return row.event
    return None


def place_payload(rows: Sequence[Row]) -> Payload | None:
    """Return the claims about the place, the one that won, and the reference data used."""
    placed = last_placement(rows)
    if placed is None:
        return None
    issue = last_event(rows, IssueReported)
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
