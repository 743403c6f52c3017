"""What the screen tells the page: plain values for JSON, as docs/screen.md lists them."""

from __future__ import annotations

from typing import Any

import msgspec

from eventlog.core.row import Row
from events.catalogue import (
    CallRaised,
    CaseWithheld,
    ClockStarted,
    IssueReported,
    PlaceClaim,
    ReferenceAdopted,
)
from events.registry import TYPE_OF, short_type
from screen.projection import SHOWN, Call, Case, View, order

HIDDEN = frozenset(
    {
        "case",
        "holder",
        "matter",
        "claims",
        "used",
        "rules",
        "issue",
        "source",
        "reference",
        "receiver",
    }
)
COUNTS = ("open", "overdue", "calling", "queued", "ended", "parked")


def whole(view: View, since: int) -> dict[str, Any]:
    """Everything, but of the grids those alone that changed after a version of the view."""
    grids = [grid for grid, version in view.touched.items() if version > since]
    return {
        "totals": {name: view.totals[name] for name in COUNTS},
        "lines": {line: line_told(view, line) for line in view.lines},
        "ladder": ladder(view),
        "events": [event_told(view, row) for row in reversed(view.events)],
        "grids": {grid: [view.grids[grid][name] for name in COUNTS[:3]] for grid in grids},
    }


def line_told(view: View, line: str) -> dict[str, Any]:
    """A line: its counts, and the issues that came last."""
    counts, known = view.lines[line], view.cases
    latest = [case_told(known[case]) for case in reversed(view.latest[line]) if case in known]
    return {name: counts[name] for name in ("accepted", "open", "overdue")} | {"latest": latest}


def ladder(view: View) -> dict[str, Any]:
    """Who must act next: the grid before a deadline, the street and the district before a call goes unanswered."""
    steps: dict[str, Any] = {
        "grid": [case_told(view.cases[case]) for case in view.running.first(SHOWN)]
    }
    for level, calls in view.called.items():
        cases = [(view.case_of_call(call), call) for call in calls.first(SHOWN)]
        steps[level] = [call_told(case, case.calls[call]) for case, call in cases]
    return {
        **steps,
        "counts": {"grid": len(view.running)}
        | {level: len(calls) for level, calls in view.called.items()},
    }


def case_told(case: Case) -> dict[str, Any]:
    """A case in a list."""
    return {
        "case": case.id,
        "reference": case.reference,
        "line": case.line,
        "category": case.category,
        "urgency": case.urgency,
        "grid": case.grid,
        "street": case.street,
        "state": "parked" if case.parked else case.state,
        "reported": case.reported,
        "due": case.due,
        "overdue": case.open and case.missed,
        "calling": case.calling,
    }


def call_told(case: Case, call: Call) -> dict[str, Any]:
    """A call in a list."""
    return {
        "call": call.id,
        "case": case.id,
        "category": case.category,
        "line": case.line,
        "grid": case.grid,
        "street": case.street,
        "to": call.to,
        "unit": call.unit,
        "because": call.because,
        "raised": call.raised,
        "answer_due": call.answer_due,
        "acknowledged": call.acknowledged,
    }


def event_told(view: View, row: Row) -> dict[str, Any]:
    """An event in a list."""
    case = view.cases.get(row.subject) or Case(row.subject)
    place = {"line": case.line, "grid": case.grid, "street": case.street}
    to = {"to": row.event.to_level} if isinstance(row.event, CallRaised) else {}
    return {"id": row.id, "ts": row.time, "type": word(row), "case": case.id, **place, **to}


def word(row: Row) -> str:
    """The type of an event in one word."""
    return short_type(TYPE_OF[type(row.event)].name)


def timeline(case: Case) -> dict[str, Any]:
    """The life of a case, and why it lies where it lies and is due when it is due."""
    rows = sorted(case.rows, key=order)
    return {
        "case": case_told(case),
        "why_here": why_here(case),
        "why_due": why_due(case.clock),
        "timeline": [
            {"id": row.id, "ts": row.time, "log": row.log, "type": word(row), "detail": detail(row)}
            for row in rows
        ],
    }


def why_here(case: Case) -> dict[str, Any] | None:
    """Which claim about its place won, and by which versions of reference data."""
    placed = case.placed
    if placed is None:
        return None
    return {
        "by": placed.located_by,
        "claims": [claim_told(claim) for claim in case.claims],
        "level": placed.holder.level,
        "grid": placed.holder.grid,
        "street": placed.holder.street,
        "row": placed.row if isinstance(placed, CaseWithheld) else None,
        "rules": list(placed.rules),
        "versions": msgspec.to_builtins(placed.used),
    }


def claim_told(claim: PlaceClaim) -> dict[str, Any]:
    """A claim about a place."""
    return {"by": claim.by, "lat": claim.lat, "lon": claim.lon, "code": claim.code}


def why_due(clock: ClockStarted | None) -> dict[str, Any] | None:
    """By which rule, from when until when: one interval, as long as limits count hours and calendar days alone."""
    if clock is None:
        return None
    intervals = [[clock.started, clock.due, clock.rule]]
    return {
        "rule": clock.rule,
        "policies": clock.policies,
        "started": clock.started,
        "due": clock.due,
        "intervals": intervals,
    }


def detail(row: Row) -> dict[str, Any]:
    """What an event says beside its case. Who did it is no business of this screen: it shows matters, not people."""
    if isinstance(row.event, IssueReported | ReferenceAdopted):
        return {}
    fields: dict[str, Any] = msgspec.to_builtins(row.event)
    shown = {
        name: value
        for name, value in fields.items()
        if name not in HIDDEN and name != "by" and value is not None
    }
    holder, receiver = fields.get("holder"), fields.get("receiver")
    if holder:
        shown["level"] = holder["level"]
    if receiver:
        shown["unit"] = receiver["unit"]
    return shown
