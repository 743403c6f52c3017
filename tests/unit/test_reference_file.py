"""Files of reference data: strict JSON, unknown fields with the nearest name, texts in NFC."""

from __future__ import annotations

import json
from typing import Any

import pytest

from events.catalogue import OnCall
from events.reference_data import AdmissionList, Names, Policies, Roster
from intake.parsing.reference_file import InvalidFile, parse_reference_file

POLICIES: dict[str, Any] = {
    "zone": "Europe/Dublin",
    "answer_within": 86_400_000_000,
    "limits": [{"line": "hotline", "category": "*", "urgency": "*", "amount": 2, "unit": "hours"}],
}


def encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def errors_of(body: bytes, kind: Any = Policies) -> list[tuple[str, str]]:
    with pytest.raises(InvalidFile) as raised:
        parse_reference_file(body, kind)
    return [(error.pointer, error.detail) for error in raised.value.errors]


def test_a_file_is_a_content() -> None:
    policies = parse_reference_file(encode(POLICIES), Policies)
    assert policies.limits[0].amount == 2
    assert parse_reference_file(b"\xef\xbb\xbf" + encode(POLICIES), Policies) == policies


@pytest.mark.parametrize(
    ("changed", "pointer", "said"),
    [
        ({"zon": 1}, "/zon", "unknown field; did you mean `zone`?"),
        ({"limit": []}, "/limit", "unknown field; did you mean `limits`?"),
        ({"x": 1}, "/x", "unknown field; known here are zone, answer_within, limits"),
        (
            {"limits": [{**POLICIES["limits"][0], "ammount": 3}]},
            "/limits/0/ammount",
            "unknown field; did you mean `amount`?",
        ),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest_one(
    changed: dict[str, Any], pointer: str, said: str
) -> None:
    assert errors_of(encode(POLICIES | changed)) == [(pointer, said)]


def test_all_unknown_fields_are_named_at_once() -> None:
    limit = {**POLICIES["limits"][0], "unti": "days"}
    result = errors_of(encode({**POLICIES, "zones": 1, "limits": [limit, limit]}))
    assert [pointer for pointer, _ in result] == ["/limits/0/unti", "/limits/1/unti", "/zones"]


def test_a_field_of_a_list_in_a_roster_is_named() -> None:
    roster = {"workers": {}, "receivers": [{"unit": "01", "oficer": "o:1", "deputy": None}]}
    assert errors_of(encode(roster), Roster) == [
        ("/receivers/0/oficer", "unknown field; did you mean `officer`?")
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"zone": "UTC", "answer_within": null}', "missing required field `limits`"),
        (encode({**POLICIES, "answer_within": "1 day"}), "at `$.answer_within`"),
        (
            encode({**POLICIES, "limits": [{**POLICIES["limits"][0], "amount": 2.5}]}),
            "at `$.limits[0].amount`",
        ),
        (
            encode({**POLICIES, "limits": [{**POLICIES["limits"][0], "unit": "weeks"}]}),
            "at `$.limits[0].unit`",
        ),
        (b'{"zone": "UTC", "zone": "UTC"}', "this key stands here twice"),
        (b'{"zone": "a\\u0000"}', "has a NUL"),
        (b'{"zone": NaN}', "NaN is not a number of JSON"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b"[" * 40 + b"]" * 40, "nests deeper"),
    ],
)
def test_what_is_no_content_is_refused_with_the_reason(body: bytes, said: str) -> None:
    assert said in errors_of(body)[0][1]


def test_codes_and_texts_are_read_in_nfc() -> None:
    nfd, nfc = "LEO\u0301N", "LE\u00d3N"
    roster = {
        "workers": {nfd: "ann"},
        "receivers": [{"unit": nfd, "officer": None, "deputy": None}],
    }
    assert parse_reference_file(encode(roster), Roster) == Roster(
        {nfc: "ann"}, (OnCall(nfc, None, None),)
    )
    names = {"schematic": False, "names": {nfd: {"en": nfd}}}
    assert parse_reference_file(encode(names), Names) == Names(False, {nfc: {"en": nfc}})


def test_two_keys_that_are_one_in_nfc_are_refused() -> None:
    roster = {"workers": {"LEO\u0301N": "ann", "LE\u00d3N": "bob"}, "receivers": []}
    assert "differ in their Unicode form only" in errors_of(encode(roster), Roster)[0][1]


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intake.parsing.reference_file.FILE_BYTES_MAX", 10)
    assert "at most 10" in errors_of(encode({"rows": []}), AdmissionList)[0][1]
