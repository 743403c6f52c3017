"""Kinds of text in events, with their limits. Intake holds what comes in against them."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

WORD = r"^[a-z0-9_]{1,64}$"
# First and last of the characters that nobody sees. Two codes that differ in one of them look the
# same, and some of them turn what is beside them, or command a terminal.
UNSEEN_RANGES = (
    (0x0000, 0x001F), (0x007F, 0x009F),  # Controls.
    (0x061C, 0x061C), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F),  # Marks, separators.
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0xFEFF, 0xFEFF), (0xFFF0, 0xFFFB),  # Of no width.
    (0x115F, 0x1160), (0x3164, 0x3164), (0xFFA0, 0xFFA0),  # Fillers of Hangul.
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0xFE00, 0xFE0F),  # Variation selectors, inherent vowels.
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),  # Formats and tags.
    (0xFDD0, 0xFDEF), *((plane + 0xFFFE, plane + 0xFFFF) for plane in range(0, 0x110000, 0x10000)),
)  # fmt: skip


def in_class(code: int) -> str:
    """Return a character for a class of a regular expression: of Python, Rust and ECMAScript."""
    return f"\\u{code:04x}" if code <= 0xFFFF else chr(code)


# The inside of such a class.
UNSEEN = "".join(f"{in_class(first)}-{in_class(last)}" for first, last in UNSEEN_RANGES)
# Half a character is no text: it comes from bytes of a command line that are no UTF-8.
UNSEEN_CHARACTER = re.compile(f"[{UNSEEN}\ud800-\udfff]")
ESCAPED = re.compile(rf"(?![\n\t]){UNSEEN_CHARACTER.pattern}")


def escape_unseen(text: str) -> str:
    r"""Return a text in which characters that nobody sees are written as `\u202e`.

    Line feeds and tabs remain. JSON remains the same JSON.
    """
    if text.isascii() and text.isprintable():
        return text
    return ESCAPED.sub(lambda match: escape(match[0]), text)


def escape(character: str) -> str:
    r"""Return a character as JSON escapes it: beyond U+FFFF as two halves."""
    if character > "\uffff":
        high, low = divmod(ord(character) - 0x10000, 0x400)
        return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
    return f"\\u{ord(character):04x}"


class Printable(NamedTuple):
    """Printable text of at least one character, trimmed and in Unicode's form NFC."""

    chars_max: int


class Matching(NamedTuple):
    """Text that fits a regular expression as a whole."""

    pattern: str


Code = Annotated[str, Printable(64)]  # Of a person, a grid or a street: never a number.
CallId = Annotated[str, Printable(80)]  # As escalation gives it.
Word = Annotated[str, Matching(WORD)]  # A reason or a cause as a code, never as free text.
