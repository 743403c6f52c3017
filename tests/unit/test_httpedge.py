"""Preferences of a client, and the memory that bodies may take together."""

from __future__ import annotations

import pytest

from httpedge.memory_budget import MemoryBudget, OverBudget
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


def test_bodies_share_one_budget_and_give_it_back() -> None:
    budget = MemoryBudget(bytes_max=10)
    with budget.request() as first:
        first(6)
        with budget.request() as second:
            second(4)
            with pytest.raises(OverBudget):
                second(5)
        first(10)
    with budget.request() as third:
        third(10)
