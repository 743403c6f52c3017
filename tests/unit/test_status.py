"""The lag of a shard, from positions that are read one after the other."""

from __future__ import annotations

import pytest

from eventlog.postgres.survey import Head
from events.instants import BEGINNING
from gridcall.host.status import shard_status

HEAD = Head("city", 7, BEGINNING, 9, 1, b"", "")


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
    assert shard_status("cases", HEAD, written)["lag"] == lag
