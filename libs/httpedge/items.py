"""A body becomes items: an object, the elements of an array, or the lines of NDJSON."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from itertools import islice

import msgspec

from httpedge.problems import Problem, malformed_body, too_many
from httpedge.strict_json import (
    BYTE_ORDER_MARK,
    DEPTH_MAX,
    ITEM_BYTES_MAX,
    SPACES,
    utf8_fault,
)

JSON = "application/json"
NDJSON = ("application/x-ndjson", "application/ndjson")
ITEMS_MAX = 10_000
# Thrice what so many items need. Beyond, a body is crumbs: cut up, they take 40 times its bytes.
COMMAS_MAX = 30 * ITEMS_MAX
NEWLINES_MAX = 10 * ITEMS_MAX  # Also empty lines: to skip 8 MiB of them takes a second.

decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
decode_raw_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def split_items(body: bytes, content_type: str) -> list[bytes]:
    """Return the bytes of each item as they came: 1 to ITEMS_MAX. Raises Problem 413, 415, 422."""
    name = media_type(content_type)
    check_text(body)
    items = split_lines(body) if name in NDJSON else split_values(body)
    if not items:
        raise malformed_body("There is no item in the body: send at least one.")
    check_count(items)
    return items


@lru_cache(maxsize=64)  # A sender says the same with each request.
def media_type(content_type: str) -> str:
    """Return the name of an accepted content type. Raises Problem 415 for others."""
    name, *parameters = [part.strip().lower() for part in content_type.split(";")]
    charsets = [part[8:].strip('"') for part in parameters if part.startswith("charset=")]
    if name not in (JSON, *NDJSON) or not {"utf-8", "utf8"}.issuperset(charsets):
        detail = (
            "Send application/json (an object, or an array of them) or application/x-ndjson"
            " (one a line), in UTF-8."
        )
        raise Problem(415, "unsupported-type", "Content-Type not supported", detail)
    return name


def check_text(body: bytes) -> None:
    """Raise Problem 422 unless a body is text in UTF-8 without a byte order mark."""
    if not body or body.isspace():
        raise malformed_body("The body is empty: send at least one item.")
    if body.startswith(BYTE_ORDER_MARK):
        raise malformed_body(
            "The body starts with a byte order mark (EF BB BF), which JSON does not have: leave it"
            " out."
        )
    if not body.isascii() and (fault := utf8_fault(body)):
        raise malformed_body(f"The body is {fault}: send JSON in UTF-8.")


def check_count(items: Sequence[object]) -> None:
    """Raise Problem 413 for more than ITEMS_MAX."""
    if len(items) > ITEMS_MAX:
        raise too_many(f"A request may have {ITEMS_MAX:,} items: send the others in another one.")


def split_lines(body: bytes) -> list[bytes]:
    """Return the lines that are not empty; ITEMS_MAX + 1 at most. Raises Problem 413."""
    if body.count(b"\n") > NEWLINES_MAX:
        raise too_many(
            f"A body may have {NEWLINES_MAX:,} lines, also empty ones: leave those out, or send"
            " fewer items at a time."
        )
    # A longer line is refused later, so that stripping it would be wasted.
    lines = (line.strip(SPACES) if len(line) <= ITEM_BYTES_MAX else line for line in BytesIO(body))
    return list(islice(filter(None, lines), ITEMS_MAX + 1))


def split_values(body: bytes) -> list[bytes]:
    """Return the one object of a body, or the elements of its array. Raises Problem."""
    bracket = body.lstrip()[:1]
    if bracket not in (b"{", b"["):
        raise malformed_body(
            "The body is neither an object nor an array: send one object, or an array of them."
        )
    if body.count(b",") > COMMAS_MAX:
        raise too_many(
            f"The body has more parts than {ITEMS_MAX:,} items can have: send fewer items at a"
            " time."
        )
    try:
        raws = [decode_raw(body)] if bracket == b"{" else decode_raw_array(body)
    except msgspec.DecodeError as fault:
        detail = f"The body is not JSON, or it stops half-way: {fault}. Send the whole of it."
        raise malformed_body(detail) from None
    except RecursionError:
        detail = f"The body nests far too deep: an item may have {DEPTH_MAX} levels."
        raise malformed_body(detail) from None
    check_count(raws)
    return [bytes(raw) for raw in raws]
