"""Cases and their calls, worked out from records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tools.reference_model.places import Place
from tools.reference_model.records import Record
from tools.reference_model.rows import Spec
from tools.reference_model.times import Moment, parse_duration


@dataclass(frozen=True)
class Call:
    raised: datetime
    source: str  # The level that calls; `from` is a keyword.
    to: str
    because: str
    answer_due: datetime | None


@dataclass(frozen=True)
class Case:
    record: Record
    id: str
    reported: datetime
    due: datetime | None
    ended: datetime | None
    state: str
    verdict: str
    rules: frozenset[str]
    calls: tuple[Call, ...]


def make_case(profile: Spec, record: Record, until: datetime) -> Case:
    reported, due = record.reported.utc, record.due.utc if record.due else None
    known_end = record.ended if record.ended and record.ended.utc < until else None
    # An ending before its report waits for the report.
    ended = max(known_end.utc, reported) if known_end else None
    early = known_end is not None and known_end.utc < reported
    verdict = judge(due, ended, early, until)
    return Case(
        record=record,
        id=case_id(profile, record),
        reported=reported,
        due=due,
        ended=ended,
        state=state(record, ended),
        verdict=verdict,
        rules=rules_of(record, known_end, early),
        calls=tuple(raise_calls(profile, record, ended, until)) if verdict == "overdue" else (),
    )


def case_id(profile: Spec, record: Record) -> str:
    identity = [
        profile["map"]["district"]["code"],
        profile["profile"],
        record.line,
        record.reference,
    ]
    text = json.dumps(identity, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def state(record: Record, ended: datetime | None) -> str:
    """Return the state of a case. The ending time decides, and the status names the ending."""
    if ended is None:
        return "open"
    return "withdrawn" if record.status == "withdrawn" else "closed"


def judge(due: datetime | None, ended: datetime | None, early: bool, until: datetime) -> str:
    if due is None:
        return "none"
    if early:
        return "on_time"  # The clock stops in the decision that starts it.
    if ended is not None:
        return "on_time" if ended <= due else "overdue"
    return "overdue" if due < until else "running"


def rules_of(record: Record, ended: Moment | None, early: bool) -> frozenset[str]:
    moments = [moment for moment in (record.reported, record.due, ended) if moment]
    rules = record.place.rules.union(*(moment.rules for moment in moments))
    if early:
        rules |= {"ended_before_reported"}
    if record.due is None:
        rules |= {"no_due"}
    if record.ended is None and record.status != "open":
        rules |= {"closed_without_time"}
    return rules


def raise_calls(
    profile: Spec, record: Record, ended: datetime | None, until: datetime
) -> Iterator[Call]:
    """Return the calls of a case whose deadline was missed."""
    assert record.due is not None
    calls = profile["calls"]
    answer_within = parse_duration(calls if calls == "never" else calls["answer_within"])
    raised = max(record.due.utc, record.reported.utc)
    answer_due = raised + answer_within if answer_within is not None else None
    source, to = levels(record.place)
    yield Call(raised, source, to, "deadline", answer_due)
    if (
        to == "street"
        and answer_due
        and answer_within is not None
        and is_silent(answer_due, ended, until)
    ):
        yield Call(answer_due, "street", "district", "silence", answer_due + answer_within)


def levels(place: Place) -> tuple[str, str]:
    """Return the level that has the case, and the level that it calls."""
    if place.grid:
        return "grid", "street"
    return ("street", "district") if place.street else ("district", "district")


def is_silent(answer_due: datetime, ended: datetime | None, until: datetime) -> bool:
    """Return whether a street is silent. An ending at the due instant itself is in time."""
    return answer_due < until and (ended is None or answer_due < ended)
