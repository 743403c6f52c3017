"""Trying again with growing pauses, and logging a condition once."""

from __future__ import annotations

import logging

import pytest

from eventlog.log_once import LogOnce
from eventlog.retry import Backoff, retry
from events.errors import Unavailable


def pauses(backoff: Backoff, count: int) -> list[float]:
    return [backoff.pause_seconds() for _ in range(count)]


def test_a_pause_is_twice_the_one_before_up_to_the_longest() -> None:
    backoff = Backoff(0.5, 3.0, chance=lambda: 0.0)
    assert pauses(backoff, 5) == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_pause_is_shorter_by_up_to_half() -> None:
    backoff = Backoff(0.5, 3.0, chance=lambda: 1.0)
    assert pauses(backoff, 5) == [0.25, 0.5, 1.0, 1.5, 1.5]


def test_after_a_success_the_pauses_begin_again() -> None:
    backoff = Backoff(0.5, 3.0, chance=lambda: 0.0)
    pauses(backoff, 4)
    backoff.reset()
    assert pauses(backoff, 2) == [0.5, 1.0]


class Flaky:
    """Work that is unavailable so many times."""

    def __init__(self, faults: int) -> None:
        self.faults = faults

    async def __call__(self) -> str:
        if self.faults:
            self.faults -= 1
            raise Unavailable(f"{self.faults} more")
        return "result"


async def test_work_is_tried_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "pause_seconds", lambda self: 0.0)
    faults: list[str] = []
    result = await retry(Flaky(3), on_fault=lambda fault: faults.append(str(fault)))
    assert (result, faults) == ("result", ["2 more", "1 more", "0 more"])


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "pause_seconds", lambda self: 0.0)
    with pytest.raises(Unavailable):
        await retry(Flaky(10**9), patience_seconds=0.0)


async def test_another_fault_is_not_tried_again() -> None:
    async def fail() -> None:
        raise KeyError("surprise")

    with pytest.raises(KeyError):
        await retry(fail)


@pytest.fixture
def log_once(caplog: pytest.LogCaptureFixture) -> LogOnce:
    caplog.set_level(logging.WARNING)
    return LogOnce(logging.getLogger("gridcall.test"))


def test_a_condition_is_logged_once(log_once: LogOnce, caplog: pytest.LogCaptureFixture) -> None:
    for sentence in ("away", "away", "busy", "away"):
        log_once.warning(sentence)
    assert caplog.messages == ["away", "busy", "away"]


def test_a_condition_that_was_over_is_logged_again(
    log_once: LogOnce, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        log_once.error("halted", about="city")
        log_once.warning("away", about="broker")
        log_once.clear("city")
    assert caplog.messages == ["halted", "away", "halted"], "its end is no warning"
    log_once.clear()
    log_once.warning("away", about="broker")
    assert caplog.messages[-1] == "away"
