"""Bytes of a request: how many are taken, how they are cut, and what an item must be."""

from __future__ import annotations

import gzip
import json
import pickle
import tracemalloc
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpedge.items import COMMAS_MAX, ITEMS_MAX, split_items
from httpedge.problems import ERRORS_MAX, FieldError, Problem
from httpedge.request_body import GZIP_RATIO_MAX, REQUEST_BYTES_MAX, body_for
from httpedge.strict_json import (
    DEPTH_MAX,
    ITEM_BYTES_MAX,
    check_strict,
    check_thoroughly,
    is_plainly_strict,
)

JSON = "application/json"
LINES = "application/x-ndjson"
MARK = "starts with a byte order mark (EF BB BF), which JSON does not have: leave it out."


def problem(act: Callable[[], object]) -> Problem:
    """The Problem that something raises."""
    with pytest.raises(Problem) as raised:
        act()
    return raised.value


def outcome(act: Callable[[], Any]) -> tuple[int, Any]:
    """200 and what something gives, or the status of its Problem."""
    try:
        return 200, act()
    except Problem as refusal:
        return refusal.status, None


def receive_all(chunks: Iterable[bytes], encoding: str = "", declared: int | None = None) -> bytes:
    body = body_for(encoding, declared)
    for chunk in chunks:
        body.add(chunk)
    return body.content()


