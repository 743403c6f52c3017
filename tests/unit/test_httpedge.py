"""Preferences of a client."""

from __future__ import annotations

import pytest

from httpedge.prefer import preferred_wait


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([], 0),
        ([b"wait=2"], 2),
        ([b'Wait = "3"; foo'], 3),
        ([b"respond-async, wait=5"], 5),
        ([b"respond-async", b"wait=4"], 4),
        ([b"wait=1, wait=2"], 1),
        ([b"wait=99"], 10),
        ([b"wait=-1"], 0),
        ([b"wait=soon"], 0),
        ([b"wait=2\xff"], 0),
    ],
)
def test_the_first_readable_wait_counts_up_to_its_limit(values: list[bytes], seconds: int) -> None:
    headers = [(b"host", b"x"), *((b"prefer", value) for value in values)]
    assert preferred_wait(headers, 10) == seconds
