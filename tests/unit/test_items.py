"""Bodies become items: objects, elements of an array, or lines."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpedge.items import COMMAS_MAX, ITEMS_MAX, split_items
from httpedge.request_body import REQUEST_BYTES_MAX
from tests.harness.json_values import finite, values
from tests.harness.problems import JSON, LINES, MARK, outcome, problem


@pytest.mark.parametrize(
    ("body", "content_type", "items"),
    [
        (b'{"a":1}', JSON, [b'{"a":1}']),
        (b' \r\n{"a" : 1}\t', JSON, [b'{"a" : 1}']),
        (
            b'[{"a" : 1.50},\n {"b":"\xe5\x8c\xba"}, 3 ]',
            JSON,
            [b'{"a" : 1.50}', b'{"b":"\xe5\x8c\xba"}', b"3"],
        ),
        (b'{"a":1}\n\n \r\n{"b":\t2}\r\n', LINES, [b'{"a":1}', b'{"b":\t2}']),
        (b'{"a":1}\n{"b', "application/ndjson", [b'{"a":1}', b'{"b']),
        (b"{}", "Application/JSON; charset=UTF-8", [b"{}"]),
        (b"{}", 'application/json;charset="utf-8"; q=1', [b"{}"]),
    ],
)
def test_a_body_is_cut_into_items_that_stay_as_they_came(
    body: bytes, content_type: str, items: list[bytes]
) -> None:
    assert split_items(body, content_type) == items


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/xml",
        "application/json-seq",
        "application/geo+json",
        "application/json; charset=gbk",
    ],
)
def test_other_types_and_charsets_are_refused(content_type: str) -> None:
    refusal = problem(lambda: split_items(b"{}", content_type))
    assert (refusal.status, refusal.kind) == (415, "unsupported-type")
    assert "application/x-ndjson" in refusal.detail


@pytest.mark.parametrize(
    ("body", "content_type", "detail"),
    [
        (b"", JSON, "The body is empty: send at least one item."),
        (b" \n\t", JSON, "The body is empty: send at least one item."),
        (b"\n \r\n", LINES, "The body is empty: send at least one item."),
        (b" [ ] ", JSON, "There is no item in the body: send at least one."),
        (b"\xef\xbb\xbf{}", JSON, f"The body {MARK}"),
        (b"\xef\xbb\xbf{}", LINES, f"The body {MARK}"),
        (b'{"a":"\xe9"}', JSON, "The body is not UTF-8 at byte 6: send JSON in UTF-8."),
        ("{}".encode("utf-16"), JSON, "The body is not UTF-8 at byte 0: send JSON in UTF-8."),
        (b'{"a":"\xed\xa0\x80"}', LINES, "The body is not UTF-8 at byte 6: send JSON in UTF-8."),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_cut_says_why(body: bytes, content_type: str, detail: str) -> None:
    refusal = problem(lambda: split_items(body, content_type))
    assert (refusal.status, refusal.kind, refusal.detail) == (422, "malformed", detail)


@pytest.mark.parametrize(
    "body",
    [b"3", b"-1.5", b'"text"', b"null", b"true", b"NaN", b"hello", b"<xml/>", b"a=1&b=2", b"\0"],
)
def test_what_is_neither_an_object_nor_an_array_is_refused(body: bytes) -> None:
    refusal = problem(lambda: split_items(body, JSON))
    assert (refusal.status, refusal.kind) == (422, "malformed")
    assert refusal.detail.startswith("The body is neither an object nor an array")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[{}",
        b"[{},",
        b"[{},]",
        b"[{}]]",
        b"{}{}",
        b'{"a"}',
        b'{"a":1',
        b'{"a":"',
        b'[{},{"b"',
        b"[NaN]",
        b"{'a':1}",
    ],
)
def test_a_body_that_is_not_json_or_stops_half_way_is_refused(body: bytes) -> None:
    refusal = problem(lambda: split_items(body, JSON))
    assert (refusal.status, refusal.kind) == (422, "malformed")
    assert refusal.detail.startswith("The body is not JSON, or it stops half-way: ")


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000]
)
def test_a_body_of_100_000_levels_is_refused(body: bytes) -> None:
    refusal = problem(lambda: split_items(body, JSON))
    assert (refusal.status, refusal.detail) == (
        422,
        "The body nests far too deep: an item may have 16 levels.",
    )
    assert split_items(body, LINES) == [body]


def test_a_request_may_have_10_000_items_and_not_one_more() -> None:
    item = b'{"reference":"1","place":{"grid":"2","street":"3"}}'
    assert split_items(b"[" + b",".join([item] * ITEMS_MAX) + b"]", JSON) == [item] * ITEMS_MAX
    assert split_items(b"\n".join([item] * ITEMS_MAX), LINES) == [item] * ITEMS_MAX
    for refusal in (
        problem(lambda: split_items(b"[" + b",".join([item] * (ITEMS_MAX + 1)) + b"]", JSON)),
        problem(lambda: split_items(b"\n".join([item] * (ITEMS_MAX + 1)), LINES)),
    ):
        assert (refusal.status, refusal.kind) == (413, "too-many")
        assert refusal.detail == "A request may have 10,000 items: send the others in another one."


@pytest.mark.parametrize("crumb", [b"0,", b"[],", b"{},"])
def test_a_body_of_crumbs_is_refused_before_it_is_cut(crumb: bytes) -> None:
    body = b"[" + crumb * (REQUEST_BYTES_MAX // len(crumb) - 2) + b"0]"
    tracemalloc.start()
    refusal = problem(lambda: split_items(body, JSON))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (refusal.status, refusal.kind) == (413, "too-many")
    assert peak < 1 << 20


def test_as_many_commas_as_are_let_through_take_little_memory() -> None:
    body = b"[" + b"0," * COMMAS_MAX + b"0]"
    tracemalloc.start()
    assert problem(lambda: split_items(body, JSON)).kind == "too-many"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 << 20


spaces = st.text(" \t\r\n", max_size=2)


@given(st.lists(st.tuples(values, st.booleans()), min_size=1, max_size=5), spaces)
def test_joined_items_are_split_as_they_were(parts: list[tuple[Any, bool]], space: str) -> None:
    items = [json.dumps(finite(value), ensure_ascii=escaped).encode() for value, escaped in parts]
    blank = space.encode()
    glued = blank + b"[" + blank + (blank + b"," + blank).join(items) + blank + b"]" + blank
    assert split_items(glued, JSON) == items
    assert split_items(b"\n".join(items), LINES) == items


@given(
    st.binary(max_size=60) | st.text('[]{}",:\\u0d8 1aNe.-\n', max_size=60).map(str.encode),
    st.sampled_from([JSON, LINES]),
)
def test_whatever_a_body_is_it_is_cut_or_refused(body: bytes, content_type: str) -> None:
    status, items = outcome(lambda: split_items(body, content_type))
    assert status == 422 or items