def pieces(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def noise(size: int) -> bytes:
    """Bytes that hardly shrink: 0-9 and a-f, as an endless hash would give them."""
    state, out = 1, bytearray()
    while len(out) < size:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        out += b"%016x" % state
    return bytes(out[:size])


# ── A stream becomes a body ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoding", ["", " ", "identity", " Identity "])
def test_a_body_is_all_that_came(encoding: str) -> None:
    assert receive_all([b'{"a"', b"", b":1}"], encoding) == b'{"a":1}'


def test_a_body_may_have_8_mib_and_not_a_byte_more() -> None:
    assert len(receive_all([b"x" * REQUEST_BYTES_MAX], "", REQUEST_BYTES_MAX)) == REQUEST_BYTES_MAX
    refusal = problem(lambda: receive_all([b"x" * REQUEST_BYTES_MAX, b"x"]))
    assert (refusal.status, refusal.kind) == (413, "too-large")
    assert (
        refusal.detail
        == "A request may have 8,388,608 bytes, also unzipped, and more came: send fewer items at a"
        " time."
    )


def test_what_is_announced_as_too_large_is_refused_before_it_comes() -> None:
    taken: list[bytes] = []

    def chunks() -> Iterable[bytes]:
        taken.append(b"x")
        yield b"x"

    assert problem(lambda: receive_all(chunks(), "", REQUEST_BYTES_MAX + 1)).status == 413
    assert taken == []


def test_a_body_without_end_is_left_where_it_becomes_too_large_and_nothing_of_it_is_kept() -> None:
    taken = 0

    def endless() -> Iterable[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(1 << 20)

    tracemalloc.start()
    refusal = problem(lambda: receive_all(endless()))
    traced, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (refusal.status, taken) == (413, 9)
    assert traced < 2 << 20


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip;q=1"])
def test_other_encodings_than_gzip_are_refused(encoding: str) -> None:
    refusal = problem(lambda: receive_all([b"{}"], encoding))
    assert (refusal.status, refusal.kind, refusal.detail) == (
        415,
        "unsupported-encoding",
        "Send the body as it is, or as gzip.",
    )


@given(st.binary(max_size=300), st.integers(1, 50), st.sampled_from(["gzip", "GZIP", "x-gzip"]))
def test_gzip_is_unzipped_wherever_its_chunks_are_cut(
    body: bytes, size: int, encoding: str
) -> None:
    assert receive_all(pieces(gzip.compress(body), size), encoding) == body


@given(st.binary(max_size=200), st.integers(1, 50), st.integers(0, 220), st.binary(max_size=3))
def test_gzip_that_was_changed_on_its_way_is_unzipped_alike_or_refused(
    body: bytes, size: int, at: int, change: bytes
) -> None:
    zipped = gzip.compress(body)
    zipped = zipped[:at] + change + zipped[at + len(change) :]
    status, came = outcome(lambda: receive_all(pieces(zipped, size), "gzip"))
    assert status in (400, 413) or came == body


HALF = "The gzip stream stops half-way: send the whole of it."
BROKEN = "The gzip stream is broken: zip the body again, or send it as it is."
BEHIND = "Bytes follow the end of the gzip stream: send one member, and nothing behind it."


@pytest.mark.parametrize(
    ("zipped", "detail"),
    [
        (b"", HALF),
        (gzip.compress(b"abc")[:-1], HALF),
        (gzip.compress(noise(999))[:300], HALF),
        (b'{"a":1}', BROKEN),
        (zlib.compress(b"abc"), BROKEN),
        (gzip.compress(b"abc")[:-5] + b"12345", BROKEN),
        (gzip.compress(b"abc") + b"\0", BEHIND),
        (gzip.compress(b"a") + gzip.compress(b"b"), BEHIND),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_broken_gzip_is_refused(zipped: bytes, detail: str, size: int) -> None:
    refusal = problem(lambda: receive_all(pieces(zipped, size), "gzip"))
    assert (refusal.status, refusal.kind, refusal.detail) == (400, "bad-gzip", detail)


def test_what_comes_unzipped_may_have_8_mib_too() -> None:
    body = noise(REQUEST_BYTES_MAX)
    assert receive_all(pieces(gzip.compress(body, 1), 1 << 16), "gzip") == body
    refusal = problem(lambda: receive_all(pieces(gzip.compress(body + b"0", 1), 1 << 16), "gzip"))
    assert (refusal.status, refusal.kind) == (413, "too-large")


def test_a_bomb_is_refused_by_its_ratio() -> None:
    zipped = gzip.compress(bytes(100_000))
    refusal = problem(lambda: receive_all([zipped], "gzip"))
    assert (refusal.status, refusal.kind) == (413, "gzip-bomb")
    assert (
        refusal.detail
        == "A gzip bomb: it unzips to more than 20 times its bytes. Send the body as it is."
    )


def test_a_ratio_of_20_is_no_bomb_and_a_byte_more_is() -> None:
    def zip_bytes(size: int) -> bytes:
        return gzip.compress(noise(200) + bytes(size - 200))

    size = next(size for size in range(3000, 6000) if len(zip_bytes(size)) * GZIP_RATIO_MAX == size)
    assert len(receive_all([zip_bytes(size)], "gzip")) == size
    assert len(zip_bytes(size + 1)) * GZIP_RATIO_MAX < size + 1
    assert problem(lambda: receive_all([zip_bytes(size + 1)], "gzip")).kind == "gzip-bomb"


def test_a_bomb_is_not_unzipped_further_than_8_mib() -> None:
    zipped = gzip.compress(bytes(200 << 20), 1)
    tracemalloc.start()
    assert problem(lambda: receive_all([zipped], "gzip")).status == 413
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 << 20


# ── A body becomes items ──────────────────────────────────────────────────────────────────────────


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


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(['":', ' ":', "\0", "\\"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
spaces = st.text(" \t\r\n", max_size=2)


@given(st.lists(st.tuples(values, st.booleans()), min_size=1, max_size=5), spaces)
def test_joined_items_are_split_as_they_were(parts: list[tuple[Any, bool]], space: str) -> None:
    items = [json.dumps(finite(value), ensure_ascii=escaped).encode() for value, escaped in parts]
    blank = space.encode()
    glued = blank + b"[" + blank + (blank + b"," + blank).join(items) + blank + b"]" + blank
    assert split_items(glued, JSON) == items
    assert split_items(b"\n".join(items), LINES) == items


def finite(value: Any) -> Any:
    """A value with 0 for what JSON has no number for."""
    if isinstance(value, float) and value - value != 0:
        return 0
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return (
        {key: finite(inner) for key, inner in value.items()} if isinstance(value, dict) else value
    )


@given(
    st.binary(max_size=60) | st.text('[]{}",:\\u0d8 1aNe.-\n', max_size=60).map(str.encode),
    st.sampled_from([JSON, LINES]),
)
def test_whatever_a_body_is_it_is_cut_or_refused(body: bytes, content_type: str) -> None:
    status, items = outcome(lambda: split_items(body, content_type))
    assert status == 422 or items


# ── What an item must be ──────────────────────────────────────────────────────────────────────────


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


# ── Problems ──────────────────────────────────────────────────────────────────────────────────────


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
