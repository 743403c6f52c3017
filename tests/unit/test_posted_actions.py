"""Actions as people send them: the event of each, or what is refused and why."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from events import catalogue as e
from intake.action import wire_name
from intake.actions import ACTIONS
from intake.core.identity import issue_id
from intake.parsing.action import parse_action
from tests.harness.posted_items import (
    BROKEN_CODE,
    BY_LINE,
    HEAD,
    IDS,
    ISSUE_ID,
    SAMPLES,
    UNSEEN,
    VISIT,
    Json,
    action,
    errors_of,
    omit,
)


@pytest.mark.parametrize(("own", "event"), SAMPLES, ids=[own["type"] for own, _ in SAMPLES])
def test_each_action_becomes_its_event(own: Json, event: e.Action) -> None:
    assert action(HEAD | own) == event
    assert action(HEAD | own | {"issue": {"id": ISSUE_ID}, "district": "370112"}) == event


@pytest.mark.parametrize(
    "own", [own for own, _ in SAMPLES], ids=[own["type"] for own, _ in SAMPLES]
)
def test_each_field_of_an_action_is_needed_and_no_other_is_taken(own: Json) -> None:
    for key in [*HEAD, *own]:
        errors = errors_of(parse_action, omit(HEAD | own, key))
        assert errors[0][0] == f"/{key}"
        assert len(errors) == 1
    for key in {"by", "grid", "root_cause", "holds", "because", "call"} - own.keys():
        assert [pointer for pointer, _ in errors_of(parse_action, HEAD | own | {key: "r"})] == [
            f"/{key}"
        ]


def test_every_action_of_the_catalogue_has_a_file_but_the_one_that_is_imported() -> None:
    missing = {wire_name(event) for event in e.ACTIONS} - set(ACTIONS)
    assert missing == {"ended_at_source"}, "add services/intake/actions/NAME.py for the others"


def test_actions_are_offered_in_the_order_of_the_catalogue() -> None:
    assert [*ACTIONS][:3] == ["place_named", "visit_made", "resolution_claimed"]


@pytest.mark.parametrize(
    "type_name", ["ended_at_source", "VisitMade", "", None, 3, ["visit_made"], {"visit_made": 1}]
)
def test_a_type_that_is_not_taken_is_refused_with_those_that_are(type_name: Any) -> None:
    sentence = f"must be one of {', '.join(ACTIONS)}"
    assert errors_of(parse_action, VISIT | {"type": type_name}) == [("/type", sentence)]
    assert errors_of(parse_action, omit(VISIT, "type")) == [("/type", sentence)]


WORD = "must be a code, 1 to 64 of a-z, 0-9 and _, never free text"
ONE_OF_LINES = "must be 'grid', 'sentiment', 'hotline' or 'petition'"
BOTH = "name the issue by its id, or by line and reference, not by both"


@pytest.mark.parametrize(
    ("changed", "pointer", "detail"),
    [
        ({"reference": "r" * 201}, "/reference", "may have 200 characters: shorten it"),
        ({"by": "w" * 65}, "/by", "may have 64 characters: shorten it"),
        ({"by": " "}, "/by", "is empty: fill it in"),
        ({"by": 7}, "/by", "must be text, in quotes"),
        ({"issue": "R1"}, "/issue", "must be an object"),
        ({"issue": None}, "/issue", "must be an object"),
        ({"issue": ["id"]}, "/issue", "must be an object"),
        ({"issue": {"line": "hotline"}}, "/issue/reference", "is missing: add it"),
        ({"issue": {"line": "post", "reference": "R"}}, "/issue/line", ONE_OF_LINES),
        ({"issue": {"id": "a" * 31}}, "/issue/id", "must be an id, 32 of 0-9 and a-f"),
        ({"issue": {"id": "A" * 32}}, "/issue/id", "must be an id, 32 of 0-9 and a-f"),
        ({"issue": {"id": "a" * 32 + "\n"}}, "/issue/id", "must be an id, 32 of 0-9 and a-f"),
        ({"issue": {"id": None}}, "/issue/id", "must be text, in quotes"),
        ({"issue": {"id": "a" * 32, "line": "hotline"}}, "/issue/line", BOTH),
        (
            {"issue": BY_LINE | {"ref": 1}},
            "/issue/ref",
            "unknown field; known here are line, reference",
        ),
        (
            {"issue": BY_LINE | {"phone": 1}},
            "/issue/phone",
            "personal data is not taken here yet: leave `phone` out",
        ),
        ({"district": "a b"}, "/district", BROKEN_CODE),
        (
            {"root_cause": "none"},
            "/root_cause",
            "unknown field; known here are reference, issue, district, by, type",
        ),
        ({"districts": "1"}, "/districts", "unknown field; did you mean `district`?"),
        ({"type": "resolution_claimed", "root_cause": "Nobody cared."}, "/root_cause", WORD),
        ({"type": "resolution_claimed", "root_cause": ""}, "/root_cause", WORD),
        ({"type": "resolution_claimed", "root_cause": "r" * 65}, "/root_cause", WORD),
        ({"type": "resolution_claimed", "root_cause": "no\n"}, "/root_cause", WORD),
        ({"type": "resolution_claimed", "root_cause": "路"}, "/root_cause", WORD),
        ({"type": "resolution_checked", "holds": "yes"}, "/holds", "must be true or false"),
        ({"type": "resolution_checked", "holds": 1}, "/holds", "must be true or false"),
        ({"type": "answer_given", "call": "c" * 81}, "/call", "may have 80 characters: shorten it"),
        ({"type": "place_named", "grid": "g\u0007"}, "/grid", UNSEEN),
    ],
)
def test_what_is_wrong_with_an_action_is_said_where_it_is(
    changed: Json, pointer: str, detail: str
) -> None:
    assert errors_of(parse_action, VISIT | changed) == [(pointer, detail)]


@pytest.mark.parametrize(
    ("own", "detail"),
    [
        ({"type": "reopening_asked", "because": "angry"}, "must be 'recurrence' or 'unsatisfied'"),
        ({"type": "issue_withdrawn", "because": "They called again"}, WORD),
    ],
)
def test_a_reason_is_a_code(own: Json, detail: str) -> None:
    assert errors_of(parse_action, HEAD | own) == [("/because", detail)]


def test_a_code_may_have_64_characters_and_a_call_80() -> None:
    claimed = action(HEAD | {"type": "resolution_claimed", "by": "w" * 64, "root_cause": "_" * 64})
    assert claimed == e.ResolutionClaimed(**IDS, by="w" * 64, root_cause="_" * 64)
    assert action(HEAD | {"type": "answer_given", "by": "o", "call": "c" * 80}) == e.AnswerGiven(
        **IDS, call="c" * 80, by="o"
    )


def test_an_identity_is_a_digest_of_the_words_as_compact_json() -> None:
    words = ("370112", 'say "区"\\', "hotline", "R\x7f1")
    array = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
    assert issue_id(*words) == sha256(array.encode()).hexdigest()[:32]
