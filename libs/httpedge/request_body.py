"""The bytes of a request: how many are taken, how they are cut into items, and what an item must be before it is read.

Nothing here knows what an item says. Whatever the bytes are, the only error is a Problem.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from itertools import islice
from typing import Any, NamedTuple, NoReturn

import msgspec

from events.errors import GridcallError

ITEM_BYTES = 64 * 1024  # An issue or an action.
REQUEST_BYTES = 8 * 1024 * 1024  # A request, as it came and as it is unzipped.
ITEMS = 10_000  # Issues or actions of a request.
DEPTH = 16  # Objects and arrays within each other; an item that is an object has 1.
GZIP_RATIO = 20  # Unzipped bytes for each that came.
ERRORS = (
    32  # Errors that a problem lists; whoever makes more has misread the contract, not a field.
)
COMMAS = (
    30 * ITEMS
)  # Thrice what so many items need. Beyond, a body is crumbs: cut up, they take 40 times its bytes.
NEWLINES = 10 * ITEMS  # Also empty ones: to skip 8 MiB of them takes a second.

SPACES = b" \t\r\n"  # What JSON calls white space.
CONTAINERS = frozenset({dict, list})
BOM = b"\xef\xbb\xbf"
JSON = "application/json"
NDJSON = ("application/x-ndjson", "application/ndjson")
GZIP = ("gzip", "x-gzip")
# Each string as a whole, so that brackets inside it do not count; one that does not end goes on to the end of the text.
STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)
UNSHOWABLE = re.compile("[\0\ud800-\udfff]")

raw_value = msgspec.json.Decoder(msgspec.Raw)
raw_array = msgspec.json.Decoder(list[msgspec.Raw])
any_value = msgspec.json.Decoder()


class FieldError(NamedTuple):
    """What is wrong with one field: a JSON pointer (RFC 6901) into the item, and a sentence."""

    pointer: str
    detail: str


class Problem(GridcallError):
    """Why a request or an item is not taken, as RFC 9457 has it. `kind` is the last part of its type."""

    def __init__(
        self, status: int, kind: str, title: str, detail: str, errors: tuple[FieldError, ...] = ()
    ) -> None:
        super().__init__(
            status, kind, title, detail, errors
        )  # All of them, so that it can be pickled.
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.errors = errors

    def __str__(self) -> str:
        return f"{self.status} {self.kind}: {self.detail}"

    def as_json(self, instance: str) -> dict[str, Any]:
        """The members of an application/problem+json; `instance` names the request or the item."""
        members = {
            "type": f"urn:gridcall:problem:{self.kind}",
            "title": self.title,
            "status": self.status,
        }
        members |= {"detail": self.detail, "instance": instance}
        return members | (
            {"errors": [error._asdict() for error in self.errors]} if self.errors else {}
        )


def too_large(detail: str) -> Problem:
    """A request or an item has too many bytes."""
    return Problem(413, "too-large", "Too large", detail)


def too_many(detail: str) -> Problem:
    """A request has too many items."""
    return Problem(413, "too-many", "Too many items", detail)


def bad_gzip(detail: str) -> Problem:
    """A body was announced as gzip and is not."""
    return Problem(400, "bad-gzip", "Not a gzip stream", detail)


def malformed(detail: str) -> Problem:
    """A body cannot be cut, so that none of its items is taken."""
    return Problem(422, "malformed", "Not JSON that can be cut into items", detail)


def invalid(detail: str, *errors: FieldError) -> Problem:
    """An item is refused; those beside it are not concerned."""
    return Problem(422, "invalid", "Not a valid item", detail, errors)


# ── A stream becomes a body ──────────────────────────────────────────────────────────────────────────────────────────


class Plain:
    """A body that comes as it is, up to REQUEST_BYTES."""

    def __init__(self) -> None:
        self._body = bytearray()

    def add(self, chunk: bytes) -> None:
        """The next bytes that came. Raises Problem 413 as soon as they are too many."""
        if len(self._body) + len(chunk) > REQUEST_BYTES:
            self._body.clear()  # The error keeps this frame, and would keep the bytes.
            refuse_size("more came")
        self._body += chunk

    def whole(self) -> bytes:
        """All that came."""
        return bytes(self._body)


class Zipped:
    """What a gzip stream of one member holds: REQUEST_BYTES at most, and GZIP_RATIO for each byte that came."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self._body = bytearray()
        self._came = 0

    def add(self, chunk: bytes) -> None:
        """The next bytes that came. Raises Problem 413 as soon as they are too many, 400 for broken gzip."""
        self._came += len(chunk)
        self._body += inflated(self._stream, chunk, REQUEST_BYTES + 1 - len(self._body))
        if max(self._came, len(self._body)) > REQUEST_BYTES:
            self._body.clear()
            refuse_size("more came, or lay in the gzip stream")

    def whole(self) -> bytes:
        """All of it, unzipped. Raises Problem 400 where it stops half-way, 413 for a bomb."""
        if not self._stream.eof:
            raise bad_gzip("The gzip stream stops half-way: send the whole of it.")
        if len(self._body) > GZIP_RATIO * self._came:
            self._body.clear()
            sentence = f"A gzip bomb: it unzips to more than {GZIP_RATIO} times its bytes. Send the body as it is."
            raise Problem(413, "gzip-bomb", "Gzip bomb", sentence)
        return bytes(self._body)


