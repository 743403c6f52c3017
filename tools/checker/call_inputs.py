"""Inputs of escalation: the rows of `cases` that concern clocks or calls."""

from __future__ import annotations

from typing import NamedTuple

from tools.checker.rows import REFERENCE, Row, Unreadable

PLACED = {"case-routed": "open", "case-withheld": "open", "case-queued": "queued"}
CALL_ACTIONS = ("acknowledgement-passed-on", "answer-passed-on")
ASSIGNS = (*PLACED, "case-reopened")  # Somebody has the case from now on, with or without clock.
REASSIGNED = "case-reassigned"  # Somebody else has it, with the clock that runs.
DEADLINE_KEYS = ("line", "category", "urgency")
ENDED = ("case-closed", "case-withdrawn", "case-ended-at-source")
RETRY = "retry-passed-on"
CALL_INPUTS = (
    *ASSIGNS,
    REASSIGNED,
    *ENDED,
    *CALL_ACTIONS,
    RETRY,
    "policies-adopted",
)  # By escalation.


class Policies(NamedTuple):
    """Policies: the time to answer a call, and the rows that give a matter a deadline."""

    name: str | None = None
    within: int | None = None
    limits: tuple[tuple[str, ...], ...] = ()

    def limit(self, matter: tuple[str, ...]) -> bool:
        return any(
            all(row in ("*", of) for row, of in zip(limit, matter, strict=True))
            for limit in self.limits
        )


class CallInput(NamedTuple):
    """A row of `cases` that concerns clocks or calls: an input of escalation.

    `call` is the call of an action. `level` has the case from now on, and `due` is the time
    that the line promised. `matter` is what a deadline depends on: line, category, urgency.
    """

    position: int
    kind: str
    case: str
    call: str | None = None
    level: str | None = None
    due: int | None = None
    matter: tuple[str, ...] = ()
    policies: Policies | None = None


def call_input(row: Row) -> CallInput:
    if row.kind == "policies-adopted":
        return CallInput(row.position, row.kind, REFERENCE, policies=policies_of(row))
    if row.kind in CALL_ACTIONS:
        return CallInput(row.position, row.kind, row.subject, call=row.text("call"))
    if row.kind in (*ENDED, RETRY):
        return CallInput(row.position, row.kind, row.subject)
    if row.kind == REASSIGNED:
        level = row.text("holder", "level")
        return CallInput(row.position, row.kind, row.subject, level=level)
    matter = tuple(row.text("matter", key) for key in DEADLINE_KEYS)
    return CallInput(
        row.position,
        row.kind,
        row.subject,
        None,
        row.text("holder", "level"),
        row.instant("matter", "due"),
        matter,
    )


def policies_of(row: Row) -> Policies:
    try:
        limits = tuple(tuple(limit[key] for key in DEADLINE_KEYS) for limit in row.field("limits"))
    except (KeyError, TypeError) as fault:
        raise Unreadable(f"{row.name} has limits that are none: {fault}") from fault
    return Policies(row.text("name"), row.instant("answer_within"), limits)
