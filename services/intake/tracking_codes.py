"""Tracking codes: what a sender is given in the place of an identity, which anybody can compute.

A code is AES-256 of the identity, which is exactly one block of it. So the cipher is a permutation:
each identity has one code, and each code is of one identity. Nothing is stored but the key
(docs/decisions/0022).
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

DIGITS = 32  # Of an identity and of a code, in hex.
WRONG_KEY = "the key of tracking codes is missing, or not the one that made them: gridcall doctor"


def codes_of(key: bytes, ids: Sequence[str]) -> list[str]:
    """Return the tracking code of each identity. Both are 32 hex digits."""
    blocks = block_cipher(key).encryptor().update(bytes.fromhex("".join(ids))).hex()
    return [blocks[start : start + DIGITS] for start in range(0, len(blocks), DIGITS)]


def id_of(key: bytes, code: str) -> str:
    """Return the identity of a tracking code. One that nobody was given has one, too."""
    return block_cipher(key).decryptor().update(bytes.fromhex(code)).hex()


def block_cipher(key: bytes) -> Cipher[ECB]:
    """Return the cipher of single blocks."""
    return Cipher(AES256(key), ECB())  # noqa: S305 A message is one block, and no two are equal.
