"""Faults of guarantee 1: an input that waits is decided once, or expires, or still waits."""

from __future__ import annotations

from tests.harness.histories_by_hand.planting import (
    Fault,
    blame,
    change,
    decide,
    exchange,
    remove,
    tell,
)

NEVER = {"id": "intake/north/1", "time": 1, "type": "t", "data": "{}"}

WAITING: dict[str, Fault] = {
    # Decided late, once, and as what it is.
    "an action waits for ever": (
        remove("cases", "case-visited"),
        "outcome",
        "and was not decided",
    ),
    "a retry decided less than waits behind its case": (
        remove("cases", "case-visited", 2),
        "outcome",
        "and was not decided",
    ),
    "what was decided late names the retry as its cause": (
        blame("case-visited", 2, "case-retried"),
        "outcome",
        "and was not decided",
    ),
    "an input was decided late that had not waited": (
        blame("case-visited", 2, "case-queued"),
        "input",
        "had not waited",
    ),
    "an input was decided while its case is parked": (
        blame("case-visited", 2, "input-held"),
        "outcome",
        "though it still had to wait",
    ),
    "an input was decided late as another kind": (
        change("cases", "case-visited", 2, type="gridcall.case-resolved.v1"),
        "outcome",
        "is no outcome of intake/north/19 (visit-made)",
    ),
    "a report that waited opened another case": (
        blame("case-reported", 6, "case-queued"),
        "case",
        "which is not it",
    ),
    "another input waits than the one that came": (
        tell("cases", "input-held", input=NEVER),
        "outcome",
        "stores intake/north/1",
    ),
    "what waited in escalation was not decided": (
        remove("calls", "clock-started", 4),
        "clock",
        "nothing follows from cases",
    ),
    "a retry of escalation is the cause of what waited": (
        change("calls", "clock-started", 4, cause="cases/north/2"),
        "clock",
        "did not give it the case",
    ),
    # The limit.
    "more actions wait for an issue than may": (
        exchange("cases", "input-declined", -1, "action-waits"),
        "outcome",
        "leaves 33 actions",
    ),
    "an action was declined though few wait": (
        exchange("cases", "action-waits", 10, "input-declined"),
        "outcome",
        "leaves 4 actions",
    ),
    # Expiry.
    "an action expired before its instant": (
        change("cases", "action-expired", ts=63),
        "expiry",
        "expires at 63",
    ),
    "an action expired before what intake saw first": (
        change("cases", "action-expired", input="-1"),
        "expiry",
        "after input 12",
    ),
    "an action expired after what came later": (
        change("cases", "action-expired", input="+1"),
        "expiry",
        "after input 14",
    ),
    "an action expired that waits without a limit": (
        tell("cases", "action-waits", 1, expires=None),
        "expiry",
        "no such action waits",
    ),
    "an action expired because of another one's timer": (
        change("cases", "action-expired", cause="clock/x/expiry/13"),
        "expiry",
        "no such action waits",
    ),
    "another action expired than that of the timer": (
        tell("cases", "action-expired", input="intake/north/11"),
        "expiry",
        "no such action waits",
    ),
    "an action expired twice": (
        decide(
            "cases",
            "much too late",
            lambda case: ("action-expired", {"issue": case, "input": "intake/north/13"}),
            cause="clock/CASE/expiry/13",
        ),
        "expiry",
        "no such action waits",
    ),
    "an action did not expire before a report": (
        remove("cases", "action-expired"),
        "expiry",
        "was to expire at 64",
    ),
    "a report decided what was to expire before": (
        tell("cases", "action-waits", 2, expires=64),
        "expiry",
        "was to expire at 64",
    ),
    "an action for an issue that never comes did not expire": (
        tell("cases", "action-waits", -1, expires=90),
        "expiry",
        "still waits at 100",
    ),
}
