"""Identities: the same source, line and reference are the same issue, for ever."""

from __future__ import annotations

from hashlib import sha256
from json.encoder import encode_basestring


def issue_id(district: str, source: str, line: str, reference: str) -> str:
    """Return the id of an issue: the first 32 hex digits of SHA-256 over these four as JSON."""
    return identity(district, source, line, reference)


def action_id(district: str, source: str, reference: str) -> str:
    """Return the id of an action: the first 32 hex digits of SHA-256 over these three as JSON."""
    return identity(district, source, reference)


def identity(*words: str) -> str:
    """Return the first 32 hex digits of SHA-256 over a JSON array in UTF-8, without spaces."""
    array = f"[{','.join(map(encode_basestring, words))}]"
    return sha256(array.encode()).hexdigest()[:32]
