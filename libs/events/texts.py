"""Kinds of text in events, with their limits. Intake holds what comes in against them."""

from __future__ import annotations

from typing import Annotated, NamedTuple

WORD = r"^[a-z0-9_]{1,64}$"


class Printable(NamedTuple):
    """Printable text of at least one character, trimmed and in Unicode's form NFC."""

    chars_max: int


class Matching(NamedTuple):
    """Text that fits a regular expression as a whole."""

    pattern: str


Code = Annotated[str, Printable(64)]  # Of a person, a grid or a street: never a number.
CallId = Annotated[str, Printable(80)]  # As escalation gives it.
Word = Annotated[str, Matching(WORD)]  # A reason or a cause as a code, never as free text.
