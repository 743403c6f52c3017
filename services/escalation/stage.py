"""Escalation's stage."""

from __future__ import annotations

from typing import Any

from escalation.core.decider import Escalation
from eventlog.core.stage import Stage
from eventlog.stages import Stages
from events.topology import DECIDER_VERSION


def escalation_stages() -> Stages:
    """Return the stages of all districts."""

    def make(district: str) -> Stage[Any, Any]:
        decider = Escalation()
        return Stage(decider, district, versions={DECIDER_VERSION: decider})

    return Stages(make=make, sources=("cases",), sink="calls")
