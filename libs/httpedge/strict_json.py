"""Strict JSON: what an item must be before anything reads it.

JSON lets pass what two readers understand differently: a key twice, NUL, half a character, NaN,
a depth that exhausts a stack. All of that is refused here, each with a pointer to its place.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from httpedge.problems import (
    ERRORS_MAX,
    UNPRINTABLE,
    FieldError,
    child_pointer,
    invalid,
    too_large,
)

ITEM_BYTES_MAX = 64 * 1024
DEPTH_MAX = 16  # Objects and arrays within each other; an item that is an object has 1.
SPACES = b" \t\r\n"  # The white space of JSON.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
CONTAINERS = frozenset({dict, list})
# Each string as a whole, so that brackets inside it do not count. An unclosed one goes to the end.
STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)

decode_any = msgspec.json.Decoder().decode


def check_strict(item: bytes, name: str = "item") -> None:
    """Raise a Problem unless an item is strict JSON; `name` is the word for it in sentences.

    Status 413 is for its size. Status 422 is for its depth, and for what is not JSON in UTF-8 (also
    NaN and Infinity). It is also for NUL, half a character or a key twice, even if escaped.
    """
    if len(item) > ITEM_BYTES_MAX:
        raise too_large(
            f"An item may have {ITEM_BYTES_MAX:,} bytes, and this one has {len(item):,}:"
            " shorten it."
        )
    if not is_plainly_strict(item):
        check_thoroughly(item, name)


def is_plainly_strict(item: bytes) -> bool:
    """Tell cheaply that nothing is wrong. False says that `check_thoroughly` must decide.

    Each key has a closing quote before a colon. If there are no more such quotes than different
    keys, no key occurs twice.
    """
    try:
        value = decode_any(item)
        keys = count_keys(value, DEPTH_MAX) if type(value) in CONTAINERS else 0
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return keys == count_key_ends(item) and b"\\u0000" not in item


def count_key_ends(item: bytes) -> int:
    """Count the closing quotes before a colon: at least as many as the item has keys."""
    return item.translate(None, SPACES).count(b'":')


def count_keys(container: Any, levels: int) -> int:
    """Count the keys of all objects in an object or array. Raises RecursionError below `levels`."""
    if not levels:
        raise RecursionError
    is_object = type(container) is dict
    keys = len(container) if is_object else 0
    for inner in container.values() if is_object else container:
        if type(inner) in CONTAINERS:
            keys += count_keys(inner, levels - 1)
    return keys


def check_thoroughly(item: bytes, name: str = "item") -> None:
    """Raise a Problem 422 that lists everything that is wrong, if anything is."""
    if fault := utf8_fault(item):
        raise invalid(f"The item is {fault}: send JSON in UTF-8.")
    if item.startswith(BYTE_ORDER_MARK):
        raise invalid(
            "The item starts with a byte order mark (EF BB BF), which JSON does not have: leave it"
            " out."
        )
    text = item.decode()
    if is_too_deep(text):
        raise invalid(
            f"The item nests deeper than {DEPTH_MAX} levels, which no {name} needs: flatten it."
        )
    faults: list[FieldError] = []
    collect_faults(parse_pairs(text), "", faults)
    if faults:
        raise invalid(
            "The item is not strict JSON: correct what errors lists, and send it again.",
            *faults[:ERRORS_MAX],
        )


def utf8_fault(text: bytes) -> str | None:
    """Return the place at which bytes cease to be UTF-8, as a phrase; None if they do not."""
    try:
        text.decode()
    except UnicodeDecodeError as fault:
        return f"not UTF-8 at byte {fault.start:,}"
    return None


def is_too_deep(text: str) -> bool:
    """Tell if more than DEPTH_MAX brackets are open anywhere, without recursion."""
    left = DEPTH_MAX
    for token in STRING_OR_BRACKET.finditer(text):
        bracket = text[token.start()]
        left += -1 if bracket in "[{" else 1 if bracket in "]}" else 0
        if left < 0:
            return True
    return False


class Constant(str):
    """NaN, Infinity or -Infinity: Python would read them as numbers, JSON does not have them."""

    __slots__ = ()


INSPECTED = frozenset({tuple, list, str, Constant})


def parse_pairs(text: str) -> Any:
    """Parse JSON with each object as a tuple of its members, so that a key twice is seen.

    A number becomes its length: no check here needs its value, and int() refuses 4,300 digits.
    """
    try:
        return json.loads(
            text, object_pairs_hook=tuple, parse_constant=Constant, parse_int=len, parse_float=len
        )
    except (json.JSONDecodeError, RecursionError) as fault:
        detail = f"The item is not JSON: {fault}. Send an object in JSON."
    raise invalid(detail)  # Outside of `except`, because the traceback would carry the text along.


def collect_faults(value: Any, pointer: str, faults: list[FieldError]) -> None:
    """Add all faults in a value, in the order of the text. `pointer` leads to the value."""
    if len(faults) >= ERRORS_MAX or type(value) not in INSPECTED:
        return
    if type(value) is tuple:
        collect_member_faults(value, pointer, faults)
    elif type(value) is list:
        for number, inner in enumerate(value):
            collect_faults(inner, f"{pointer}/{number}", faults)
    elif type(value) is Constant:
        detail = f"{value} is not a number of JSON: give a finite number, or leave the field out"
        faults.append(FieldError(pointer, detail))
    elif UNPRINTABLE.search(value):
        detail = "has a NUL or half a character (a lone surrogate): take it out"
        faults.append(FieldError(pointer, detail))


def collect_member_faults(
    members: tuple[tuple[str, Any], ...], pointer: str, faults: list[FieldError]
) -> None:
    """Add the faults of an object: of its keys, and of their values."""
    seen: set[str] = set()
    for key, inner in members:
        if UNPRINTABLE.search(key):
            detail = "a key here has a NUL or half a character (a lone surrogate): take it out"
            faults.append(FieldError(pointer, detail))
        if key in seen:
            faults.append(
                FieldError(child_pointer(pointer, key), "this key stands here twice: keep one")
            )
        seen.add(key)
        collect_faults(inner, child_pointer(pointer, key), faults)
