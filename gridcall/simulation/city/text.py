"""Texts of a city's files: one form for equal words, and what is no text."""

from __future__ import annotations

from unicodedata import normalize


def to_nfc(text: str) -> str:
    """Return a text in Unicode's form NFC, because files of some systems come in NFD."""
    return text if text.isascii() else normalize("NFC", text)


def is_text(text: str) -> bool:
    """Return True for text without NUL and without lone surrogates."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def escape_undecodable(text: str) -> str:
    """Return text with undecodable bytes as backslash escapes, so that it can be written."""
    return text.encode("utf-8", "backslashreplace").decode()
