"""Rate limits: a bucket of tokens, and the address that counts for a client."""

from __future__ import annotations

import pytest

from httpedge.addresses import client_network, network_of
from httpedge.rate_limit import NAMES_MAX, RateExceeded, RateLimit


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def seconds_of_refusal(limit: RateLimit, name: object) -> int:
    with pytest.raises(RateExceeded) as refused:
        limit.spend(name)
    return refused.value.seconds


def test_a_bucket_is_spent_and_fills_with_time() -> None:
    clock = Clock()
    limit = RateLimit(2, 3, clock)
    for _ in range(3):
        limit.spend("a")
    assert seconds_of_refusal(limit, "a") == 1
    limit.spend("b")
    clock.seconds += 0.5
    limit.spend("a")
    assert seconds_of_refusal(limit, "a") == 1
    clock.seconds += 1_000
    for _ in range(3):
        limit.spend("a")
    assert seconds_of_refusal(limit, "a") == 1


def test_an_array_counts_its_items_even_if_the_bucket_is_smaller() -> None:
    clock = Clock()
    limit = RateLimit(10, 100, clock)
    limit.spend("a")
    limit.owe("a", 999)
    assert seconds_of_refusal(limit, "a") == 91
    clock.seconds += 90
    assert seconds_of_refusal(limit, "a") == 1
    clock.seconds += 1
    limit.spend("a")


def test_what_is_given_back_can_be_spent_again() -> None:
    limit = RateLimit(1, 1, Clock())
    limit.spend("a")
    limit.owe("a", -1)
    limit.spend("a")
    assert seconds_of_refusal(limit, "a") == 1


def test_no_rate_is_no_limit() -> None:
    limit = RateLimit(0, 1)
    for _ in range(10):
        limit.spend("a", 1_000)


def test_of_too_many_names_the_one_that_was_used_least_recently_is_forgotten() -> None:
    limit = RateLimit(1, 1, Clock())
    for number in range(NAMES_MAX + 1):
        limit.spend(number)
    limit.spend(0)
    assert seconds_of_refusal(limit, NAMES_MAX) == 1


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_client_counts_as_its_network(host: str, network: str) -> None:
    assert network_of(host) == network
    assert client_network({"client": (host, 1)}) == network


def test_clients_of_a_socket_are_one() -> None:
    assert client_network({"client": None}) == ""
