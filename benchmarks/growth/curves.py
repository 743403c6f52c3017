"""All curves, in the order in which they are measured."""

from __future__ import annotations

from benchmarks.growth import districts, identities, memory, recovery, screen, senders
from benchmarks.growth.curve import Curve

CURVES: tuple[Curve, ...] = (
    memory.CURVE,
    recovery.CURVE,
    identities.CURVE,
    senders.CURVE,
    districts.ISSUE_CURVE,
    districts.IDLE_CURVE,
    screen.CURVE,
)
