"""Any bytes are read or refused, and JSON Schema agrees with the parser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from events import catalogue as e
from events.instants import BEGINNING, instant
from events.texts import UNSEEN_CHARACTER
from httpedge.problems import Problem
from intake.actions import ACTIONS
from intake.core.submission import Item
from intake.issues import Issue
from intake.item_codec import item_of
from intake.parsing.action import ACTION, parse_action
from intake.parsing.issue import ISSUE, parse_issue
from tests.harness.posted_items import (
    BY_LINE,
    FULL,
    HEAD,
    LEAST,
    SAMPLES,
    VISIT,
    encode,
    issue,
    item_in,
)
from tests.harness.senders import SENDER

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
        lambda: item_of(parse_action(item).to_event("d", "s"), SENDER),
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
        assert not text.strip() or UNSEEN_CHARACTER.search(text)
    else:
        assert issue(LEAST | {"category": once.category}) == once


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