def taking(encoding: str, declared: int | None) -> Plain | Zipped:
    """Takes the body of a request. `encoding` is its content-encoding, `declared` its content-length in bytes.

    Raises Problem: 413 where it is known to be too large, 415 for other encodings.
    """
    name = encoding.strip().lower() or "identity"
    if name != "identity" and name not in GZIP:
        raise Problem(
            415,
            "unsupported-encoding",
            "Content-Encoding not supported",
            "Send the body as it is, or as gzip.",
        )
    if declared is not None and declared > REQUEST_BYTES:
        refuse_size(f"{declared:,} bytes are announced")
    return Zipped() if name in GZIP else Plain()


def inflated(stream: zlib._Decompress, chunk: bytes, most: int) -> bytes:
    """What a chunk adds: `most` bytes of it at most. Raises Problem 400."""
    try:
        more = stream.decompress(chunk, most)
    except zlib.error:
        raise bad_gzip(
            "The gzip stream is broken: zip the body again, or send it as it is."
        ) from None
    if stream.unused_data:
        raise bad_gzip(
            "Bytes follow the end of the gzip stream: send one member, and nothing behind it."
        )
    return more


def refuse_size(what: str) -> NoReturn:
    """Raises Problem 413."""
    raise too_large(
        f"A request may have {REQUEST_BYTES:,} bytes, also unzipped, and {what}: send fewer items at a time."
    )


# ── A body becomes items ─────────────────────────────────────────────────────────────────────────────────────────────


def cut(body: bytes, content_type: str) -> list[bytes]:
    """The bytes of each item, in order, as they came: 1 to ITEMS. Raises Problem 413, 415 or 422."""
    name = media_type(content_type)
    check_text(body)
    items = lines(body) if name in NDJSON else values(body)
    if not items:
        raise malformed("There is no item in the body: send at least one.")
    check_count(items)
    return items


def check_count(items: Sequence[object]) -> None:
    """Raises Problem 413 for more than ITEMS."""
    if len(items) > ITEMS:
        raise too_many(f"A request may have {ITEMS:,} items: send the others in another one.")


@lru_cache(maxsize=64)  # A sender says the same with each request.
def media_type(content_type: str) -> str:
    """The name of a content type that is taken. Raises Problem 415 for others, and for other charsets than UTF-8."""
    name, *parameters = [part.strip().lower() for part in content_type.split(";")]
    charsets = [part[8:].strip('"') for part in parameters if part.startswith("charset=")]
    if name not in (JSON, *NDJSON) or not {"utf-8", "utf8"}.issuperset(charsets):
        sentence = "Send application/json (an object, or an array of them) or application/x-ndjson (one a line), in UTF-8."
        raise Problem(415, "unsupported-type", "Content-Type not supported", sentence)
    return name


def check_text(body: bytes) -> None:
    """Raises Problem 422 unless a body is text in UTF-8 without a byte order mark."""
    if not body or body.isspace():
        raise malformed("The body is empty: send at least one item.")
    if body.startswith(BOM):
        raise malformed(
            "The body starts with a byte order mark (EF BB BF), which JSON does not have: leave it out."
        )
    if not body.isascii() and (fault := not_utf8(body)):
        raise malformed(f"The body is {fault}: send JSON in UTF-8.")


def not_utf8(text: bytes) -> str | None:
    """Where bytes cease to be UTF-8; None where they are."""
    try:
        text.decode()
    except UnicodeDecodeError as fault:
        return f"not UTF-8 at byte {fault.start:,}"
    return None


def lines(body: bytes) -> list[bytes]:
    """The lines that are not empty; ITEMS + 1 at most. Raises Problem 413 for too many, also empty ones."""
    if body.count(b"\n") > NEWLINES:
        raise too_many(
            f"A body may have {NEWLINES:,} lines, also empty ones: leave those out, or send fewer items at a time."
        )
    stripped = (
        line.strip(SPACES) if len(line) <= ITEM_BYTES else line for line in BytesIO(body)
    )  # Beyond, it is refused.
    return list(islice(filter(None, stripped), ITEMS + 1))


def values(body: bytes) -> list[bytes]:
    """The one object of a body, or the elements of its array. Raises Problem."""
    kind = body.lstrip()[:1]
    if kind not in (b"{", b"["):
        raise malformed(
            "The body is neither an object nor an array: send an issue or action as an object, or an array of them."
        )
    if body.count(b",") > COMMAS:
        raise too_many(
            f"The body has more parts than {ITEMS:,} items can have: send fewer items at a time."
        )
    try:
        raws = [raw_value.decode(body)] if kind == b"{" else raw_array.decode(body)
    except msgspec.DecodeError as fault:
        raise malformed(
            f"The body is not JSON, or it stops half-way: {fault}. Send the whole of it."
        ) from None
    except RecursionError:
        raise malformed(f"The body nests far too deep: an item may have {DEPTH} levels.") from None
    check_count(raws)
    return [bytes(raw) for raw in raws]


