"""Connections of a server: which one makes room, and which one has waited long enough."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpedge.connection_table import (
    STALL_BYTES_MIN,
    UNREAD_BYTES_MAX,
    ConnectionTable,
    Ending,
    Limits,
    Refusal,
)

LIMITS = Limits(connections=4, per_address=2, head_seconds=10, stall_seconds=15)
HOME, OFFICE, SHOP = "192.0.2.1", "192.0.2.2", "2001:db8::/64"


class Noted:
    """A connection that notes how it ended."""

    def __init__(self, unread_bytes: int = 0) -> None:
        self.unread_bytes = unread_bytes
        self.endings: list[Ending] = []

    def end(self, ending: Ending) -> None:
        self.endings.append(ending)


@pytest.fixture
def table() -> ConnectionTable:
    return ConnectionTable(LIMITS)


Enter = Callable[..., Noted]


@pytest.fixture
def enter(table: ConnectionTable) -> Enter:
    """Return a function that admits a connection, which must not be refused."""

    def admit(network: str, now: float = 0, *, works: bool = False) -> Noted:
        member = Noted()
        assert table.admit(member, network, now) is None
        if works:
            table.work(member)
        return member

    return admit


def test_one_more_than_its_share_ends_the_one_of_its_address_that_waited_longest(
    table: ConnectionTable, enter: Enter
) -> None:
    other = enter(OFFICE)
    first, second, third = (enter(HOME) for _ in range(3))
    assert first.endings == [Ending.ROOM]
    assert [member.endings for member in (other, second, third)] == [[], [], []]
    assert len(table) == 3


def test_one_that_asked_meanwhile_has_not_waited_longest(
    table: ConnectionTable, enter: Enter
) -> None:
    first, second = enter(HOME), enter(HOME)
    table.work(first)
    table.wait(first, until=30)
    enter(HOME)
    assert (first.endings, second.endings) == ([], [Ending.ROOM])


def test_an_address_whose_connections_all_work_is_refused_and_others_are_not(
    table: ConnectionTable, enter: Enter
) -> None:
    busy = [enter(HOME, works=True) for _ in range(2)]
    refused = Noted()
    assert table.admit(refused, HOME, 0) is Refusal.ADDRESS
    enter(OFFICE)
    assert not any(member.endings for member in busy)


def test_one_that_was_refused_makes_room_for_the_next_one(
    table: ConnectionTable, enter: Enter
) -> None:
    working = [enter(HOME, works=True), enter(HOME, works=True)]
    refused = Noted()
    table.admit(refused, HOME, 0)
    table.remove(working[0])
    enter(HOME)
    assert refused.endings == [Ending.ROOM]


def test_when_all_places_are_taken_the_one_of_all_that_waited_longest_ends(
    table: ConnectionTable, enter: Enter
) -> None:
    office = enter(OFFICE)
    for network in (HOME, HOME, OFFICE):
        enter(network)
    enter(SHOP)
    assert office.endings == [Ending.ROOM]


def test_when_all_work_the_next_one_is_refused(table: ConnectionTable, enter: Enter) -> None:
    for network in (HOME, HOME, OFFICE, OFFICE):
        enter(network, works=True)
    assert table.admit(Noted(), SHOP, 0) is Refusal.ALL


def test_a_connection_ends_once_when_its_time_is_over(table: ConnectionTable, enter: Enter) -> None:
    member = enter(HOME, now=100)
    table.sweep(109.9)
    assert member.endings == []
    table.sweep(110)
    table.sweep(111)
    assert member.endings == [Ending.TOO_LATE]


def test_a_connection_that_works_has_all_the_time(table: ConnectionTable, enter: Enter) -> None:
    member = enter(HOME, works=True)
    table.sweep(1e9)
    assert member.endings == []


@pytest.mark.parametrize(
    ("read", "endings"), [(STALL_BYTES_MIN, []), (STALL_BYTES_MIN - 1, [Ending.STALLED])]
)
def test_a_client_must_read_some_of_its_response_in_time(
    table: ConnectionTable, enter: Enter, read: int, endings: list[Ending]
) -> None:
    member = enter(HOME, works=True)
    member.unread_bytes = 1_000_000
    table.watch(member, 50)
    table.sweep(64.9)
    member.unread_bytes -= read
    table.sweep(65)
    assert member.endings == endings


def test_a_client_that_has_read_all_is_watched_no_more(
    table: ConnectionTable, enter: Enter
) -> None:
    member = enter(HOME, works=True)
    table.watch(member, 50)
    table.unwatch(member)
    table.sweep(1e9)
    assert member.endings == []


def test_beyond_the_memory_for_what_is_not_read_the_client_ends_that_is_watched_longest(
    table: ConnectionTable, enter: Enter
) -> None:
    first, second = enter(HOME, works=True), enter(OFFICE, works=True)
    first.unread_bytes, second.unread_bytes = 1, UNREAD_BYTES_MAX
    table.watch(first, 50)
    table.watch(second, 51)
    assert (first.endings, second.endings) == ([Ending.STALLED], [])


def test_half_of_all_connections_are_the_share_of_an_address() -> None:
    assert Limits(connections=100).share == 50
    assert Limits(connections=100, per_address=7).share == 7
    assert Limits(connections=100, per_address=700).share == 100


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "work", "wait", "watch", "remove", "sweep"]),
        st.sampled_from([HOME, OFFICE, SHOP]),
        st.integers(0, 9),
    ),
    max_size=60,
)


@given(STEPS)
def test_there_is_at_most_one_more_than_the_limits_allow_whatever_happens(
    steps: list[tuple[str, str, int]],
) -> None:
    table = ConnectionTable(LIMITS)
    members: list[Noted] = []  # A refused one only waits until it has read why.
    now = 0.0
    for step, network, number in steps:
        now += number
        if step == "admit":
            member = Noted(number * 1000)
            if table.admit(member, network, now) is None:
                members.append(member)
        elif step == "sweep":
            table.sweep(now)
        elif members:
            member = members[number % len(members)]
            match step:
                case "work":
                    table.work(member)
                case "wait":
                    table.wait(member, now + number)
                case "watch":
                    table.watch(member, now)
                case _:
                    table.remove(member)
        assert len(table) <= LIMITS.connections + 1
