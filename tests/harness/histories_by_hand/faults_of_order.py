"""Faults of guarantees 2, 3 and 8: one state for each case, order without gaps, nobody behind."""

from __future__ import annotations

from tests.harness.histories_by_hand.planting import (
    Fault,
    change,
    decide,
    forget_head,
    move_head,
    remove,
    tell,
    withdrawn,
)

ORDER: dict[str, Fault] = {
    # Guarantee 2: one state.
    "a case is in no state": (
        remove("cases", "case-queued"),
        "state",
        "is reported, and in none of",
    ),
    "a case ended in a way that is none": (
        tell("cases", "case-ended-at-source", outcome="lost"),
        "state",
        "in none of",
    ),
    "a case is in two states": (
        decide("cases", "withdrawn", withdrawn),
        "state",
        "which is withdrawn",
    ),
    "a parked case goes on": (decide("cases", "poison", withdrawn), "state", "which is parked"),
    # Guarantee 3: order without gaps.
    "a position is left out": (
        change("calls", "call-acknowledged", pos="+1"),
        "gap",
        "follows position",
    ),
    "a row landed behind its shard": (move_head("calls", pos=-1), "head", "row says"),
    "a row is not there any more": (remove("calls", "call-acknowledged"), "head", "row says"),
    "a shard has no row": (forget_head("cases"), "head", "has no row"),
    "time goes back": (change("intake", "answer-given", ts=14), "time", "before it at"),
    "a shard's time is behind its log": (
        move_head("intake", ts=-30),
        "time",
        "shard's row says 70",
    ),
    "an outcome has another time than its cause": (
        change("cases", "answer-passed-on", ts=61),
        "time",
        "its cause intake",
    ),
    "a subject's numbers have a gap": (
        change("cases", "case-withdrawn", seq="+1"),
        "sequence",
        "after number 2",
    ),
    "a step is left out": (change("cases", "case-routed", n=3), "step", "after step 1"),
    "a decision has two times": (
        change("cases", "case-visited", ts="+1"),
        "step",
        "another input or time",
    ),
    "an input is no decision of its own": (
        change("intake", "visit-made", n=2),
        "step",
        "of its own",
    ),
    "the input goes back": (
        change("calls", "clock-handed-over", input=1),
        "input",
        "the row before it after",
    ),
    "the input is not there": (
        change("calls", "call-acknowledged", input=99),
        "input",
        "but the last one is",
    ),
    "the input is not the cause": (
        change("cases", "case-queued", input="-1"),
        "input",
        "because of",
    ),
    "an input follows from an input": (
        change("intake", "visit-made", input=1),
        "input",
        "intake reads no log",
    ),
    "a cause is not named": (change("cases", "case-withdrawn", cause=""), "cause", "''"),
    "a cause is not there": (
        change("calls", "call-answered", cause="cases/north/99"),
        "cause",
        "which is not there",
    ),
    "a cause is another district's": (
        change("calls", "call-answered", cause="cases/south/3"),
        "cause",
        "which is not there",
    ),
    "an input has a cause": (
        change("intake", "visit-made", cause="intake/north/1"),
        "cause",
        "came from outside",
    ),
    "a clock is another case's": (
        change("calls", "deadline-missed", cause="clock/x/deadline/1"),
        "cause",
        "no clock of its",
    ),
    "an input is filed wrongly": (
        tell("intake", "visit-made", action="x"),
        "subject",
        "tells of x",
    ),
    "a row of cases is filed wrongly": (
        tell("cases", "case-withdrawn", case="x"),
        "subject",
        "tells of case x",
    ),
    "a row of calls is filed wrongly": (
        tell("calls", "clock-stopped", case="x"),
        "subject",
        "tells of case x",
    ),
    "a row has no fields": (change("cases", "case-routed", data=b"{"), "unreadable", "has no case"),
    "a field is no text": (tell("cases", "case-reported", issue=7), "unreadable", "7, and no text"),
    "a due time is no number": (
        tell("calls", "clock-started", due="soon"),
        "unreadable",
        "no whole number",
    ),
    "a due time is null": (tell("calls", "clock-started", due=None), "unreadable", "due is null"),
    "policies have limits that are none": (
        tell("cases", "policies-adopted", limits=[1]),
        "unreadable",
        "limits that are none",
    ),
    "an input is of an unknown type": (
        change("intake", "visit-made", type="gridcall.seen.v9"),
        "unreadable",
        "does not know: seen",
    ),
    "an outcome is of an unknown type": (
        change("cases", "case-visited", type="gridcall.seen.v1"),
        "unreadable",
        "seen",
    ),
    "a call is of an unknown type": (
        change("calls", "call-acknowledged", type="gridcall.seen.v1"),
        "unreadable",
        "seen",
    ),
    # Guarantee 8: nobody is behind.
    "routing has not caught up": (
        move_head("cases", input=-1),
        "lag",
        "cases/north has applied intake",
    ),
    "escalation has not caught up": (
        move_head("calls", input=-1),
        "lag",
        "calls/north has applied cases",
    ),
    "a stage is further than its source": (
        move_head("calls", ts=1),
        "ahead",
        "calls/north is at time 101",
    ),
}
