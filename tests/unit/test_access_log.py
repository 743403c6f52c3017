"""The access log counts what comes again, and cannot be made to grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from intake.access_log import OTHERS, REFUSED_MAX, AccessLog

START = datetime(2026, 11, 26, 9, 59, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def test_what_comes_again_within_an_hour_is_one_row_with_its_count() -> None:
    clock = Clock()
    log = AccessLog(clock)
    log.record_read("key:1", "licheng", "/log/licheng", "10.0.0.1")
    clock.now += timedelta(seconds=59)
    log.record_read("key:1", "licheng", "/log/licheng", "10.0.0.1")
    clock.now += timedelta(seconds=1)
    log.record_read("key:1", "licheng", "/log/licheng", "10.0.0.1")
    first, second = log.take()
    assert (first.number, first.first, first.last) == (2, START, START + timedelta(seconds=59))
    assert (second.number, second.access.hour) == (1, START + timedelta(minutes=1))
    assert log.take() == []


def test_another_key_address_or_kind_is_another_row() -> None:
    log = AccessLog(Clock())
    log.record_refusal("no-key", "10.0.0.1")
    log.record_refusal("no-key", "10.0.0.2")
    log.record_refusal("revoked-key", "10.0.0.1")
    log.record_refusal("other-line", "10.0.0.1", "key:1", "licheng")
    log.record_refusal("other-line", "10.0.0.1", "key:2", "licheng")
    assert [each.number for each in log.take()] == [1] * 5


def test_a_million_addresses_are_no_more_rows_than_an_hour_may_have() -> None:
    clock = Clock()
    log = AccessLog(clock)
    for number in range(REFUSED_MAX + 500):
        log.record_refusal("no-key", f"10.0.{number}")
        if number % 100 == 0:
            assert len(log.take()) <= 101
    log.record_refusal("no-key", "10.0.0")
    rows = log.take()
    (others,) = [each for each in rows if each.access.address == OTHERS]
    assert others.number == 99
    assert {each.access.address for each in rows} == {OTHERS, "10.0.0"}
    log.record_read("key:1", "licheng", "/log/licheng", "10.1.0.1")
    assert log.take()[0].access.address == "10.1.0.1", "refusals hide no read"
    clock.now += timedelta(hours=1)
    log.record_refusal("no-key", "10.9.9.9")
    assert log.take()[0].access.address == "10.9.9.9", "the next hour begins again"


def test_what_could_not_be_written_is_counted_again() -> None:
    clock = Clock()
    log = AccessLog(clock)
    log.record_refusal("no-key", "10.0.0.1")
    taken = log.take()
    clock.now += timedelta(seconds=5)
    log.record_refusal("no-key", "10.0.0.1")
    log.put_back(taken)
    (count,) = log.take()
    assert (count.number, count.first, count.last) == (2, START, clock.now)
