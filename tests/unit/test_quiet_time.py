"""Readers of a quiet district are woken seldom, and miss nothing that matters to them."""

from __future__ import annotations

import random

import pytest

from eventlog.core.row import Watermark
from events.instants import Instant
from intake.core.quiet_time import QUIET_US, QuietTime

SECOND = 1_000_000
NOON = 12 * 3600 * SECOND


def marks_of_news(marks: list[Watermark]) -> list[Watermark]:
    quiet = QuietTime()
    return [mark for mark in marks if quiet.is_news("city", mark)]


def test_in_a_quiet_district_one_second_of_five_is_news() -> None:
    marks = [Watermark(7, NOON + number * SECOND) for number in range(11)]
    assert marks_of_news(marks) == [marks[0], marks[5], marks[10]]


def test_the_second_after_a_row_is_news() -> None:
    marks = [Watermark(7, NOON), Watermark(8, NOON + SECOND), Watermark(8, NOON + 2 * SECOND)]
    assert marks_of_news(marks) == marks[:2]


def test_a_log_that_was_cut_is_news() -> None:
    marks = [Watermark(7, NOON), Watermark(5, NOON + SECOND)]
    assert marks_of_news(marks) == marks


def test_all_districts_have_their_news_in_the_same_second() -> None:
    quiet, begun = QuietTime(), {"early": NOON, "late": NOON + 3 * SECOND}
    for district, time in begun.items():
        assert quiet.is_news(district, Watermark(1, time))
    for second in range(4, 20):
        mark = Watermark(1, NOON + second * SECOND)
        assert len({quiet.is_news(district, mark) for district in begun}) == 1


def test_in_a_demo_that_runs_sixty_times_as_fast_each_second_is_news() -> None:
    marks = [Watermark(7, NOON + number * 60 * SECOND) for number in range(9)]
    assert marks_of_news(marks) == marks


class Reader:
    """A stage of a district: how far time has passed for it, and its timers."""

    def __init__(self) -> None:
        self.time: Instant = 0
        self.timers: list[Instant] = []

    def awaits(self, now: Instant) -> bool:
        return any(due < now for due in self.timers)

    def look(self, mark: Watermark) -> None:
        self.time = mark.watermark
        self.timers = [due for due in self.timers if due >= mark.watermark]


@pytest.mark.parametrize("seed", range(50))
def test_a_reader_that_is_woken_for_news_and_timers_misses_nothing(seed: int) -> None:
    """A random schedule of rows, seconds and timers in some districts."""
    chance, quiet, now = random.Random(seed), QuietTime(), NOON
    readers = {f"district-{number}": Reader() for number in range(3)}
    rows: dict[str, list[Instant]] = {district: [] for district in readers}
    for _ in range(400):
        now += chance.randint(1, SECOND)
        district = chance.choice(list(readers))
        match chance.choice(("row", "timer", "second", "second")):
            case "row":
                rows[district].append(now)
            case "timer":
                readers[district].timers.append(now + chance.randint(0, 20 * SECOND))
            case _:
                for name, reader in readers.items():
                    mark = Watermark(len(rows[name]), now)
                    if quiet.is_news(name, mark) or reader.awaits(now):
                        reader.look(mark)
                    assert now - reader.time < QUIET_US
                    assert all(time < reader.time for time in rows[name])
                    assert not reader.awaits(now)
