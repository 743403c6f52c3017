"""Issues and actions as lines send them: the event of each, or what is refused and why."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from unicodedata import combining, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.codec import data_decoder
from events import catalogue as e
from events.instants import BEGINNING, TIME, instant, rfc3339
from httpedge.problems import ERRORS_MAX, Problem
from intake.action import wire_name
from intake.actions import ACTIONS
from intake.core.identity import action_id, issue_id
from intake.core.submission import Item
from intake.issues import Issue
from intake.item_codec import item_of
from intake.parsing import field_types
from intake.parsing.action import ACTION, parse_action
from intake.parsing.field_types import is_accent
from intake.parsing.issue import ISSUE, parse_issue

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
    return item_of(parse_issue(item).to_event("370112", "hotline-app", "hotline"))


def issue(value: Json) -> e.IssueReported:
    item = item_in(encode(value))
    event = data_decoder(item.type).decode(item.data)
    assert isinstance(event, e.IssueReported)
    assert item_of(event) == item  # It is written as every event is.
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


# ── Issues ────────────────────────────────────────────────────────────────────────────────────────


def test_an_issue_becomes_one_event_with_its_claims_in_order() -> None:
    assert issue(FULL) == e.IssueReported(
        issue=issue_id("370112", "hotline-app", "hotline", "12345-2026-000123"),
        source="hotline-app",
        line="hotline",
        reference="12345-2026-000123",
        category="夜间施工噪音",
        urgency="urgent",
        due=instant(datetime(2026, 3, 1, 0, 0, 0, 250_000, tzinfo=UTC)),
        claims=(
            e.PlaceClaim(by="point", lat=36.6812, lon=117.0712),
            e.PlaceClaim(by="grid", code="370112001001"),
            e.PlaceClaim(by="street", code="370112001"),
        ),
        rules=(),
    )


@pytest.mark.parametrize(
    "nothing",
    [{}, {"due": None, "place": None, "district": None}, {"place": {}}, {"place": {"grid": None}}],
)
def test_the_least_issue_is_normal_and_has_no_deadline_and_no_place(nothing: Json) -> None:
    assert issue(LEAST | nothing) == e.IssueReported(
        issue=ISSUE_ID,
        source="hotline-app",
        line="hotline",
        reference="R1",
        category="noise",
        urgency="normal",
        due=None,
        claims=(),
        rules=("no_due",),
    )


@pytest.mark.parametrize(
    ("place", "claims"),
    [
        ({"point": POINT}, (e.PlaceClaim(by="point", lat=36.6812, lon=117.0712),)),
        ({"point": {"lon": -180, "lat": 90}}, (e.PlaceClaim(by="point", lat=90.0, lon=-180.0),)),
        ({"street": "S", "point": None}, (e.PlaceClaim(by="street", code="S"),)),
        (
            {"street": "S", "grid": "G"},
            (e.PlaceClaim(by="grid", code="G"), e.PlaceClaim(by="street", code="S")),
        ),
    ],
)
def test_a_place_claims_what_it_says_and_nothing_else(
    place: Json, claims: tuple[e.PlaceClaim, ...]
) -> None:
    assert issue(LEAST | {"place": place}).claims == claims


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("  a b ", "a b"),
        ("\u3000区\u00a0", "区"),
        ("Cafe\u0301", "Café"),
        ("\u212b", "\u00c5"),
        ("\u1112\u1161\u11ab" * 200, "한" * 200),
        ("x" * 200, "x" * 200),
        (" " + "x" * 200 + " ", "x" * 200),
    ],
)
def test_text_is_kept_trimmed_and_in_nfc(text: str, stored: str) -> None:
    for escaped in (True, False):
        item = json.dumps(
            LEAST | {"reference": text, "category": text}, ensure_ascii=escaped
        ).encode()
        assert (parse_issue(item).reference, parse_issue(item).category) == (stored, stored)


def test_references_that_look_alike_are_the_same_issue() -> None:
    assert issue(LEAST | {"reference": " Cafe\u0301"}) == issue(LEAST | {"reference": "Café"})


@pytest.mark.parametrize(
    ("due", "stored"),
    [
        ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z"),
        ("2026-03-01t08:00:00z", "2026-03-01T08:00:00Z"),
        ("2026-03-01T08:00:00.000001+08:00", "2026-03-01T00:00:00.000001Z"),
        ("2026-03-01T08:00:00-00:00", "2026-03-01T08:00:00Z"),
        ("2026-03-01T08:00:00.5-23:59", "2026-03-02T07:59:00.500000Z"),
        ("2024-02-29T23:59:59+05:45", "2024-02-29T18:14:59Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_deadline_is_read_to_the_microsecond(due: str, stored: str) -> None:
    read = issue(LEAST | {"due": due})
    assert read.due is not None
    assert (rfc3339(read.due), read.rules) == (stored, ())


@pytest.mark.parametrize(
    "due",
    [
        "2026-03-01T08:00:00",
        "2026-03-01 08:00:00Z",
        "2026-03-01",
        "2026-03-01T08:00Z",
        "20260301T080000Z",
        "2026-W09-7T08:00:00Z",
        "2026-02-29T08:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T08:00:60Z",
        "2026-03-01T08:00:00.1234567Z",
        "2026-03-01T08:00:00.Z",
        "2026-03-01T08:00:00,5Z",
        "2026-03-01T08:00:00+0800",
        "2026-03-01T08:00:00+08:60",
        "2026-03-01T08:00:00+24:00",
        "2026-03-01T08:00:00Z ",
        "2026-03-01T08:00:00Z\n",
        "２０２６-03-01T08:00:00Z",
        "0000-03-01T08:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1772323200",
        "tomorrow",
        "",
    ],
)
def test_any_other_time_is_refused(due: str) -> None:
    assert errors_of(parse_issue, LEAST | {"due": due}) == [("/due", TIME)]


def test_a_time_is_text() -> None:
    assert errors_of(parse_issue, LEAST | {"due": 1772323200}) == [
        ("/due", "must be text, in quotes")
    ]


TOO_MANY = "has more than 30 accents in a row: take them out"
CONTROL = "has a control character (a tab, a line break …): take it out"
BROKEN_CODE = "must be a code, without slash, white space and control characters"
CRS = (
    "must be WGS84: convert the point to WGS 84 first; points of GCJ-02 and BD-09"
    " lie 100-700 m off, and others further"
)


@pytest.mark.parametrize(
    ("changed", "pointer", "detail"),
    [
        ({"reference": ""}, "/reference", "is empty: fill it in"),
        ({"reference": " \u3000 "}, "/reference", "is empty: fill it in"),
        ({"reference": "x" * 201}, "/reference", "may have 200 characters: shorten it"),
        ({"reference": "区" * 20_000}, "/reference", "may have 200 characters: shorten it"),
        ({"reference": "e" + "\u0315\u0321" * 16}, "/reference", TOO_MANY),
        ({"reference": "\u0958" * 101}, "/reference", "may have 200 characters: shorten it"),
        ({"reference": 5}, "/reference", "must be text, in quotes"),
        ({"reference": None}, "/reference", "must be text, in quotes"),
        ({"reference": "a\tb"}, "/reference", CONTROL),
        ({"reference": "a\n"}, "/reference", CONTROL),
        ({"category": "a\u0085"}, "/category", CONTROL),
        ({"category": "\u007f"}, "/category", CONTROL),
        ({"category": ["noise"]}, "/category", "must be text, in quotes"),
        ({"category": "x" * 201}, "/category", "may have 200 characters: shorten it"),
        ({"urgency": "high"}, "/urgency", "must be 'normal', 'urgent' or 'life'"),
        ({"urgency": None}, "/urgency", "must be 'normal', 'urgent' or 'life'"),
        ({"district": "37/01"}, "/district", BROKEN_CODE),
        ({"district": " 370112"}, "/district", BROKEN_CODE),
        ({"district": "3\u00017"}, "/district", BROKEN_CODE),
        ({"district": ""}, "/district", "is empty: fill it in"),
        ({"district": "3" * 65}, "/district", "may have 64 characters: shorten it"),
        ({"place": []}, "/place", "must be an object"),
        ({"place": {"grid": 370112}}, "/place/grid", "must be text, in quotes"),
        ({"place": {"grid": "g" * 65}}, "/place/grid", "may have 64 characters: shorten it"),
        ({"place": {"street": " "}}, "/place/street", "is empty: fill it in"),
        ({"place": {"point": [117, 36]}}, "/place/point", "must be an object"),
        ({"place": {"point": {"lat": 36}}}, "/place/point/lon", "is missing: add it"),
        (
            {"place": {"point": POINT | {"lat": 90.000001}}},
            "/place/point/lat",
            "must be at most 90",
        ),
        ({"place": {"point": POINT | {"lat": -91}}}, "/place/point/lat", "must be at least -90"),
        ({"place": {"point": POINT | {"lon": 180.1}}}, "/place/point/lon", "must be at most 180"),
        ({"place": {"point": POINT | {"lon": -181}}}, "/place/point/lon", "must be at least -180"),
        (
            {"place": {"point": POINT | {"lat": "36.6"}}},
            "/place/point/lat",
            "must be a number, without quotes",
        ),
        (
            {"place": {"point": POINT | {"lat": True}}},
            "/place/point/lat",
            "must be a number, without quotes",
        ),
        (
            {"place": {"point": POINT | {"lat": None}}},
            "/place/point/lat",
            "must be a number, without quotes",
        ),
        (
            {"place": {"point": POINT | {"lat": 10**400}}},
            "/place/point/lat",
            "must be a finite number",
        ),
        ({"place": {"point": POINT | {"crs": "GCJ-02"}}}, "/place/point/crs", CRS),
        ({"place": {"point": POINT | {"crs": "BD-09"}}}, "/place/point/crs", CRS),
        ({"place": {"point": POINT | {"crs": "EPSG:3857"}}}, "/place/point/crs", CRS),
        ({"place": {"point": POINT | {"crs": "wgs84"}}}, "/place/point/crs", CRS),
        ({"place": {"point": POINT | {"crs": None}}}, "/place/point/crs", CRS),
    ],
)
def test_what_is_wrong_with_an_issue_is_said_where_it_is(
    changed: Json, pointer: str, detail: str
) -> None:
    assert errors_of(parse_issue, LEAST | changed) == [(pointer, detail)]


def test_numbers_that_are_not_finite_are_refused() -> None:
    for number, detail in (
        ("1e999", "must be a finite number"),
        ("-1e999", "must be a finite number"),
    ):
        point = f'{{"lat":{number},"lon":1}}'
        item = f'{{"reference":"R","category":"c","place":{{"point":{point}}}}}'.encode()
        assert errors_of(parse_issue, item) == [("/place/point/lat", detail)]
    ((pointer, detail),) = errors_of(
        parse_issue, b'{"reference":"R","category":"c","place":{"point":{"lat":NaN,"lon":1}}}'
    )
    assert (pointer, detail.split(":")[0]) == ("/place/point/lat", "NaN is not a number of JSON")


@pytest.mark.parametrize("item", [b"[]", b"3", b'"text"', b"null", b"true", b"[[1]]"])
def test_an_item_is_an_object(item: bytes) -> None:
    assert errors_of(parse_issue, item) == [("", "must be an object")]
    assert errors_of(parse_action, item) == [("", "must be an object")]


def test_a_number_that_no_machine_has_is_refused() -> None:
    ((pointer, detail),) = errors_of(parse_issue, b'{"reference":' + b"1" * 5000 + b"}")
    assert pointer == ""
    assert detail.startswith("is not JSON: number out of range")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    errors = errors_of(
        parse_issue,
        {"category": "", "place": {"grid": 1, "point": {"lat": 91, "crs": "BD-09"}}, "colour": 1},
    )
    assert [pointer for pointer, _ in errors] == [
        "/reference",
        "/category",
        "/place/point/lat",
        "/place/point/lon",
        "/place/point/crs",
        "/place/grid",
        "/colour",
    ]


def test_an_item_of_unknown_fields_is_not_listed_without_end() -> None:
    assert (
        len(errors_of(parse_issue, LEAST | {f"k{i}": 1 for i in range(ERRORS_MAX)})) == ERRORS_MAX
    )
    with pytest.raises(Problem) as raised:
        parse_issue(encode(LEAST | {f"k{i}": 1 for i in range(4000)}))
    assert (
        raised.value.detail
        == "4,000 fields of this issue are wrong or unknown: see what an issue may have."
    )
    assert raised.value.errors == ()


@pytest.mark.parametrize("accents", ["\u0315" * 16_000 + "\u0321" * 16_000, "\u0f73" * 21_000])
def test_a_text_of_accents_is_refused_before_it_is_normalised(
    accents: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Normalising such a text takes seconds."""
    monkeypatch.delattr(field_types, "normalize")
    assert errors_of(parse_issue, LEAST | {"category": "a" + accents}) == [("/category", TOO_MANY)]


