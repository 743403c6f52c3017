"""The policies: deadlines, and the time within which a call must be answered.

Policies cannot express working days and working hours yet. Limits in these units are left out, such
as Jinan's 5 working days for the hotline. Each limit is another place's, named as a model, or a
default of this demo.
"""

from __future__ import annotations

from typing import Literal

from events.catalogue import DeadlineRule
from events.instants import HOUR_US
from events.reference_data import Policies
from gridcall.demo.licheng.units import ZONE

ANSWER_WITHIN = HOUR_US  # A default of this demo: no source gives a number.


def rule(
    line: str, category: str, urgency: str, amount: int, unit: Literal["hours", "days"] = "hours"
) -> DeadlineRule:
    """Return a row of the policies."""
    return DeadlineRule(line=line, category=category, urgency=urgency, amount=amount, unit=unit)


LIMITS = (
    # Petitions: 信访工作条例 (2022), art. 22-23: the unit informs the petitioner in writing within
    # 15 days; art. 34: matters of art. 31(6) are done within 60 days of acceptance. Plain days are
    # calendar days by our reading. Here both end the case, and the 60 count from receipt, because
    # gridcall does not have the stages of a petition yet.
    rule("petition", "*", "life", 4),  # A default of this demo.
    rule("petition", "*", "urgent", 24),  # A default of this demo.
    rule("petition", "land", "*", 60, "days"),
    rule("petition", "wages", "*", 60, "days"),
    rule("petition", "*", "*", 15, "days"),
    # Hotline: a local standard of Beijing (in force 2023-01-01) dispatches within 1 h (life,
    # property), 2 h (water, power, gas, heat) and 24 h (ordinary). It serves as a model: there
    # these limits dispatch a matter, here they end it.
    rule("hotline", "*", "life", 1),
    *(rule("hotline", category, "urgent", 2) for category in ("water", "power", "gas", "heating")),
    rule("hotline", "*", "urgent", 4),  # A default of this demo.
    rule("hotline", "*", "*", 24),
    # Sentiment: the opinion 国办发〔2016〕61号 demands a response within 48 h, its implementing
    # rules of November 2016 an authoritative word within 5 h in major matters. Both are quoted from
    # secondary sources.
    rule("sentiment", "*", "life", 5),
    rule("sentiment", "*", "urgent", 5),
    rule("sentiment", "*", "*", 48),
    # Grid: no statutory number is known. All of these are defaults of this demo, short enough for
    # a visitor to see some of them missed.
    rule("grid", "*", "life", 1),
    rule("grid", "*", "urgent", 2),
    *(rule("grid", category, "*", 4) for category in ("rubbish", "drainage", "tree", "fire_lane")),
    rule("grid", "*", "*", 8),
)


def policies() -> Policies:
    """Return the district's deadlines, and the time within which a call must be answered."""
    return Policies(ZONE, ANSWER_WITHIN, LIMITS)
