"""The summary of a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from tools.reference_model.cases import Case
from tools.reference_model.records import Selection
from tools.reference_model.rows import Spec
from tools.reference_model.tables import outcome
from tools.reference_model.times import format_time

LINES = ("grid", "sentiment", "hotline", "petition")
PLACES = ("point", "grid", "street", "none")
VERDICTS = ("none", "overdue", "on_time", "running")
RULES = (
    "ended_before_reported",
    "no_due",
    "no_point",
    "unknown_point",
    "outside_map",
    "in_two_grids",
    "gap_time",
    "overlap_time",
    "closed_without_time",
    "unknown_code",
)


def summary(profile: Spec, selection: Selection, cases: list[Case], until: datetime) -> str:
    located_by = Counter(case.record.place.located_by for case in cases)
    is_format_2 = profile["format"] == "2"
    rules = (*RULES, "no_calendar") if is_format_2 else RULES
    joined = {"joined": 0} if is_format_2 else {}
    figures = {
        "format": int(profile["format"]),
        "profile": profile["profile"],
        "until": format_time(until),
        "rows": selection.rows,
        "rejected": len(selection.rejected),
        "duplicates": selection.duplicates,
        "after_until": selection.after_until,
        "accepted": len(cases),
        "issues": issues(cases),
        "cases": len({case.id for case in cases}),
        "located_by": count_each(PLACES, located_by),
        "lines": count_each(LINES, Counter(case.record.line for case in cases)),
        "verdicts": count_each(VERDICTS, Counter(case.verdict for case in cases)),
        "rules": count_each(rules, Counter(rule for case in cases for rule in case.rules)),
        "not_attributed": located_by["street"] + located_by["none"],
        "calls": {level: calls_to(level, cases) | joined for level in ("street", "district")},
        "published": compare_published(profile.get("published"), cases),
    }
    if is_format_2:
        figures["origins"] = {"opened": len(cases), "joined": 0, "recurrence": 0}
    return json.dumps(figures, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def count_each(keys: Iterable[str], counts: Counter[str]) -> dict[str, int]:
    return {key: counts[key] for key in keys}


def issues(cases: Iterable[Case]) -> dict[str, int]:
    """Count issues by state. Only a fault of the program parks a case."""
    states = Counter(issue_state(case) for case in cases)
    return count_each(("open", "closed", "withdrawn", "awaiting_dispatcher", "parked"), states)


def issue_state(case: Case) -> str:
    return (
        "awaiting_dispatcher" if case.state == "open" and not case.record.place.grid else case.state
    )


def calls_to(level: str, cases: Iterable[Case]) -> dict[str, int]:
    outcomes = Counter(outcome(case) for case in cases for call in case.calls if call.to == level)
    return {"raised": outcomes.total(), **count_each(("answered", "withdrawn", "open"), outcomes)}


def compare_published(spec: Spec | None, cases: Iterable[Case]) -> dict[str, int]:
    """Compare with the verdicts of the source. It calls a case without a deadline not overdue."""
    counts: Counter[str] = Counter()
    for case in cases if spec else ():
        assert spec is not None
        value = case.record.published
        if value in spec["overdue"] or value in spec["not_overdue"]:
            counts["compared"] += 1
            counts["differ"] += (value in spec["overdue"]) != (case.verdict == "overdue")
        else:
            counts["blank"] += 1
    return count_each(("compared", "differ", "blank"), counts)
