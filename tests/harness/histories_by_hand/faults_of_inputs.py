"""Faults of guarantee 1: every accepted input is in intake's log once, and has its own outcome."""

from __future__ import annotations

from tests.harness.histories_by_hand.history import case_of
from tests.harness.histories_by_hand.planting import (
    Fault,
    answer,
    answer_more,
    change,
    copy,
    remove,
    tell,
)

INPUTS: dict[str, Fault] = {
    "an answer names an id that is no digest": (answer(3, id="f" * 32), "identity", "but ['north'"),
    "an issue in the log is not its digest": (
        tell("intake", "issue-reported", source="other"),
        "identity",
        "intake/north/2",
    ),
    "an accepted input is not in the log": (
        remove("intake", "visit-made"),
        "lost",
        "accepted as position",
    ),
    "an answer is about nothing": (answer_more(202, "B1", 99), "lost", "accepted as position 99"),
    "a conflict is with nothing": (answer_more(409, "B1", None), "lost", "answered 409"),
    "an input is in the log twice": (
        copy("intake", "visit-made"),
        "twice",
        "which is in the log before",
    ),
    "a repeat was answered with another position": (
        answer(-5, pos=2),
        "position",
        "answered with 1 before",
    ),
    "an answer has another position than the log": (
        answer(1, pos=7),
        "position",
        "answered with position 7",
    ),
    "an answer has no position": (answer(1, pos=None), "position", "position None"),
    "a refused input is in the log": (answer(1, status=422), "refused", "refused with 422"),
    "an input has no outcome": (
        remove("cases", "input-declined"),
        "outcome",
        "no outcome in cases",
    ),
    "an input is decided twice": (
        copy("cases", "input-declined", input=24),
        "outcome",
        "decides intake/north/6 again",
    ),
    "an input has another kind of outcome": (
        change("cases", "answer-passed-on", type="gridcall.input-declined.v1"),
        "outcome",
        "is no outcome of intake/north/8 (answer-given)",
    ),
    "an outcome is about another issue": (
        tell("intake", "visit-made", issue="x"),
        "outcome",
        "is about x",
    ),
    "an outcome is about another call": (
        tell("intake", "answer-given", call="x/1"),
        "outcome",
        "about x/1",
    ),
    "an issue has no case": (remove("cases", "case-reported"), "case", "which has no case"),
    "a case has no issue": (
        tell("cases", "case-reported", issue="x"),
        "case",
        "for issue x, because of",
    ),
    "an issue has two cases": (
        tell("cases", "case-reported", 1, issue=case_of("missed")),
        "case",
        "which has case",
    ),
}