# ── What an item must be ─────────────────────────────────────────────────────────────────────────────────────────────


def strict(item: bytes) -> None:
    """Raises Problem unless an item is strict JSON: 413 for its size; 422 for its depth, for what is not JSON in UTF-8
    (also NaN and Infinity), and for NUL, half a character or a key that stands twice, also where they are escaped.
    """
    if len(item) > ITEM_BYTES:
        raise too_large(
            f"An item may have {ITEM_BYTES:,} bytes, and this one has {len(item):,}: shorten it."
        )
    if not surely_strict(item):
        examine(item)


def surely_strict(item: bytes) -> bool:
    """The cheap answer: True only where nothing is wrong; False where `examine` must look.

    A closing quote before a colon stands at least once for each key, so as many different keys as these have no double.
    """
    try:
        value = any_value.decode(item)
        keys = different_keys(value, DEPTH) if type(value) in CONTAINERS else 0
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return keys == item.translate(None, SPACES).count(b'":') and b"\\u0000" not in item


def different_keys(container: Any, left: int) -> int:
    """How many keys all objects of an object or array have. Raises RecursionError where it is deeper than `left`."""
    if not left:
        raise RecursionError
    keys = len(container) if type(container) is dict else 0
    for inner in container.values() if type(container) is dict else container:
        if type(inner) in CONTAINERS:
            keys += different_keys(inner, left - 1)
    return keys


def examine(item: bytes) -> None:
    """The exact answer: raises Problem 422 with all that is wrong, else nothing."""
    if fault := not_utf8(item):
        raise invalid(f"The item is {fault}: send JSON in UTF-8.")
    if item.startswith(BOM):
        raise invalid(
            "The item starts with a byte order mark (EF BB BF), which JSON does not have: leave it out."
        )
    text = item.decode()
    if too_deep(text):
        raise invalid(
            f"The item nests deeper than {DEPTH} levels, which no issue or action needs: flatten it."
        )
    value, found = loaded(text), list[FieldError]()
    if type(value) in LOOKED_AT:
        look(value, "", found)
    if found:
        raise invalid(
            "The item is not strict JSON: correct what errors lists, and send it again.",
            *found[:ERRORS],
        )


def too_deep(text: str) -> bool:
    """Whether more than DEPTH brackets are open anywhere. It does not recurse, however deep the text is."""
    left = DEPTH
    for token in STRING_OR_BRACKET.finditer(text):
        bracket = text[token.start()]
        left += -1 if bracket in "[{" else 1 if bracket in "]}" else 0
        if left < 0:
            return True
    return False


class Constant(str):
    """NaN, Infinity or -Infinity: Python would read them as numbers, JSON does not have them."""

    __slots__ = ()


LOOKED_AT = frozenset({tuple, list, str, Constant})


def loaded(text: str) -> Any:
    """The value of a JSON text, with an object as a tuple of its members, so that doubles are seen. Raises Problem 422."""
    try:  # Of numbers the length will do: nobody asks for them here, and int() refuses those of more than 4,300 digits.
        return json.loads(
            text, object_pairs_hook=tuple, parse_constant=Constant, parse_int=len, parse_float=len
        )
    except (json.JSONDecodeError, RecursionError) as fault:
        problem = invalid(f"The item is not JSON: {fault}. Send an object in JSON.")
    raise problem  # Outside of `except`, or it would carry the text along.


def look(value: Any, at: str, found: list[FieldError]) -> None:
    """Adds all that JSON would let pass and we do not, in the order of the text. `at` is the pointer to the value."""
    if len(found) >= ERRORS:
        return
    if type(value) is tuple:
        look_at_members(value, at, found)
    elif type(value) is list:
        for i, inner in enumerate(value):
            if type(inner) in LOOKED_AT:
                look(inner, f"{at}/{i}", found)
    elif type(value) is Constant:
        found.append(
            FieldError(
                at, f"{value} is not a number of JSON: give a finite number, or leave the field out"
            )
        )
    elif UNSHOWABLE.search(value):
        found.append(
            FieldError(at, "has a NUL or half a character (a lone surrogate): take it out")
        )


def look_at_members(members: tuple[tuple[str, Any], ...], at: str, found: list[FieldError]) -> None:
    """Adds the faults of an object: of its keys, and of what stands under them."""
    seen: set[str] = set()
    for key, inner in members:
        if UNSHOWABLE.search(key):
            found.append(
                FieldError(
                    at, "a key here has a NUL or half a character (a lone surrogate): take it out"
                )
            )
        if key in seen:
            found.append(FieldError(beneath(at, key), "this key stands here twice: keep one"))
        seen.add(key)
        if type(inner) in LOOKED_AT:
            look(inner, beneath(at, key), found)


def beneath(at: str, key: str) -> str:
    """The pointer to a member; to its object where the key is too long or cannot be shown."""
    if len(key) > 64 or UNSHOWABLE.search(key):
        return at
    return f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
