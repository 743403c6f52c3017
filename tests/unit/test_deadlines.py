"""The due time of a limit."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from events.catalogue import CaseFacts, DeadlineRule
from events.deadlines import due, rule_for
from events.instants import instant


def instant_at(text: str, zone: str) -> int:
    return instant(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def days(amount: int) -> DeadlineRule:
    return DeadlineRule(line="*", category="*", urgency="*", amount=amount, unit="days")


@pytest.mark.parametrize(
    ("zone", "started", "amount", "ends"),
    [
        ("Asia/Shanghai", "2025-03-03T00:00:00", 15, "2025-03-19T00:00:00"),
        ("Asia/Shanghai", "2025-03-03T23:59:59", 15, "2025-03-19T00:00:00"),
        ("Asia/Shanghai", "2024-02-28T12:00:00", 1, "2024-03-01T00:00:00"),
        ("Europe/Dublin", "2019-03-30T12:00:00", 1, "2019-04-01T00:00:00"),
        ("Europe/Dublin", "2019-10-26T12:00:00", 1, "2019-10-28T00:00:00"),
    ],
)
def test_the_day_of_receipt_does_not_count_and_the_last_day_ends_at_24_local(
    zone: str, started: str, amount: int, ends: str
) -> None:
    assert due(days(amount), instant_at(started, zone), zone) == instant_at(ends, zone)


def test_hours_are_hours_also_across_a_change_of_the_clock() -> None:
    limit = DeadlineRule(line="*", category="*", urgency="*", amount=24, unit="hours")
    started = instant_at("2019-03-30T12:00:00", "Europe/Dublin")
    assert due(limit, started, "Europe/Dublin") == instant_at(
        "2019-03-31T13:00:00", "Europe/Dublin"
    )


def test_the_first_row_that_fits_counts() -> None:
    rows = [
        DeadlineRule(line="hotline", category="Water", urgency="*", amount=2, unit="hours"),
        DeadlineRule(line="hotline", category="*", urgency="urgent", amount=4, unit="hours"),
        days(5),
    ]
    assert (
        rule_for(
            CaseFacts(line="hotline", category="Water", urgency="urgent", reported=0, due=None),
            rows,
        )
        == rows[0]
    )
    assert (
        rule_for(
            CaseFacts(line="hotline", category="Noise", urgency="urgent", reported=0, due=None),
            rows,
        )
        == rows[1]
    )
    assert (
        rule_for(
            CaseFacts(line="grid", category="Water", urgency="urgent", reported=0, due=None), rows
        )
        == rows[2]
    )
    assert (
        rule_for(
            CaseFacts(line="grid", category="Water", urgency="urgent", reported=0, due=None),
            rows[:2],
        )
        is None
    )
