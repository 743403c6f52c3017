"""Deadlines as pure functions: the due time of a policy row, and the row that applies.

Units are hours and calendar days. In days, the day of receipt is not counted and the last one ends
at 24:00 local time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from events.catalogue import CaseFacts, DeadlineRule
from events.instants import EPOCH, HOUR_US, MICROSECOND, Instant, instant


def rule_for(facts: CaseFacts, rules: Sequence[DeadlineRule]) -> DeadlineRule | None:
    """Return the first policy row that fits a case; None if none does."""
    values = (facts.line, facts.category, facts.urgency)
    for rule in rules:
        patterns = (rule.line, rule.category, rule.urgency)
        if all(pattern in ("*", value) for pattern, value in zip(patterns, values, strict=True)):
            return rule
    return None


def due(rule: DeadlineRule, started: Instant, zone: str) -> Instant:
    """Return the due time of a clock that started then. The due time itself is still in time."""
    if rule.unit == "hours":
        return started + rule.amount * HOUR_US
    local = ZoneInfo(zone)
    day_of_receipt = (EPOCH + started * MICROSECOND).astimezone(local).date()
    midnight = datetime.combine(day_of_receipt + timedelta(days=rule.amount + 1), time.min, local)
    return instant(midnight)


def rule_text(rule: DeadlineRule) -> str:
    """Return a policy row in one line, as a clock names it: `hotline/*/urgent: 24 hours`."""
    return f"{rule.line}/{rule.category}/{rule.urgency}: {rule.amount} {rule.unit}"