def test_the_three_that_decompose_into_accents_are_all() -> None:
    decomposed = [
        char
        for char in map(chr, range(0x110000))
        if not combining(char) and combining(normalize("NFD", char)[0])
    ]
    assert [char for char in decomposed if not is_accent(char)] == []
    assert len(decomposed) == 3


def test_a_letter_may_have_30_accents() -> None:
    assert (
        issue(LEAST | {"category": "a" + "\u0315\u0321" * 15}).category
        == "a" + "\u0321" * 15 + "\u0315" * 15
    )


# ── Fields that are not taken ─────────────────────────────────────────────────────────────────────


PHONE = "1380" + "0138000"  # In two, so that no traceback shows it as a line of this file.
PERSONAL = """
name reporter reporter_name reporterName phone Phone PHONE phone_number phoneNumber contact-phone
telephone mobile email e-mail address home_address text description message content photo photos
id_card idCard IDCARD gender age birthday callerAge 姓名 联系电话 身份证号
"""


@pytest.mark.parametrize("key", PERSONAL.split())
def test_personal_data_is_refused_by_name_and_never_repeated(key: str) -> None:
    sentence = f"personal data is not taken here yet: leave `{key}` out"
    for read, value in ((parse_issue, LEAST), (parse_action, VISIT)):
        with pytest.raises(Problem) as raised:
            read(encode(value | {key: PHONE}))
        assert [(error.pointer, error.detail) for error in raised.value.errors] == [
            (f"/{key}", sentence)
        ]
        said = (
            "".join(traceback.format_exception(raised.value))
            + repr(raised.value)
            + json.dumps(raised.value.to_members("/"))
        )
        assert PHONE not in said
        assert raised.value.__context__ is None


