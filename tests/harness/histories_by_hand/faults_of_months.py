"""Faults of guarantee 4: a month that is counted wrong, and inputs in another order."""

from __future__ import annotations

from tests.harness.histories_by_hand.planting import Fault, change, move_head, remove, tell

MONTHS: dict[str, Fault] = {
    "a month is not counted": (
        remove("evaluations", "month-scheduled"),
        "month",
        "is nothing, and must be",
    ),
    "a month ends at another instant": (
        tell("evaluations", "month-scheduled", ends=7),
        "month",
        "and must be Expected(kind='month-scheduled'",
    ),
    "a month is of another zone": (
        tell("evaluations", "policies-adopted", zone="UTC"),
        "month",
        "and must be Expected(kind='policies-adopted'",
    ),
    "rows of both logs were applied in another order": (
        change("evaluations", "policies-adopted", input="+1"),
        "input",
        "because of cases/north/1",
    ),
    "a month was not finished": (
        move_head("evaluations", ts=40 * 24 * 3_600_000_000),
        "month",
        "must be Expected(kind='month-finished'",
    ),
    "assessment is behind": (move_head("evaluations", input=-1), "lag", "evaluations/north has"),
    "assessment has applied too much": (
        move_head("evaluations", input=1),
        "ahead",
        "evaluations/north is at time",
    ),
}
