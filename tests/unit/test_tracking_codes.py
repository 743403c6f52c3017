"""Tracking codes: each identity has one, which nobody finds without the key."""

from __future__ import annotations

import secrets

from hypothesis import given
from hypothesis import strategies as st

from intake.tracking_codes import codes_of, id_of

KEY = bytes(range(32))
IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)
KEYS = st.binary(min_size=32, max_size=32)


def test_a_code_is_aes_256_of_the_identity_as_its_standard_shows_it() -> None:
    """Appendix C.3 of FIPS 197."""
    (code,) = codes_of(KEY, ["00112233445566778899aabbccddeeff"])
    assert code == "8ea2b7ca516745bfeafc49904b496089"


@given(KEYS, st.lists(IDS, max_size=50))
def test_each_code_leads_back_to_its_identity(key: bytes, ids: list[str]) -> None:
    codes = codes_of(key, ids)
    assert [id_of(key, code) for code in codes] == ids
    assert [codes_of(key, [each])[0] for each in ids] == codes, "the neighbours do not matter"
    assert len(set(codes)) == len(set(ids))


@given(IDS)
def test_another_key_makes_other_codes(name: str) -> None:
    assert codes_of(KEY, [name]) != codes_of(secrets.token_bytes(32), [name])


def test_a_code_with_one_wrong_digit_is_of_nobody() -> None:
    """Of 128 bits about 64 change, so that no mistake leads to a neighbour."""
    name = secrets.token_hex(16)
    (code,) = codes_of(KEY, [name])
    mistyped = [
        code[:place] + digit + code[place + 1 :]
        for place in range(32)
        for digit in "0123456789abcdef"
        if digit != code[place]
    ]
    distances = [(int(id_of(KEY, each), 16) ^ int(name, 16)).bit_count() for each in mistyped]
    assert len(distances) == 480
    assert min(distances) > 25