def test_personal_data_is_refused_inside_a_place_too() -> None:
    assert errors_of(parse_issue, LEAST | {"place": {"address": "1 Shanda Road"}}) == [
        ("/place/address", "personal data is not taken here yet: leave `address` out")
    ]


@pytest.mark.parametrize(
    "end", [b'\\u0000"}', b'\\ud83d"}', b'","phone":1}', b'\xff"}', b"\0", b""]
)
def test_what_a_field_holds_is_not_repeated_by_strictness_either(end: bytes) -> None:
    with pytest.raises(Problem) as raised:
        parse_issue(b'{"phone":"' + PHONE.encode() + end)
    assert PHONE not in json.dumps(raised.value.to_members("/"))
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    ("changed", "pointer", "detail"),
    [
        ({"refrence": 1}, "/refrence", "unknown field; did you mean `reference`?"),
        ({"Category": 1}, "/Category", "unknown field; did you mean `category`?"),
        (
            {"x": 1},
            "/x",
            "unknown field; known here are reference, category, urgency, due, place, district",
        ),
        (
            {"a/b~c": 1},
            "/a~1b~0c",
            "unknown field; known here are reference, category, urgency, due, place, district",
        ),
        (
            {"k" * 65: 1},
            "",
            "unknown field; known here are reference, category, urgency, due, place, district",
        ),
        (
            {"visit_made": 1},
            "/visit_made",
            "unknown field; known here are reference, category, urgency, due, place, district",
        ),
        ({"place": {"gird": 1}}, "/place/gird", "unknown field; did you mean `grid`?"),
        (
            {"place": {"point": POINT | {"latt": 1}}},
            "/place/point/latt",
            "unknown field; did you mean `lat`?",
        ),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_name(
    changed: Json, pointer: str, detail: str
) -> None:
    assert errors_of(parse_issue, LEAST | changed) == [(pointer, detail)]


# ── Actions ───────────────────────────────────────────────────────────────────────────────────────

HEAD = {"reference": "A1", "issue": BY_LINE}
IDS = {"action": action_id("370112", "hotline-app", "A1"), "issue": ISSUE_ID}
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
        ({"type": "place_named", "grid": "g\u0007"}, "/grid", CONTROL),
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


# ── The same content ──────────────────────────────────────────────────────────────────────────────


def test_the_same_said_in_other_words_is_the_same_content() -> None:
    words = {
        "due": "2026-03-01T00:00:00.250000Z",
        "reference": " 12345-2026-000123",
        "place": dict(reversed(PLACE.items())),
    }
    other = json.dumps(FULL | words, indent=1)
    same = item_in(other.encode())
    assert same == item_in(encode(FULL)) == item_in(encode(omit(FULL, "district")))
    assert len(same.content) == 16


@pytest.mark.parametrize("key", ["reference", "category", "urgency", "due", "place"])
def test_anything_else_said_is_other_content(key: str) -> None:
    changed = {
        "reference": "R2",
        "category": "c",
        "urgency": "life",
        "due": None,
        "place": {"point": POINT},
    }
    assert item_in(encode(FULL | {key: changed[key]})).content != item_in(encode(FULL)).content


def test_actions_of_two_types_are_other_content_even_with_the_same_fields() -> None:
    assert len({item_of(action(HEAD | own)).content for own, _ in SAMPLES}) == len(SAMPLES)
    assert (
        item_of(e.VisitMade(**IDS, by="w-1")).content
        != item_of(e.ClosingAsked(**IDS, by="w-1")).content
    )


# ── Any bytes at all ──────────────────────────────────────────────────────────────────────────────

texts = st.sampled_from(
    ["R1", "", " ", "hotline", "WGS84", "2026-03-01T08:00:00Z", "a" * 32, "\u0301", "\x00", "区"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | texts
fields = [
    *Issue.model_fields,
    *VISIT,
    "point",
    "grid",
    "lat",
    "lon",
    "crs",
    "id",
    "line",
    "holds",
    "phone",
    "x",
]
keys = st.sampled_from(fields) | st.text(max_size=3)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=20,
)
issues = st.fixed_dictionaries(
    {"reference": texts, "category": texts},
    optional={"due": scalars, "place": values, "district": texts},
)
actions = st.fixed_dictionaries(
    {
        "reference": texts,
        "type": st.sampled_from([*ACTIONS, "x"]),
        "issue": values | st.just(BY_LINE),
        "by": texts,
    },
    optional={
        "grid": scalars,
        "root_cause": scalars,
        "holds": scalars,
        "because": scalars,
        "call": scalars,
        "x": values,
    },
)


def read_or_refused(item: bytes) -> None:
    """Both parsers give an event or a Problem that can be sent, and nothing else."""
    readings: list[Callable[[], Item]] = [
        lambda: item_in(item),
        lambda: item_of(parse_action(item).to_event("d", "s")),
    ]
    for read in readings:
        try:
            assert len(read().content) == 16
        except Problem as problem:
            json.dumps(problem.to_members("/"), ensure_ascii=False).encode()


@given(st.binary(max_size=80) | st.text('{}[]",:\\u0d8 1e.-', max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused(item: bytes) -> None:
    read_or_refused(item)


@given(values | issues | actions, st.booleans())
def test_any_json_is_read_or_refused(value: Any, escaped: bool) -> None:
    read_or_refused(json.dumps(value, ensure_ascii=escaped).encode(errors="surrogatepass"))


@given(st.sampled_from([encode(FULL), *(encode(HEAD | own) for own, _ in SAMPLES)]), st.data())
def test_a_good_item_that_was_changed_on_its_way_is_read_or_refused(
    item: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(item)))
    read_or_refused(
        item[:at] + data.draw(st.binary(max_size=3)) + item[data.draw(st.integers(at, len(item))) :]
    )


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_point_is_kept_to_the_last_digit(lat: float, lon: float) -> None:
    assert issue(LEAST | {"place": {"point": {"lat": lat, "lon": lon}}}).claims == (
        e.PlaceClaim(by="point", lat=lat, lon=lon),
    )


@given(st.datetimes(timezones=st.timezones()))
def test_any_time_of_rfc_3339_is_kept(moment: datetime) -> None:
    text = moment.isoformat()
    if re.search(r"[+-]\d\d:\d\d$", text) and BEGINNING <= instant(moment) <= instant(
        datetime.max.replace(tzinfo=UTC)
    ):
        assert issue(LEAST | {"due": text}).due == instant(moment)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60))
def test_what_a_text_becomes_stays_what_it_is(text: str) -> None:
    try:
        once = issue(LEAST | {"category": text})
    except Problem:
        assert not text.strip()
    else:
        assert issue(LEAST | {"category": once.category}) == once


# ── The contract as JSON Schema ───────────────────────────────────────────────────────────────────


def test_the_schema_says_what_is_accepted() -> None:
    schema = ISSUE.schema.json_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["reference", "category"]
    text = schema["properties"]["reference"]
    assert (text["minLength"], text["maxLength"]) == (1, 200)
    due = schema["properties"]["due"]["anyOf"][0]
    assert (due["type"], due["format"]) == ("string", "date-time")
    assert set(ACTION.schema.json_schema()["discriminator"]["mapping"]) == set(ACTIONS)


@given(st.text(max_size=6) | st.text(" \t\u0085\u00a0\u3000\u2028\u200b/a区\x00", max_size=6))
def test_the_patterns_of_the_schema_are_those_of_the_parser(text: str) -> None:
    schema = ISSUE.schema.json_schema()["properties"]
    for key, pattern in (
        ("category", schema["category"]["pattern"]),
        ("district", schema["district"]["anyOf"][0]["pattern"]),
    ):
        try:
            parse_issue(encode(LEAST | {key: text}))
            taken = True
        except Problem:
            taken = False
        assert taken == (re.search(pattern.replace("$", r"\Z"), text) is not None)
