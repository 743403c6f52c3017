"""Fields that no item has: personal data is refused by name, others with the nearest name."""

from __future__ import annotations

import json
import traceback

import pytest

from httpedge.problems import Problem
from intake.parsing.action import parse_action
from intake.parsing.issue import parse_issue
from tests.harness.posted_items import (
    LEAST,
    PHONE,
    POINT,
    VISIT,
    Json,
    encode,
    errors_of,
)

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
