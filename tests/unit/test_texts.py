"""Characters that nobody sees: which they are, and how a terminal shows them."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest

from events.texts import UNSEEN, escape_unseen

UNSEEN_CLASS = re.compile(f"[{UNSEEN}]")
EVERY_CHARACTER = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
TURNING = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def is_noncharacter(character: str) -> bool:
    code = ord(character)
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE


def test_controls_separators_directions_and_noncharacters_are_unseen() -> None:
    expected = [
        each
        for each in EVERY_CHARACTER
        if unicodedata.category(each) in ("Cc", "Zl", "Zp")
        or unicodedata.bidirectional(each) in TURNING
        or is_noncharacter(each)
    ]
    assert len(expected) > 100
    assert [each for each in expected if not UNSEEN_CLASS.fullmatch(each)] == []


@pytest.mark.parametrize(
    "character",
    "\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2063\u206a\u3164\ufe0f\ufeff"
    "\uffa0\ufff9\U000e0041\U000e0100",
)
def test_a_character_without_width_is_unseen(character: str) -> None:
    assert UNSEEN_CLASS.fullmatch(character)


def test_what_people_write_is_seen() -> None:
    written = [
        each
        for each in EVERY_CHARACTER
        if unicodedata.category(each)[0] in "LNPS" or unicodedata.category(each) in ("Co", "Zs")
    ]
    unseen = {unicodedata.name(each) for each in written if UNSEEN_CLASS.fullmatch(each)}
    assert len(written) > 100_000
    assert all("FILLER" in name for name in unseen), unseen


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("夜间施工噪音\tR-1\n", "夜间施工噪音\tR-1\n"),
        ("\x1b]0;owned\x07", "\\u001b]0;owned\\u0007"),
        ("a\u202eb\u2028\x9b31m", "a\\u202eb\\u2028\\u009b31m"),
        ("\U000e0041\udcff", "\\udb40\\udc41\\udcff"),
        ("plain", "plain"),
    ],
)
def test_a_terminal_shows_what_would_command_it(text: str, shown: str) -> None:
    assert escape_unseen(text) == shown


def test_escaped_json_is_the_same_json() -> None:
    value = {"a\u202e\x7f": ["\U000e0041", "\n", "\x1b[2J"]}
    text = json.dumps(value, ensure_ascii=False, indent=2)
    assert json.loads(escape_unseen(text)) == value
