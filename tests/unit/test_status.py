"""The lag of a shard, from positions that are read one after the other."""

from __future__ import annotations

import pytest

from eventlog.postgres.survey import Head
from events.instants import BEGINNING
from gridcall.host.examination import rows_behind


@pytest.mark.parametrize(
    ("written", "lag"),
    [
        (12, 3),
        (9, 0),
        (8, 0),  # One more was written and applied in between.
        (0, 0),
    ],
)
def test_a_lag_is_what_waits_and_never_negative(written: int, lag: int) -> None:
    assert rows_behind(BEGINNING, 9, [end_at(written, 0)]) == lag


@pytest.mark.parametrize(("time", "lag"), [(4, 3), (5, 0), (6, 0)])
def test_rows_of_merged_logs_wait_until_time_has_passed_them_in_both(time: int, lag: int) -> None:
    assert rows_behind(time, 9, [end_at(7, 5), end_at(5, 8)]) == lag


def end_at(position: int, time: int) -> Head:
    return Head("city", position, time, 0, 1, b"", "", position)
