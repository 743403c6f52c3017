"""Items must be strict JSON before anything reads them."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpedge.items import split_items
from httpedge.problems import ERRORS_MAX, FieldError
from httpedge.strict_json import (
    DEPTH_MAX,
    ITEM_BYTES_MAX,
    check_strict,
    check_thoroughly,
    is_plainly_strict,
)
from tests.harness.json_values import finite, values
from tests.harness.problems import JSON, MARK, problem


def test_an_ordinary_item_needs_no_second_look() -> None:
    for item in (
        b'{"reference":"1","due":"2026-03-01T08:00:00+08:00","place":{"point":{"lat":1.5,"lon":-2}}}',
        b'{\n  "reference" : "1",\n  "list": [1, {"a": "\\u533a \\" \\\\"}]\n}',
        '{"category":"噪音: 夜间施工"}'.encode(),
    ):
        assert is_plainly_strict(item)
        check_strict(item)


def test_an_item_may_have_64_kib_and_not_a_byte_more() -> None:
    check_strict(b'{"a":"' + b"x" * (ITEM_BYTES_MAX - 8) + b'"}')
    refusal = problem(lambda: check_strict(b'{"a":"' + b"x" * (ITEM_BYTES_MAX - 7) + b'"}'))
    assert (refusal.status, refusal.kind) == (413, "too-large")
    assert refusal.detail == "An item may have 65,536 bytes, and this one has 65,537: shorten it."


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_an_item_may_have_16_levels_and_not_one_more(opening: bytes, closing: bytes) -> None:
    check_strict(opening * DEPTH_MAX + b"1" + closing * DEPTH_MAX)
    too_deep = opening * (DEPTH_MAX + 1) + b"1" + closing * (DEPTH_MAX + 1)
    refusal = problem(lambda: check_strict(too_deep, "issue or action"))
    assert (refusal.status, refusal.kind) == (422, "invalid")
    assert (
        refusal.detail
        == "The item nests deeper than 16 levels, which no issue or action needs: flatten it."
    )


def test_brackets_in_a_text_are_no_levels() -> None:
    check_strict(json.dumps({"a": "[{" * 100, "b": '"[[[' * 100}).encode())
    check_thoroughly(json.dumps({"a": "[{" * 100, "b": '"[[[\\' * 100}).encode())
    check_strict(b"[" + b",".join([b"[[]]"] * 1000) + b"]")


@pytest.mark.parametrize(
    "item", [b"[" * 60_000, b'{"a":' * 10_000, b"[" * 500, b'[" ]]]' + b"[" * 60_000]
)
def test_an_item_of_any_depth_is_refused_and_never_recursed_into(item: bytes) -> None:
    assert problem(lambda: check_strict(item)).status == 422


@pytest.mark.parametrize(
    ("item", "pointer"),
    [
        (rb'{"a":"\u0000"}', "/a"),
        (rb'{"a":{"b":["x", "y\u0000"]}}', "/a/b/1"),
        (rb'{"a":"\ud800"}', "/a"),
        (rb'{"a":"\uDFFF"}', "/a"),
        (rb'{"a":"\ud83dx\ude00"}', "/a"),
        (rb'{"a":"\ude00\ud83d"}', "/a"),
        (rb'["\\\ud83d"]', "/0"),
    ],
)
def test_nul_and_half_a_character_are_refused_where_they_stand(item: bytes, pointer: str) -> None:
    refusal = problem(lambda: check_strict(item))
    assert (refusal.status, refusal.kind) == (422, "invalid")
    assert refusal.errors == (
        FieldError(pointer, "has a NUL or half a character (a lone surrogate): take it out"),
    )


@pytest.mark.parametrize("item", [rb'{"\u0000":1}', rb'{"a":1,"\ud800":1}'])
def test_a_key_with_nul_or_half_a_character_is_refused_at_its_object(item: bytes) -> None:
    refusal = problem(lambda: check_strict(item))
    assert refusal.errors == (
        FieldError("", "a key here has a NUL or half a character (a lone surrogate): take it out"),
    )


@pytest.mark.parametrize(
    "item",
    [rb'{"a":"\\u0000"}', rb'{"a":"\\ud800"}', rb'{"a":"\ud83d\ude00"}', '{"a":"😀"}'.encode()],
)
def test_what_only_looks_like_them_is_taken(item: bytes) -> None:
    check_strict(item)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_words_that_are_no_numbers_are_refused(word: str) -> None:
    refusal = problem(lambda: check_strict(f'{{"place":{{"lat":{word}}},"b":"{word}"}}'.encode()))
    sentence = f"{word} is not a number of JSON: give a finite number, or leave the field out"
    assert refusal.errors == (FieldError("/place/lat", sentence),)


@pytest.mark.parametrize(
    ("item", "pointer"),
    [
        (b'{"a":1,"a":1}', "/a"),
        (b'{"a":1,"b":{"c":2,"c" : 3}}', "/b/c"),
        (b'[{},{"":1,"":2}]', "/1/"),
        (rb'{"a":1,"\u0061":2}', "/a"),
        (rb'{"\u0061":1,"a"' + b"\n\t:2}", "/a"),
        (rb'{"a/b~":1,"a\/b\u007e":2}', "/a~1b~0"),
        (b'{"a":1,"a":2,"b":": :"}', "/a"),
        (b'{"a":1,"a":2,"b":[":", "x"]}', "/a"),
        ('{"网格":1,"\\u7f51格":2}'.encode(), "/网格"),
        (b'{"a":1,"' + b"k" * 65 + b'":1,"' + b"k" * 65 + b'":1}', ""),
    ],
)  # fmt: skip
def test_a_repeated_key_is_refused_at_any_level_and_however_it_is_written(
    item: bytes, pointer: str
) -> None:
    refusal = problem(lambda: check_strict(item))
    assert (refusal.status, refusal.errors) == (
        422,
        (FieldError(pointer, "this key stands here twice: keep one"),),
    )


def test_the_same_key_in_two_objects_is_taken() -> None:
    check_strict(b'{"a":{"a":1},"b":[{"a":1},{"a":1}],"c":"\\":"}')


@pytest.mark.parametrize(
    ("item", "detail"),
    [
        (b'{"a":"\xff"}', "The item is not UTF-8 at byte 6: send JSON in UTF-8."),
        (b'{"\xed\xa0\x80":1}', "The item is not UTF-8 at byte 2: send JSON in UTF-8."),
        (b"\xef\xbb\xbf{}", f"The item {MARK}"),
        (
            b'{"a":1',
            "The item is not JSON: Expecting ',' delimiter: line 1 column 7 (char 6)."
            " Send an object in JSON.",
        ),
        (
            b"",
            "The item is not JSON: Expecting value: line 1 column 1 (char 0)."
            " Send an object in JSON.",
        ),
        (
            b'"\0"',
            "The item is not JSON: Invalid control character at: line 1 column 2 (char 1)."
            " Send an object in JSON.",
        ),
        (
            b"{} {}",
            "The item is not JSON: Extra data: line 1 column 4 (char 3). Send an object in JSON.",
        ),
    ],
)
def test_what_is_not_json_in_utf_8_is_refused(item: bytes, detail: str) -> None:
    refusal = problem(lambda: check_strict(item))
    assert (refusal.status, refusal.kind, refusal.detail, refusal.errors) == (
        422,
        "invalid",
        detail,
        (),
    )


@pytest.mark.parametrize("number", ["1e999", "1" * 5000, "-0", "1." + "3" * 4000])
def test_any_number_of_json_is_json(number: str) -> None:
    check_strict(f'{{"a":{number}}}'.encode())


def test_everything_that_is_wrong_is_listed_up_to_a_limit() -> None:
    refusal = problem(lambda: check_strict(b'{"a":NaN,"b":"\\u0000","a":[{"c":1,"c":"\\ud800"}]}'))
    assert [error.pointer for error in refusal.errors] == ["/a", "/b", "/a", "/a/0/c", "/a/0/c"]
    assert (
        len(problem(lambda: check_strict(b"[" + b",".join([b"NaN"] * 9999) + b"]")).errors)
        == ERRORS_MAX
    )


def test_texts_made_to_be_slow_are_not() -> None:
    for item in (
        b'{"a":1,"a":"' + rb"\"" * 32_000,
        b'{"a":' + b'"' * 65_000,
        b'"' + b"\\" * 65_001,
        b'{"":"' + b'":' * 32_000,
    ):
        assert problem(lambda item=item: check_strict(item)).status == 422  # type: ignore[misc]


@given(
    values,
    st.booleans(),
    st.sampled_from([None, 1]),
    st.sampled_from([(",", ":"), (" , ", "\t: ")]),
)
def test_a_value_without_faults_is_taken(
    value: Any, escaped: bool, indent: int | None, separators: tuple[str, str]
) -> None:
    value = finite(value)
    text = json.dumps(value, ensure_ascii=escaped, indent=indent, separators=separators)
    if "\\u0000" in text:
        assert problem(lambda: check_strict(text.encode())).status == 422
    else:
        check_strict(text.encode())


words = [
    r"\u0061",
    r"\u0000",
    r"\ud800",
    r"\"",
    r"\\",
    *'{}[]":, 1ab区',
    "\n",
    "NaN",
    "-2e9",
    "null",
]


@given(st.lists(st.sampled_from(words), max_size=25))
def test_the_cheap_answer_is_never_yes_where_the_exact_one_is_no(parts: list[str]) -> None:
    item = "".join(parts).encode()
    if is_plainly_strict(item):
        check_thoroughly(item)


keys = st.sampled_from(["a", r"\u0061", "b", "", '\\":', r"\\", " "])
members = st.recursive(
    st.sampled_from(["1", '":"', '" : "', "[]", "{}", '"\\":"']),
    lambda inner: st.lists(st.tuples(keys, inner), max_size=4).map(
        lambda pairs: (
            "{"
            + ",".join(
                f'"{key}" : {value}' if len(key) % 2 else f'"{key}":{value}' for key, value in pairs
            )
            + "}"
        )
    ),
    max_leaves=12,
)


@given(members)
def test_doubled_keys_are_found_exactly_where_python_finds_them(text: str) -> None:
    doubled = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal doubled
        doubled |= len(dict(pairs)) < len(pairs)

    json.loads(text, object_pairs_hook=look)
    if doubled:
        assert "this key stands here twice: keep one" in [
            error.detail for error in problem(lambda: check_strict(text.encode())).errors
        ]
    else:
        check_strict(text.encode())


def test_a_problem_is_written_as_rfc_9457_has_it() -> None:
    refusal = problem(lambda: check_strict(b'{"a":1,"a":2}'))
    assert refusal.to_members("/issues/1") == {
        "type": "urn:gridcall:problem:invalid",
        "title": "Not a valid item",
        "status": 422,
        "detail": "The item is not strict JSON: correct what errors lists, and send it again.",
        "instance": "/issues/1",
        "errors": [{"pointer": "/a", "detail": "this key stands here twice: keep one"}],
    }
    assert "errors" not in problem(lambda: split_items(b"", JSON)).to_members("/issues")


def test_a_problem_survives_the_way_to_another_process() -> None:
    refusal = problem(lambda: check_strict(b'{"a":1,"a":2}'))
    again = pickle.loads(pickle.dumps(refusal))
    assert again.to_members("/") == refusal.to_members("/")
    assert (
        str(again)
        == "422 invalid: The item is not strict JSON: correct what errors lists, and send it again."
    )
