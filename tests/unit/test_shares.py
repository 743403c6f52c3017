"""Shares: nobody takes so much that nothing is left for others."""

from __future__ import annotations

import pytest

from httpedge.memory_budget import MemoryBudget
from httpedge.shares import Shares
from tests.harness.problems import problem


def take_all(shares: Shares, *holders: str) -> dict[str, int]:
    """Let holders take one after the other, as long as any of them can; return what each has."""
    taken = dict.fromkeys(holders, 0)
    while any(shares.has_room(holder, 1) for holder in holders):
        for holder in holders:
            if shares.has_room(holder, 1):
                shares.take(holder, 1)
                taken[holder] += 1
    return taken


@pytest.mark.parametrize(("count", "each"), [(1, 60), (2, 40), (3, 30), (5, 20)])
def test_each_of_n_holders_gets_as_much_as_is_left_free(count: int, each: int) -> None:
    shares = Shares("memory", 120)
    holders = [f"key {number}" for number in range(count)]
    assert take_all(shares, *holders) == dict.fromkeys(holders, each)
    assert shares.total == 120 - each


def test_a_holder_with_its_share_is_to_come_again_and_others_have_room() -> None:
    shares = Shares("memory", 10)
    shares.take("a", 5)
    refused = problem(lambda: shares.take("a", 1))
    assert (refused.status, refused.kind, refused.headers) == (429, "share", {"Retry-After": "2"})
    shares.take("b", 2)
    crowded = problem(lambda: shares.take("b", 1))
    assert (crowded.status, crowded.kind) == (503, "busy")
    shares.take("a", -5)
    shares.take("b", 1)
    assert shares.total == 3


def test_one_after_the_other_each_gets_a_half_of_what_is_left() -> None:
    shares = Shares("streams", 500)
    taken = [sum(take_all(shares, f"key {number}").values()) for number in range(9)]
    assert taken == [250, 125, 62, 31, 16, 8, 4, 2, 1]
    assert not shares.has_room("key 9", 1)


def test_gridcall_itself_may_take_all() -> None:
    shares = Shares("streams", 4)
    shares.take(None, 4)
    assert problem(lambda: shares.take(None, 1)).status == 503


def test_the_bodies_of_a_key_share_its_memory_and_give_it_back() -> None:
    budget = MemoryBudget(bytes_max=20)
    with budget.request("a") as first:
        first(6)
        with budget.request("a") as second:
            second(4)
            assert problem(lambda: second(5)).status == 429
            with budget.request("b") as other:
                other(5)
        first(10)
    with budget.request("a") as third:
        third(10)
