"""The lag of a shard, from positions that are read one after the other."""

from __future__ import annotations

import pytest

from eventlog.postgres.survey import Head
from events.instants import BEGINNING
from gridcall.host.status import Positions, shard_status

HEAD = Head("city", 7, BEGINNING, 9, 1, b"", "")


@pytest.mark.parametrize(
    ("written", "applied", "lag"),
    [
        ({"city": 12}, {"city": 9}, 3),
        ({"city": 9}, {"city": 9}, 0),
        ({"city": 8}, {"city": 9}, 0),  # One more was written and applied in between.
        ({}, {"city": 9}, 0),
        ({"city": 12}, {}, 0),
    ],
)
def test_a_lag_is_what_waits_and_never_negative(
    written: Positions, applied: Positions, lag: int
) -> None:
    assert shard_status("cases", HEAD, written, applied)["lag"] == lag
