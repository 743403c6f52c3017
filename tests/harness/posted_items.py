"""Issues and actions as lines post them, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from eventlog.codec import data_decoder
from events import catalogue as e
from httpedge.problems import Problem
from intake.core.identity import action_id, issue_id
from intake.core.submission import Item
from intake.item_codec import item_of
from intake.parsing.action import parse_action
from intake.parsing.issue import parse_issue
from tests.harness.senders import SENDER

Json = dict[str, Any]
POINT = {"lat": 36.6812, "lon": 117.0712}
PLACE = {"point": POINT | {"crs": "WGS84"}, "grid": "370112001001", "street": "370112001"}
FULL: Json = {
    "reference": "12345-2026-000123",
    "category": "夜间施工噪音",
    "urgency": "urgent",
    "due": "2026-03-01T08:00:00.25+08:00",
    "place": PLACE,
    "district": "370112",
}
LEAST: Json = {"reference": "R1", "category": "noise"}
BY_LINE = {"line": "hotline", "reference": "R1"}
VISIT: Json = {"reference": "V1", "type": "visit_made", "by": "w-001", "issue": BY_LINE}
ISSUE_ID = issue_id("370112", "hotline-app", "hotline", "R1")


def encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def item_in(item: bytes) -> Item:
    return item_of(parse_issue(item).to_event("370112", "hotline-app", "hotline"), SENDER)


def issue(value: Json) -> e.IssueReported:
    item = item_in(encode(value))
    event = data_decoder(item.type).decode(item.data)
    assert isinstance(event, e.IssueReported)
    assert item_of(event, SENDER) == item  # It is written as every event is.
    return event


def action(value: Json) -> e.Action:
    posted: e.Action = parse_action(encode(value)).to_event("370112", "hotline-app")
    return posted


def errors_of(read: Callable[[bytes], object], value: object) -> list[tuple[str, str]]:
    """Return pointer and sentence of each error of an item."""
    with pytest.raises(Problem) as raised:
        read(value if isinstance(value, bytes) else encode(value))
    assert (raised.value.status, raised.value.kind) == (422, "invalid")
    return [(error.pointer, error.detail) for error in raised.value.errors]


def omit(value: Json, key: str) -> Json:
    return {name: inner for name, inner in value.items() if name != key}


HEAD = {"reference": "A1", "issue": BY_LINE}
IDS = {
    "action": action_id("370112", "hotline-app", "A1"),
    "issue": ISSUE_ID,
    "source": "hotline-app",
}
SAMPLES: list[tuple[Json, e.Action]] = [
    (
        {"type": "place_named", "by": "d-1", "grid": "g-1"},
        e.PlaceNamed(**IDS, by="d-1", grid="g-1"),
    ),
    ({"type": "visit_made", "by": "w-1"}, e.VisitMade(**IDS, by="w-1")),
    (
        {"type": "resolution_claimed", "by": "w-1", "root_cause": "no_barrier"},
        e.ResolutionClaimed(**IDS, by="w-1", root_cause="no_barrier"),
    ),
    (
        {"type": "resolution_checked", "by": "w-2", "holds": False},
        e.ResolutionChecked(**IDS, by="w-2", holds=False),
    ),
    ({"type": "closing_asked", "by": "w-2"}, e.ClosingAsked(**IDS, by="w-2")),
    (
        {"type": "reopening_asked", "because": "recurrence"},
        e.ReopeningAsked(**IDS, because="recurrence"),
    ),
    (
        {"type": "issue_withdrawn", "because": "sent_twice"},
        e.IssueWithdrawn(**IDS, because="sent_twice"),
    ),
    (
        {"type": "acknowledgement_given", "by": "o-1", "call": "c/1"},
        e.AcknowledgementGiven(**IDS, call="c/1", by="o-1"),
    ),
    (
        {"type": "answer_given", "by": "o-1", "call": "c/1"},
        e.AnswerGiven(**IDS, call="c/1", by="o-1"),
    ),
]
UNSEEN = (
    "has a character that nobody sees (a tab, a line break, one of no width or one that turns the"
    " direction …): take it out"
)
BROKEN_CODE = "must be a code, without slash, white space and characters that nobody sees"
PHONE = "1380" + "0138000"  # In two, so that no traceback shows it as a line of this file.
