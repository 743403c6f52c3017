"""Issues as lines send them: the event of each, or what is refused and why."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from unicodedata import combining, normalize

import pytest

from events import catalogue as e
from events.instants import TIME, instant, rfc3339
from httpedge.problems import ERRORS_MAX, Problem
from intake.core.identity import issue_id
from intake.item_codec import item_of
from intake.parsing import field_types
from intake.parsing.action import parse_action
from intake.parsing.field_types import is_accent
from intake.parsing.issue import parse_issue
from tests.harness.posted_items import (
    BROKEN_CODE,
    FULL,
    HEAD,
    IDS,
    ISSUE_ID,
    LEAST,
    PLACE,
    POINT,
    SAMPLES,
    UNSEEN,
    Json,
    action,
    encode,
    errors_of,
    issue,
    item_in,
    omit,
)
from tests.harness.senders import SENDER


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
        ({"reference": "a\tb"}, "/reference", UNSEEN),
        ({"reference": "a\n"}, "/reference", UNSEEN),
        ({"category": "a\u0085"}, "/category", UNSEEN),
        ({"category": "\u007f"}, "/category", UNSEEN),
        ({"reference": "R-1\u200b"}, "/reference", UNSEEN),
        ({"reference": "\u202e1-R"}, "/reference", UNSEEN),
        ({"reference": "\ufeffR-1"}, "/reference", UNSEEN),
        ({"category": "a\u2028b"}, "/category", UNSEEN),
        ({"category": "\U0001fffe"}, "/category", UNSEEN),
        ({"place": {"grid": "g\u00ad1"}}, "/place/grid", UNSEEN),
        ({"place": {"street": "\U000e0041"}}, "/place/street", UNSEEN),
        ({"district": "37\u2066"}, "/district", BROKEN_CODE),
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
    assert len({item_of(action(HEAD | own), SENDER).content for own, _ in SAMPLES}) == len(SAMPLES)
    assert (
        item_of(e.VisitMade(**IDS, by="w-1"), SENDER).content
        != item_of(e.ClosingAsked(**IDS, by="w-1"), SENDER).content
    )
