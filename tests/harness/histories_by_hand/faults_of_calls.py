"""Faults of guarantee 5: calls, silences, and promises that outlive their case."""

from __future__ import annotations

from tests.harness.histories_by_hand.history import matter
from tests.harness.histories_by_hand.planting import (
    Fault,
    call_again,
    change,
    copy,
    decide,
    plant_both,
    remove,
    tell,
)

CALLS: dict[str, Fault] = {
    "a missed deadline called nobody": (
        remove("calls", "call-raised"),
        "call",
        "not to a missed deadline and one call",
    ),
    "a missed deadline called twice": (
        plant_both(
            change("calls", "call-raised", 1, n=3),
            change("calls", "call-raised", 1, cause="x", input=12),
        ),
        "call",
        "deadline-missed, call-raised, call-raised",
    ),
    "a missed deadline called the wrong level": (
        tell("calls", "call-raised", to_level="district"),
        "call",
        "grid → district",
    ),
    "a call has another number": (
        tell("calls", "call-raised", call="x/7"),
        "call",
        "raises call x/7",
    ),
    "a level is called twice": (
        decide(
            "calls", "withheld", call_again(2, "street", "district"), cause="clock/CASE/answer/1"
        ),
        "call",
        "where one is open",
    ),
    "a call follows from no clock": (
        change("calls", "call-raised", 1, cause="cases/north/4"),
        "call",
        "which is no clock",
    ),
    "a silence called nobody": (remove("calls", "call-raised", 1), "silence", "nobody was called"),
    "a silence led to more": (change("calls", "call-answered", n=2), "silence", "led to 2 rows"),
    "there was no silence": (
        decide(
            "calls", "withheld", call_again(2, "street", "district"), cause="clock/CASE/answer/1"
        ),
        "silence",
        "no street is asked and silent",
    ),
    "a silence was called before its time": (
        change("calls", "call-raised", 1, ts=29),
        "silence",
        "should be at 30",
    ),
    "a silence was called too late": (
        change("calls", "call-raised", 1, input="+1"),
        "silence",
        "too late",
    ),
    "a silence called the wrong level": (
        tell("calls", "call-raised", 1, to_level="street"),
        "silence",
        "street → street",
    ),
    "a call may stay unanswered too long": (
        tell("calls", "call-raised", answer_due=31),
        "silence",
        "by the policies in force",
    ),
    "a call ended twice": (
        copy("calls", "call-withdrawn", input=35, n=1),
        "ending",
        "which is not open",
    ),
    "a call was withdrawn from an open case": (
        change("calls", "call-acknowledged", type="gridcall.call-withdrawn.v1"),
        "ending",
        "does not",
    ),
    "a call was answered by nobody": (
        change("calls", "call-acknowledged", type="gridcall.call-answered.v1"),
        "ending",
        "does not",
    ),
    "a call outlived its case": (
        remove("calls", "call-withdrawn"),
        "ending",
        "ended its case, and call",
    ),
    "an answer has no outcome": (remove("calls", "call-answered"), "ending", "no outcome in calls"),
    "an answer did not end its call": (
        change("calls", "call-answered", type="gridcall.call-action-declined.v1"),
        "ending",
        "still open",
    ),
    "a reopening dropped the promise of its line": (
        tell("cases", "case-reopened", 1, matter=matter(None)),
        "clock",
        "its line promised 850",
    ),
    "a reopening renewed a promise that had passed": (
        tell("cases", "case-reopened", matter=matter(20)),
        "clock",
        "until 20; its line promised 20",
    ),
    "a reopening kept silent about its missing deadline": (
        remove("calls", "reopened-without-deadline"),
        "clock",
        "nothing follows from it in calls",
    ),
    "a deadline was said to be missing": (
        change("calls", "clock-started", 8, type="gridcall.reopened-without-deadline.v1"),
        "clock",
        "has no deadline, but",
    ),
    "a case that did not reopen was said to have no deadline": (
        change("calls", "clock-started", type="gridcall.reopened-without-deadline.v1"),
        "clock",
        "reopened without a deadline; it did not",
    ),
}
